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
from plumbing import Driver, ended, perform
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError, TimeoutError

_POLL = 0.01


def _with_context(function: Callable[..., Any]) -> Callable[..., Any]:
    async def task(ctx: dict[str, Any], *args: Any) -> None:
        await function(*args)

    return task


class Arq(Driver):
    bulk = False

    def _settings(self) -> RedisSettings:
        settings = RedisSettings.from_dsn(self.url)
        if self.lease is not None:
            # By default it does not retry, and its worker exits when Redis restarts.
            settings.retry = Retry(ExponentialBackoff(cap=1, base=0.05), 15)
            settings.retry_on_error = [ConnectionError, TimeoutError]
        return settings

    async def open(self) -> None:
        self._pool = await create_pool(self._settings())

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
            redis_settings=self._settings(),
            max_jobs=concurrency,
            poll_delay=_POLL,
            job_timeout=self.lease or 300,
            log_results=False,
            handle_signals=False,
        )
        running = asyncio.create_task(worker.async_run())
        await ended(until, running)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        # It hands on the cancellation of its own main task.
        with contextlib.suppress(asyncio.CancelledError):
            await worker.close()


perform(Arq)
