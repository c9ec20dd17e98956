"""Drives aiojobs_redis for the benchmarks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from bodies import TASKS
from plumbing import Driver, ended, perform

from aiojobs_redis import JobOptions, Queue, Worker


class Aiojobs(Driver):
    def __init__(self, url: str, lease: float | None = None) -> None:
        super().__init__(url, lease)
        defaults = None if lease is None else JobOptions(lease=lease)
        self.queue = Queue("bench", url=url, defaults=defaults)
        self.tasks = {name: self.queue.task(function) for name, function in TASKS.items()}

    async def open(self) -> None:
        await self.queue.connect()

    async def close(self) -> None:
        await self.queue.close()

    async def enqueue(self, task: str, *args: Any) -> None:
        await self.tasks[task].enqueue(*args)

    async def enqueue_many(self, task: str, calls: Sequence[tuple[Any, ...]]) -> None:
        await self.queue.enqueue_many([self.tasks[task].bind(*args) for args in calls])

    async def enqueue_at(self, ms: int, task: str, *args: Any) -> None:
        at = datetime.fromtimestamp(ms / 1000, UTC)
        await self.tasks[task].options(at=at).enqueue(*args)

    async def work(self, concurrency: int, until: asyncio.Event) -> None:
        worker = Worker(self.queue, concurrency=concurrency)
        running = asyncio.create_task(worker.run())
        await ended(until, running)
        worker.stop()
        await running
        await self.queue.close()


if __name__ == "__main__":
    perform(Aiojobs)
