"""The tasks: how often each ran, failed, and how long it took."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiojobs_redis.job import JobState
from aiojobs_redis.metrics import TaskMetrics
from aiojobs_redis.web.pages.charts import spark
from aiojobs_redis.web.pages.gather import answering
from aiojobs_redis.web.pages.listing import parts_of
from aiojobs_redis.web.pages.render import render

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from aiojobs_redis.queue import Queue

__all__ = ["SPANS", "quantile", "tasks_page"]

SPANS: Final = {60: "the last hour", 360: "the last 6 hours", 1440: "the last day"}
_NOTHING: Final = TaskMetrics()
SAMPLE: Final = 500
"""Jobs that completed last, of which the quantiles are taken."""


@dataclass(frozen=True, slots=True)
class Line:
    """A task of a queue.

    Attributes:
        queue: Name of the queue.
        task: Name of the task.
        metrics: What was counted.
        known: Whether this process has its code.
        p50: Seconds that half of its last jobs stayed below; None where none is kept.
        p95: The same for 95 in 100.
        path: Its completed jobs over time, to draw.
    """

    queue: str
    task: str
    metrics: TaskMetrics
    known: bool
    p50: float | None
    p95: float | None
    path: str

    @property
    def attempts(self) -> int:
        """Attempts that ended, one way or another."""
        return self.metrics.completed + self.metrics.failed + self.metrics.dead

    @property
    def mean(self) -> float | None:
        """Seconds that an attempt ran on average."""
        return self.metrics.run_seconds / self.attempts if self.attempts else None


async def tasks_page(request: Request) -> Response:
    """Show the tasks."""
    given = request.query_params.get("minutes", "")
    minutes = int(given) if given in {str(span) for span in SPANS} else 60
    found = [line for queue in await answering(request) for line in await _lines(queue, minutes)]
    return render(
        request,
        "tasks.html",
        here="tasks",
        tasks=found,
        minutes=minutes,
        spans=SPANS,
        sample=SAMPLE,
    )


async def _lines(queue: Queue, minutes: int) -> list[Line]:
    metrics = await queue.metrics(minutes)
    times = await _run_times(queue)
    names = sorted({*metrics.tasks, *queue.tasks})
    return [
        Line(
            queue=queue.name,
            task=name,
            metrics=metrics.tasks.get(name, _NOTHING),
            known=name in queue.tasks,
            p50=quantile(times[name], 0.50),
            p95=quantile(times[name], 0.95),
            path=spark(
                _thinned(
                    [m.tasks[name].completed if name in m.tasks else 0 for m in metrics.minutes]
                )
            ),
        )
        for name in names
    ]


async def _run_times(queue: Queue) -> dict[str, list[float]]:
    counts = await queue.counts()
    found: dict[str, list[float]] = defaultdict(list)
    parts = parts_of(queue, JobState.COMPLETED, counts.completed, SAMPLE, newest=True)
    async for info in (info async for part in parts for info in part):
        if info.started_at is not None and info.finished_at is not None:
            found[info.task].append((info.finished_at - info.started_at).total_seconds())
    return found


def quantile(values: Sequence[float], part: float) -> float | None:
    """Return the value below which that part of them is; None of none."""
    return sorted(values)[min(len(values) - 1, int(part * len(values)))] if values else None


def _thinned(values: Sequence[int]) -> list[float]:
    """Return at most 60 sums, in order."""
    size = -(-len(values) // 60)
    return [float(sum(values[at : at + size])) for at in range(0, len(values), size)]
