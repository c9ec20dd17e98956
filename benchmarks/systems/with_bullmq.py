"""Drives the Python port of BullMQ for the benchmarks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from bodies import TASKS
from bullmq import Job, Queue, Worker
from plumbing import Driver, ended, perform

_STOP_S = 5.0


async def _process(job: Job, token: str) -> None:
    task: Any = TASKS[job.name]
    await task(*job.data)


class BullMQ(Driver):
    async def open(self) -> None:
        self._queue = Queue("bench", {"connection": self.url})

    async def close(self) -> None:
        await self._queue.close()

    async def enqueue(self, task: str, *args: Any) -> None:
        await self._queue.add(task, args)

    async def enqueue_many(self, task: str, calls: Sequence[tuple[Any, ...]]) -> None:
        await self._queue.addBulk([{"name": task, "data": args} for args in calls])

    async def enqueue_at(self, ms: int, task: str, *args: Any) -> None:
        now = time.time_ns() // 1_000_000
        await self._queue.add(task, args, {"timestamp": now, "delay": max(0, ms - now)})

    async def work(self, concurrency: int, until: asyncio.Event) -> None:
        options: Any = {"connection": self.url, "concurrency": concurrency, "autorun": False}
        if self.lease is not None:
            options |= {
                "lockDuration": int(self.lease * 1000),
                "stalledInterval": int(self.lease * 500),
                # By default a job that was lost twice is failed.
                "maxStalledCount": 10,
                "runRetryDelay": 1000,
            }
        worker = Worker("bench", _process, options)
        # Until it has asked for the version, it rounds its waits up to whole seconds.
        await worker.blockingRedisConnection.getRedisVersion()
        running = asyncio.create_task(worker.run())
        await ended(until, running)
        closing = asyncio.create_task(worker.close())
        # It waits for the running tasks, however long they take.
        await asyncio.wait({closing}, timeout=_STOP_S)
        if not closing.done():
            await worker.close(force=True)
        await asyncio.gather(closing, running, return_exceptions=True)


perform(BullMQ)
