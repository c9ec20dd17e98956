"""Drives blitzq for the benchmarks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from blitzq import Queue, Worker
from bodies import TASKS
from plumbing import Driver, ended, perform


class Blitzq(Driver):
    def __init__(self, url: str, lease: float | None = None) -> None:
        super().__init__(url, lease)
        self.queue = Queue("bench", url, mode="reliable", visibility_timeout=lease or 60)
        register: Any = self.queue.task
        self.tasks = {name: register(name=name)(task) for name, task in TASKS.items()}

    async def open(self) -> None:
        await self.queue.connect()

    async def close(self) -> None:
        await self.queue.close()

    async def enqueue(self, task: str, *args: Any) -> None:
        await self.tasks[task].enqueue(*args)

    async def enqueue_many(self, task: str, calls: Sequence[tuple[Any, ...]]) -> None:
        await self.tasks[task].enqueue_many(calls)

    async def enqueue_at(self, ms: int, task: str, *args: Any) -> None:
        await self.tasks[task].options(eta=ms / 1000).enqueue(*args)

    async def work(self, concurrency: int, until: asyncio.Event) -> None:
        worker = Worker(self.queue, concurrency=concurrency, shutdown_timeout=0)
        running = asyncio.create_task(worker.run())
        await ended(until, running)
        worker.stop()
        await running
        await self.queue.close()


perform(Blitzq)
