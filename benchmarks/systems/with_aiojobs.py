"""Drives aiojobs_redis for the benchmarks."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import redis.asyncio
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


class Order:
    """What Redis accepted and handed out, in its own order, from the queue's event stream."""

    def __init__(self, url: str) -> None:
        self._client = redis.asyncio.Redis.from_url(url)
        self._last: bytes = b"0"
        self._waiting: set[bytes] = set()
        self.seen = self.lower = 0

    @property
    def waiting(self) -> int:
        """High jobs that were accepted and not claimed."""
        return len(self._waiting)

    async def follow(self, high: set[bytes]) -> None:
        """Read on; ``lower`` counts claims of others while a high job waited."""
        found = await self._client.xread({"ajr:{bench}:events": self._last})
        for last, fields in found[0][1] if found else []:
            self._last = last
            for name in self._ids(fields.get(b"started", b"")):
                self._waiting.discard(name)
                self.lower += len(self._waiting) if name not in high else 0
            accepted = high.intersection(self._ids(fields.get(b"enqueued", b"")))
            self._waiting |= accepted
            self.seen += len(accepted)

    async def close(self) -> None:
        await self._client.aclose()

    def _ids(self, packed: bytes) -> list[bytes]:
        ids = []
        while packed:
            size, _, rest = packed.partition(b":")
            ids.append(rest[: int(size)])
            packed = rest[int(size) :]
        return ids


async def overtake(url: str, highs: int) -> dict[str, Any]:
    """Enqueue high jobs while a worker drains low ones, and follow in which order they go."""
    tasks, order = Tasks(url), Order(url)
    high: set[bytes] = set()
    backlog = 0
    for _ in range(highs):
        # The stream is bounded: read while it still has what matters.
        await order.follow(high)
        backlog = (await tasks.queue.counts()).queued
        # Its id is known before it is accepted, so no entry is read without it.
        name = f"high-{len(high)}"
        high.add(name.encode())
        await tasks.noop.options(priority=10, id=name).enqueue()
        await asyncio.sleep(0.02)
    await order.follow(high)
    await order.close()
    await tasks.queue.close()
    return {
        "highs": order.seen,
        "highs_not_claimed": order.waiting,
        "lower_claimed_after_acceptance": order.lower,
        "backlog_at_the_last": backlog,
    }


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
