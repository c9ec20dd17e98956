"""A short life with threads, batches, ageing, weights, few kept jobs, cancellations and a pause.

For a process that is killed in it: see `tests.support.doomed_app`. `Events` tells from the events
of Redis alone what became of the jobs, whoever ran them: of those that have ended few are kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from aiojobs_redis import BoundCall, Fail, Queue, Worker, current_job
from aiojobs_redis.extras import netstrings
from tests.support.waiting import wait_until

__all__ = ["ENDLESS", "KEPT", "LEASE", "Events", "live", "work_off"]

NAME = "doomed"
LEASE = 0.5
KEPT = {"completed": 6, "dead": 2, "cancelled": 1}
ENDLESS = ("endless-0", "endless-1", "thread-0")
"""Jobs that run until they are cancelled."""
_ENDED = ("completed", "dead", "cancelled")


def build(url: str) -> Queue:
    """Return the queue with its tasks, none of which needs what another process knows."""
    queue = Queue(NAME, url=url, namespace="test")

    @queue.task(lease=LEASE, max_deliveries=100, attempts=2, backoff=[0.01])
    async def plain(number: int) -> None:
        await asyncio.sleep(0.003)
        if number % 4 == 1 and current_job().attempt == 1:
            raise OSError("at first")
        if number % 4 == 3:
            raise Fail("never")

    @queue.task(lease=LEASE, max_deliveries=100)
    def threaded(number: int) -> int:
        return number

    @queue.batch_task(size=3, wait=0.01, lease=LEASE, max_deliveries=100)
    async def together(numbers: list[int]) -> list[int | Exception]:
        await asyncio.sleep(0.003)
        return [Fail("never") if number % 4 == 2 else number for number in numbers]

    @queue.task(lease=LEASE, max_deliveries=100)
    async def endless() -> None:
        await asyncio.Event().wait()

    @queue.task(lease=LEASE, max_deliveries=100)
    def endless_thread() -> None:
        job, pause = current_job(), threading.Event()
        while not job.cancelled:
            pause.wait(0.01)

    return queue


async def _set(queue: Queue) -> None:
    await queue.keep(**KEPT)
    await queue.weigh("heavy", 3)
    await queue.age(0.05)


def _calls(queue: Queue, first: int, last: int) -> list[BoundCall[Any]]:
    return [
        queue.bind(task, number, id=f"{task}-{key}-{number}", key=key, priority=number % 3)
        for number in range(first, last)
        for task, key in (("plain", "heavy"), ("plain", "light"), ("threaded", "light"))
    ] + [queue.bind("together", number, id=f"together-{number}") for number in range(first, last)]


async def live(url: str, folder: str) -> None:
    """Do everything once."""
    queue = build(url)

    async def running(number: int) -> bool:
        return (await queue.counts()).running == number

    with queue.record_history(Path(folder)):
        await _set(queue)
        async with Worker(queue, concurrency=8):
            await queue.enqueue_many(_calls(queue, 0, 4))
            for id in ENDLESS:
                await queue.enqueue("endless_thread" if "thread" in id else "endless", id=id)
            await wait_until(lambda: running(len(ENDLESS)), "all but the endless to end", 20)
            # Those that run go on while nothing starts.
            await queue.pause()
            await queue.enqueue_many(_calls(queue, 4, 6))
            for id in ENDLESS:
                await queue.job(id).cancel("enough")
            await wait_until(lambda: running(0), "the endless to end", 20)
            await queue.resume()
            await wait_until(lambda: _ended(queue), "all to end", 20)
    await queue.close()


async def work_off(url: str, folder: Path) -> None:
    """Take over, first while the queue is paused where it is; do what is left and some more."""
    queue = build(url)

    async def recovered() -> bool:
        return not (await queue.counts()).running

    with queue.record_history(folder) as recorder:
        await _set(queue)
        async with Worker(queue, concurrency=8):
            if (await queue.counts()).paused:
                for id in ENDLESS:
                    await queue.job(id).cancel("enough")
                await wait_until(recovered, "what had run to be taken back", 20)
                await queue.resume()
            await queue.enqueue_many(_calls(queue, 6, 7))

            async def none_left() -> bool:
                for id in ENDLESS:
                    await queue.job(id).cancel("enough")
                return await _ended(queue)

            await wait_until(none_left, "all to end", 20)
        recorder.mark("drained")
    await queue.weigh("heavy", 1)
    await queue.age(None)
    await queue.close()


async def _ended(queue: Queue) -> bool:
    return not (await queue.counts()).unfinished


class Events:
    """What the events of a queue say.

    Args:
        entries: Its stream of events, whole.
    """

    def __init__(self, entries: Sequence[tuple[bytes, dict[bytes, bytes]]]) -> None:
        self.seen: list[tuple[str, str]] = []
        for _, fields in entries:
            for field, ids in fields.items():
                kind = field.partition(b",")[0].decode()
                if kind in ("paused", "resumed"):
                    self.seen.append((kind, ""))
                else:
                    with contextlib.suppress(ValueError):
                        self.seen += [(kind, id.decode()) for id in netstrings(ids)]
        self.ended = {id for kind, id in self.seen if kind in _ENDED}

    def wrong(self) -> Iterator[str]:
        """Tell of jobs that started while the queue was paused, or that ended as they cannot."""
        paused = False
        for kind, id in self.seen:
            if kind in ("paused", "resumed"):
                paused = kind == "paused"
            elif kind == "started" and paused:
                yield f"{id} started while the queue was paused"
            elif kind in _ENDED and kind not in _ends_of(id):
                yield f"{id} is {kind}"
        added = {id for kind, id in self.seen if kind == "enqueued"}
        yield from (f"{id} was added and has not ended" for id in added - self.ended)


def _ends_of(id: str) -> tuple[str, ...]:
    if id in ENDLESS:
        # A thread that was told returns.
        return ("completed", "cancelled") if "thread" in id else ("cancelled",)
    task, *_, number = id.split("-")
    fails = {"plain": 3, "together": 2}.get(task) == int(number) % 4
    return ("dead",) if fails else ("completed",)
