"""Drives arq for the benchmarks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from arq import create_pool
from arq.connections import RedisSettings
from arq.worker import Worker, func
from bodies import TASKS
from plumbing import Driver, perform

_POLL = 0.01


def _with_context(function: Callable[..., Any]) -> Callable[..., Any]:
    async def task(ctx: dict[str, Any], *args: Any) -> None:
        await function(*args)

    return task


class Arq(Driver):
    bulk = False

    async def open(self) -> None:
        self._pool = await create_pool(RedisSettings.from_dsn(self.url))

    async def close(self) -> None:
        await self._pool.aclose()

    async def enqueue(self, task: str, *args: Any) -> None:
        await self._pool.enqueue_job(task, *args)

    async def enqueue_at(self, ms: int, task: str, *args: Any) -> None:
        await self._pool.enqueue_job(
            task, *args, _defer_until=datetime.fromtimestamp(ms / 1000, UTC)
        )

    async def work(self, concurrency: int, until: asyncio.Event) -> None:
        worker = Worker(
            functions=[func(_with_context(task), name=name) for name, task in TASKS.items()],
            redis_settings=RedisSettings.from_dsn(self.url),
            max_jobs=concurrency,
            poll_delay=_POLL,
            log_results=False,
            handle_signals=False,
        )
        running = asyncio.create_task(worker.async_run())
        await until.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        # It hands on the cancellation of its own main task.
        with contextlib.suppress(asyncio.CancelledError):
            await worker.close()


perform(Arq)
