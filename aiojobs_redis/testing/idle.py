"""Runs what there is to run, and ends when nothing is left that is due."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from aiojobs_redis.testing.frozen_clock import check_in_memory, frozen
from aiojobs_redis.testing.given import check_queues
from aiojobs_redis.testing.left import Left
from aiojobs_redis.worker.worker import Worker

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from aiojobs_redis.queue import Queue

__all__ = ["run_until_idle", "running", "settle"]

_LOOK = 0.002
_SWEPT = 250


async def run_until_idle(
    *queues: Queue,
    scheduled: bool = False,
    retrying: bool = True,
    worker: Callable[[Sequence[Queue]], Worker] = Worker,
) -> None:
    """Run a worker until nothing is queued, running or retrying any more, and nothing is due.

    Retries do not wait for their back-off, unless they are told to. Where a `FrozenClock` is in
    force, due is what is due by it, and what a limit holds back until later stays queued.

    Args:
        queues: The queues of the application, on any server.
        scheduled: Whether jobs do not wait for their ``delay``, ``at`` or `Snooze` either, once
            each.
        retrying: Whether retries do not wait for their back-off. Those that do stay ``retrying``
            until it is over.
        worker: Makes the worker from them, for one with a lifespan or middleware.

    Raises:
        ConfigInvalid: One is no queue, or a `FrozenClock` is in force and one is not in memory.
    """
    check_queues("run_until_idle", queues)
    if frozen():
        check_in_memory("run_until_idle", queues)
        await _sweep(queues)
    async with running(queues, worker) as (runner, work):
        await settle(queues, runner, work, scheduled=scheduled, retrying=retrying)


@contextlib.asynccontextmanager
async def running(
    queues: Sequence[Queue], make: Callable[[Sequence[Queue]], Worker]
) -> AsyncGenerator[tuple[Worker, asyncio.Task[None]]]:
    """Run a worker meanwhile."""
    worker = make(list(queues))
    work = asyncio.create_task(worker.run())
    try:
        yield worker, work
    finally:
        worker.stop()
        await work


async def settle(
    queues: Sequence[Queue],
    worker: Worker,
    work: asyncio.Task[None],
    *,
    scheduled: bool = False,
    retrying: bool = True,
) -> None:
    """Wait until nothing is left to run; see `run_until_idle`.

    Args:
        queues: The queues.
        worker: What runs their jobs.
        work: Its run.
        scheduled: As there.
        retrying: As there.
    """
    looks = [Left(queue, scheduled=scheduled, retrying=retrying) for queue in queues]

    async def nothing_left() -> bool:
        return not any([await look.to_do() for look in looks])

    while not work.done():
        if await worker.is_idle(nothing_left):
            return
        await asyncio.sleep(_LOOK)
    # It has failed: the caller is told why.
    await work


async def _sweep(queues: Sequence[Queue]) -> None:
    # A janitor does so every ten seconds of a clock that is not frozen.
    for queue in queues:
        removed, cursors = _SWEPT, ["0"] * 5
        while removed >= _SWEPT:
            removed, _, cursors, *_ = await queue.store.ask("sweep", _SWEPT, *cursors, 0)
