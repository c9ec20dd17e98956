"""Drives streaQ for the benchmarks."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

from bodies import TASKS
from plumbing import Driver, ended, perform

# Spares its Redis client most validations; it is read at import.
os.environ["COREDIS_OPTIMIZED"] = "true"

from coredis.exceptions import ConnectionError
from coredis.retry import ExponentialBackoffRetryPolicy
from streaq import Worker


class Streaq(Driver):
    def _worker(self, concurrency: int = 1) -> Worker[Any]:
        options: dict[str, Any] = {}
        if self.lease is not None:
            # By default it retries nothing, and exits when Redis restarts.
            retry = ExponentialBackoffRetryPolicy(
                (ConnectionError, TimeoutError), 15, base_delay=0.05, max_delay=1
            )
            options = {"idle_timeout": self.lease, "redis_kwargs": {"retry_policy": retry}}
        worker: Worker[Any] = Worker(
            self.url, queue_name="bench", concurrency=concurrency, **options
        )
        self._tasks = {
            name: worker.task(name=name, silent=True)(task) for name, task in TASKS.items()
        }
        return worker

    async def open(self) -> None:
        self._opened = AsyncExitStack()
        self._jobs = await self._opened.enter_async_context(self._worker())

    async def close(self) -> None:
        await self._opened.aclose()

    async def enqueue(self, task: str, *args: Any) -> None:
        await self._tasks[task].enqueue(*args)

    async def enqueue_many(self, task: str, calls: Sequence[tuple[Any, ...]]) -> None:
        await self._jobs.enqueue_many([self._tasks[task].enqueue(*args) for args in calls])

    async def enqueue_at(self, ms: int, task: str, *args: Any) -> None:
        at = datetime.fromtimestamp(ms / 1000, UTC)
        await self._tasks[task].enqueue(*args).start(schedule=at)

    async def work(self, concurrency: int, until: asyncio.Event) -> None:
        running = asyncio.create_task(self._worker(concurrency).run_async())
        await ended(until, running)
        # Its way to stop at once; a cancellation would wait for the running tasks.
        signal.raise_signal(signal.SIGTERM)
        await running


perform(Streaq)
