"""Drives aiojobs_redis for the benchmarks."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

from plumbing import by_callers, idle_pickup, perform, until_input_ends

from aiojobs_redis import Queue, Worker


class Tasks:
    """A queue with the tasks of all benchmarks."""

    def __init__(self, url: str) -> None:
        self.queue = queue = Queue("bench", url=url)

        @queue.task
        async def noop() -> None:
            return None

        @queue.task
        async def take(text: str) -> None:
            return None

        @queue.task
        async def stamp() -> int:
            return time.time_ns()

        self.noop, self.take, self.stamp = noop, take, stamp


async def fill(url: str, jobs: int, payload: int = 0) -> dict[str, Any]:
    tasks = Tasks(url)
    text = "x" * payload
    await tasks.queue.enqueue_many(
        tasks.take.bind(text) if payload else tasks.noop.bind() for _ in range(jobs)
    )
    await tasks.queue.close()
    return {}


async def drain(url: str, jobs: int, concurrency: int) -> dict[str, Any]:
    tasks = Tasks(url)
    start = time.perf_counter()
    await Worker(tasks.queue, concurrency=concurrency).run(burst=True)
    seconds = time.perf_counter() - start
    counts = await tasks.queue.counts()
    # Of the completed ones a queue keeps 100,000.
    assert (counts.completed, counts.queued) == (min(jobs, 100_000), 0), counts
    await tasks.queue.close()
    return {"jobs_per_second": jobs / seconds, "jobs": jobs}


async def enqueue(url: str, jobs: int, callers: int) -> dict[str, Any]:
    tasks = Tasks(url)
    await tasks.noop.enqueue()
    seconds = await by_callers(callers, jobs, tasks.noop.enqueue)
    await tasks.queue.close()
    return {"jobs_per_second": jobs / seconds, "jobs": jobs}


async def enqueue_many(url: str, jobs: int) -> dict[str, Any]:
    tasks = Tasks(url)
    await tasks.noop.enqueue()
    start = time.perf_counter()
    await tasks.queue.enqueue_many([tasks.noop.bind() for _ in range(jobs)])
    seconds = time.perf_counter() - start
    await tasks.queue.close()
    return {"jobs_per_second": jobs / seconds, "jobs": jobs}


async def work(url: str, concurrency: int) -> dict[str, Any]:
    tasks = Tasks(url)
    async with Worker(tasks.queue, concurrency=concurrency):
        await tasks.queue.connect()
        await until_input_ends()
    await tasks.queue.close()
    return {}


async def pickup(url: str, jobs: int) -> dict[str, Any]:
    tasks = Tasks(url)

    async def once() -> int:
        return await (await tasks.stamp.enqueue()).result(timeout=10)

    await once()
    taken = await idle_pickup(jobs, once)
    await tasks.queue.close()
    return {"ms": taken}


async def lateness(url: str, jobs: int) -> dict[str, Any]:
    tasks = Tasks(url)
    start = time.time_ns() // 1_000_000 + 1500
    due = [start + 1000 * number // jobs for number in range(jobs)]
    handles = await tasks.queue.enqueue_many(
        tasks.stamp.options(at=datetime.fromtimestamp(ms / 1000, UTC)).bind() for ms in due
    )
    assert time.time() * 1000 < start, "enqueued too late to be due together"
    await asyncio.sleep(3)
    started = [await handle.result(timeout=10) for handle in handles]
    await tasks.queue.close()
    return {"ms": [at / 1e6 - ms for at, ms in zip(started, due, strict=True)]}


async def overtake(url: str, jobs: int, highs: int) -> dict[str, Any]:
    """Enqueue high jobs while a worker drains low ones; their ids."""
    tasks = Tasks(url)
    high = tasks.noop.options(priority=10)
    ids = []
    waiting = 0
    for _ in range(highs):
        waiting = (await tasks.queue.counts()).queued
        ids.append((await high.enqueue()).id)
        await asyncio.sleep(0.05)
    await tasks.queue.close()
    return {"ids": ids, "still_waiting": waiting}


if __name__ == "__main__":
    perform(
        {
            "fill": fill,
            "drain": drain,
            "enqueue": enqueue,
            "enqueue_many": enqueue_many,
            "work": work,
            "pickup": pickup,
            "lateness": lateness,
            "overtake": overtake,
        }
    )
