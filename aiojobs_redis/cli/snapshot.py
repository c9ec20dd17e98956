"""What `top` shows of one queue at one moment, and how fast it moved since the moment before."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    from aiojobs_redis import Counts, JobInfo, Metrics, Queue, WorkerInfo

__all__ = ["Rates", "Sampler", "Snapshot"]

_MINUTES = 5
"""Minutes that are looked at: two snapshots may be so far apart."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Jobs a second since the snapshot before.

    Attributes:
        enqueued: That were added.
        completed: That completed.
        failed: Attempts that failed, those of jobs that are dead now included.
    """

    enqueued: float
    completed: float
    failed: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One queue at one moment.

    Attributes:
        queue: Its name.
        counts: Jobs in each state.
        rates: How fast it moves; None in the first snapshot.
        workers: Those of the last minute.
        running: Some of the jobs that run.
    """

    queue: str
    counts: Counts
    rates: Rates | None
    workers: list[WorkerInfo]
    running: list[JobInfo]

    def record(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "queue": self.queue,
            **asdict(self.counts),
            "rates": None if self.rates is None else asdict(self.rates),
            "worker_list": [asdict(worker) for worker in self.workers],
            "running_list": [
                {
                    "id": info.id,
                    "task": info.task,
                    "worker": info.worker,
                    "started_at": info.started_at,
                    "progress": info.progress.fraction if info.progress else None,
                }
                for info in self.running
            ],
        }


class Sampler:
    """Takes snapshots of one queue.

    Args:
        queue: The queue.
        jobs: Running jobs to show at most.
    """

    def __init__(self, queue: Queue, jobs: int) -> None:
        self._queue = queue
        self._jobs = jobs
        self._at = 0.0
        self._before: dict[datetime, tuple[int, int, int]] = {}

    async def take(self) -> Snapshot:
        """Look once, at a cost that does not grow with the queue.

        Raises:
            QueueUnavailable: Redis did not answer.
        """
        queue = self._queue
        counts = await queue.counts()
        metrics = await queue.metrics(_MINUTES)
        workers = await queue.workers()
        running = await queue.jobs("running", limit=self._jobs) if counts.running else []
        return Snapshot(queue.name, counts, self._rates(metrics), workers, running)

    def _rates(self, metrics: Metrics) -> Rates | None:
        now = time.monotonic()
        seconds, first = now - self._at, not self._before
        totals = {
            minute.at: (
                minute.total.enqueued,
                minute.total.completed,
                minute.total.failed + minute.total.dead,
            )
            for minute in metrics.minutes
        }
        grown = [0, 0, 0]
        for at, numbers in totals.items():
            known = self._before.get(at, (0, 0, 0))
            grown = [a + b - c for a, b, c in zip(grown, numbers, known, strict=True)]
        self._at, self._before = now, totals
        if first:
            return None
        enqueued, completed, failed = (max(0.0, number / seconds) for number in grown)
        return Rates(enqueued, completed, failed)
