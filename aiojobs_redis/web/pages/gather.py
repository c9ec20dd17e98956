"""What several pages read: the queues that are asked for, with their counts and metrics."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from aiojobs_redis.web.pages.charts import spark
from aiojobs_redis.web.reached import reach
from aiojobs_redis.web.state import queue_of, queues_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from starlette.requests import Request

    from aiojobs_redis.job import Counts, WorkerInfo
    from aiojobs_redis.metrics import Metrics
    from aiojobs_redis.queue import Queue
    from aiojobs_redis.server import ServerReport

__all__ = [
    "Summary",
    "answering",
    "chosen",
    "counts_of",
    "each_of",
    "servers_of",
    "summaries",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Summary:
    """A queue in a line.

    Attributes:
        queue: The queue.
        counts: Its counts.
        metrics: What was counted of late.
        workers: Its live workers.
        problems: What is wrong with it.
        limit: Jobs of it that may run at once over all workers; None for any number.
    """

    queue: Queue
    counts: Counts
    metrics: Metrics
    workers: list[WorkerInfo]
    problems: tuple[str, ...]
    limit: int | None

    @property
    def path(self) -> str:
        """Its completed jobs, minute by minute, to draw."""
        return spark([minute.total.completed for minute in self.metrics.minutes])

    @property
    def slots(self) -> int:
        """Jobs that its workers run at once."""
        return sum(worker.concurrency for worker in self.workers)

    @property
    def most(self) -> int:
        """Jobs that can run at once: the slots, or the limit where that is less."""
        return self.slots if self.limit is None else min(self.slots, self.limit)

    @property
    def lately(self) -> list[int]:
        """Completed jobs of each of the last five minutes, the running one included."""
        return [minute.total.completed for minute in self.metrics.minutes[-5:]]


def chosen(request: Request, name: str | None = None) -> list[Queue]:
    """Return the queue that is asked for, by name or in the URL; all of them without one."""
    wanted = name or request.query_params.get("queue") or None
    return list(queues_of(request).values()) if wanted is None else [queue_of(request, wanted)]


async def answering(request: Request, name: str | None = None) -> list[Queue]:
    """Return the queues that are asked for, of several those that answer.

    The page tells of the others.

    Raises:
        QueueUnavailable: None of several answers.
    """
    queues = chosen(request, name)
    if len(queues) == 1:
        return queues
    found = await reach(queues)
    request.state.away = found.away
    return [queue for queue, _ in found.there]


async def each_of(queues: Iterable[Queue], ask: Callable[[Queue], Awaitable[T]]) -> list[T]:
    """Ask all queues the same, at once."""
    return list(await asyncio.gather(*(ask(queue) for queue in queues)))


async def counts_of(queues: Iterable[Queue]) -> list[Counts]:
    """Return the counts of queues."""
    return await each_of(queues, lambda queue: queue.counts())


async def servers_of(queues: Iterable[Queue]) -> list[tuple[ServerReport, list[str]]]:
    """Return what each server of the queues says of itself, with the names of its queues."""
    by_address: dict[str, list[Queue]] = {}
    for queue in queues:
        by_address.setdefault(queue.store.server.label, []).append(queue)
    reports = await each_of((there[0] for there in by_address.values()), lambda q: q.server())
    names = [[queue.name for queue in there] for there in by_address.values()]
    return list(zip(reports, names, strict=True))


async def summaries(queues: Iterable[Queue], minutes: int = 60) -> list[Summary]:
    """Return a line on each queue."""

    async def one(queue: Queue) -> Summary:
        health = await queue.health()
        counts = health.counts or await queue.counts()
        metrics, workers = await queue.metrics(minutes), await queue.workers()
        whole = [each for each in await queue.limits() if each.task is None and each.key is None]
        limit = whole[0].concurrency if whole else None
        return Summary(queue, counts, metrics, workers, health.problems, limit)

    return await each_of(queues, one)
