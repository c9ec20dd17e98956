"""How queues and workers are at the moment of a scrape, as Prometheus takes it.

Queues are asked in Redis, by one script call each, whose cost does not grow with their jobs.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as FutureTimeout
from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily

from aiojobs_redis.errors import AiojobsError
from aiojobs_redis.job import JobState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aiojobs_redis.job import Counts
    from aiojobs_redis.queue import Queue
    from aiojobs_redis.worker.worker import Worker

__all__ = ["QueueGauges", "WorkerGauges", "read_queues"]

_log = logging.getLogger("aiojobs_redis.metrics")

_PATIENCE = 3.0
"""Seconds after which a scrape goes without what a queue does not answer."""


async def read_queues(queues: Iterable[Queue]) -> list[GaugeMetricFamily]:
    """Return the gauges of queues; one that does not answer has ``aiojobs_redis_queue_up`` 0."""
    asked = list(queues)
    return _families(asked, await asyncio.gather(*map(_counts, asked)))


async def _counts(queue: Queue) -> Counts | None:
    try:
        async with asyncio.timeout(_PATIENCE):
            return await queue.counts()
    except (AiojobsError, TimeoutError) as error:
        _log.warning("queue %s does not answer a scrape: %s", queue.name, str(error) or "too late")
        return None


def _families(queues: Sequence[Queue], found: Sequence[Counts | None]) -> list[GaugeMetricFamily]:
    def gauge(name: str, text: str, *more: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(f"aiojobs_redis_queue_{name}", text, labels=("queue", *more))

    up = gauge("up", "Whether the queue answered this scrape")
    jobs = gauge("jobs", "Jobs by state", "state")
    oldest = gauge("oldest_job_age_seconds", "Seconds that the oldest queued job waits")
    paused = gauge("paused", "Whether the queue is paused")
    workers = gauge("workers", "Workers seen lately")
    for queue, counts in zip(queues, found, strict=True):
        up.add_metric([queue.name], float(counts is not None))
        if counts is None:
            continue
        for state in JobState:
            jobs.add_metric([queue.name, state.value], getattr(counts, state.value))
        oldest.add_metric([queue.name], counts.oldest_seconds or 0.0)
        paused.add_metric([queue.name], float(counts.paused))
        workers.add_metric([queue.name], counts.workers)
    return [up, jobs, oldest, paused, workers]


class QueueGauges:
    """Collects `read_queues` from another thread than that of the event loop.

    Args:
        queues: The queues.
        loop: The loop on which they are used.
    """

    def __init__(self, queues: Sequence[Queue], loop: asyncio.AbstractEventLoop) -> None:
        self._queues = queues
        self._loop = loop

    def collect(self) -> list[GaugeMetricFamily]:
        """Return the gauges; a loop that is blocked is like queues that do not answer."""
        reading = asyncio.run_coroutine_threadsafe(read_queues(self._queues), self._loop)
        try:
            return reading.result(_PATIENCE + 1)
        except (FutureTimeout, CancelledError):
            reading.cancel()
            _log.warning("the event loop does not answer a scrape: a task blocks it")
            return _families(self._queues, [None] * len(self._queues))


class WorkerGauges:
    """Collects what the workers of this process do now."""

    def __init__(self) -> None:
        self.workers: list[Worker] = []

    def collect(self) -> list[GaugeMetricFamily]:
        """Return the gauges."""
        up = [worker for worker in self.workers if worker.is_running]
        running = GaugeMetricFamily(
            "aiojobs_redis_jobs_running", "Jobs that run in this process", labels=("queue",)
        )
        now = Counter(run.lane.queue.name for worker in up for run in worker.runs())
        for name in sorted({queue.name for worker in up for queue in worker.queues}):
            running.add_metric([name], now[name])
        slots = GaugeMetricFamily(
            "aiojobs_redis_worker_concurrency",
            "Jobs that the workers of this process run at once",
            value=sum(worker.concurrency for worker in up),
        )
        ups = GaugeMetricFamily(
            "aiojobs_redis_worker_up",
            "Whether a worker runs here",
            value=float(bool(up)),
        )
        return [running, slots, ups] if self.workers else []

    def describe(self) -> list[GaugeMetricFamily]:
        """Return nothing, so that a registry does not collect when this is registered."""
        return []
