"""Drives SAQ for the benchmarks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from bodies import TASKS
from plumbing import Driver, ended, perform
from saq import Queue, Worker

_RETRIES = 5


def _with_context(function: Callable[..., Any]) -> Callable[..., Any]:
    async def task(ctx: dict[str, Any], *, args: list[Any]) -> None:
        await function(*args)

    return task


class Saq(Driver):
    bulk = False

    def _queue(self) -> Queue:
        return Queue.from_url(self.url, name="bench")

    async def open(self) -> None:
        self._jobs = self._queue()
        await self._jobs.connect()

    async def close(self) -> None:
        await self._jobs.disconnect()

    async def enqueue(self, task: str, *args: Any) -> None:
        options = {}
        if self.lease is not None:
            # A missed heartbeat, not a timeout: that would limit how long a healthy task may run.
            options = {"heartbeat": int(self.lease), "timeout": 60}
        await self._jobs.enqueue(task, args=args, retries=_RETRIES, **options)

    async def enqueue_at(self, ms: int, task: str, *args: Any) -> None:
        await self._jobs.enqueue(task, args=args, retries=_RETRIES, scheduled=ms / 1000)

    async def work(self, concurrency: int, until: asyncio.Event) -> None:
        queue = self._queue()
        await queue.connect()
        worker = Worker(
            queue,
            [(name, _with_context(task)) for name, task in TASKS.items()],
            concurrency=concurrency,
            timers=None if self.lease is None else {"sweep": 1},
        )
        running = asyncio.create_task(worker.start())
        await ended(until, running)
        await worker.stop()
        await running
        await queue.disconnect()


perform(Saq)
