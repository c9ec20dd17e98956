"""Drives ardiq for the benchmarks."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Any

from ardiq import Ardiq
from bodies import TASKS
from plumbing import Driver, ended, perform

_POLL_MS = 10
_STOP_S = 5.0


class ArdiqDriver(Driver):
    def _app(self, **options: Any) -> Ardiq:
        if self.lease is not None:
            options["idle_timeout_ms"] = int(self.lease * 1000)
        app = Ardiq(self.url, "bench", **options)
        register: Any = app.task
        self.tasks = {name: register(name=name)(task) for name, task in TASKS.items()}
        return app

    async def open(self) -> None:
        self.app = self._app()

    async def enqueue(self, task: str, *args: Any) -> None:
        await self.tasks[task].enqueue(*args)

    async def enqueue_many(self, task: str, calls: Sequence[tuple[Any, ...]]) -> None:
        await self.app.enqueue_many([self.tasks[task].prepare(*args) for args in calls])

    async def enqueue_at(self, ms: int, task: str, *args: Any) -> None:
        await self.tasks[task].options(schedule_ms=ms).enqueue(*args)

    async def work(self, concurrency: int, until: asyncio.Event) -> None:
        app = self._app(concurrency=concurrency, poll_block_ms=_POLL_MS)
        running = asyncio.create_task(app.run())
        await ended(until, running)
        app.stop()
        # It waits for the running tasks, however long they take.
        await asyncio.wait({running}, timeout=_STOP_S)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


perform(ArdiqDriver)
# Its Rust threads crash the interpreter's own end now and then (a race in ardiq 1.2.0).
os._exit(0)
