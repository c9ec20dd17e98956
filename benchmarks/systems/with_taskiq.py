"""Drives taskiq with taskiq-redis for the benchmarks."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

from bodies import TASKS
from plumbing import Driver, perform
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from taskiq import TaskiqScheduler
from taskiq.api import run_scheduler_task
from taskiq.receiver import Receiver
from taskiq.serializers import ORJSONSerializer
from taskiq_redis import ListRedisScheduleSource, RedisStreamBroker

_PREFETCH = 100
_SECOND = timedelta(seconds=1)


class Taskiq(Driver):
    bulk = False

    def __init__(self, url: str, lease: float | None = None) -> None:
        super().__init__(url, lease)
        options: dict[str, Any] = {}
        if lease is not None:
            # Without a timeout, the lock of a worker that was killed stays for ever.
            options = {
                "idle_timeout": int(lease * 1000),
                "unacknowledged_lock_timeout": lease,
                # What it has read and not started has no lease that is renewed: little of it.
                "xread_count": 10,
                # The retries of redis-py's defaults last for less than a restart of Redis.
                "retry": Retry(ExponentialBackoff(cap=1, base=0.05), 15),
            }
        self._broker = RedisStreamBroker(url, queue_name="bench", **options).with_serializer(
            ORJSONSerializer()
        )
        self._tasks = {name: self._broker.register_task(f, name) for name, f in TASKS.items()}
        self._delayed = ListRedisScheduleSource(url, prefix="delayed")

    async def open(self) -> None:
        await self._broker.startup()
        await self._delayed.startup()

    async def close(self) -> None:
        await self._delayed.shutdown()
        await self._broker.shutdown()

    async def enqueue(self, task: str, *args: Any) -> None:
        await self._tasks[task].kiq(*args)

    async def enqueue_at(self, ms: int, task: str, *args: Any) -> None:
        at = datetime.fromtimestamp(ms / 1000, UTC)
        await self._tasks[task].schedule_by_time(self._delayed, at, *args)

    async def work(self, concurrency: int, until: asyncio.Event) -> None:
        self._broker.is_worker_process = True
        with ThreadPoolExecutor(1) as threads:
            receiver = Receiver(
                self._broker,
                threads,
                max_async_tasks=concurrency,
                max_prefetch=_PREFETCH if self.lease is None else 0,
                wait_tasks_timeout=1,
            )
            scheduler = TaskiqScheduler(self._broker, [self._delayed])
            scheduling = asyncio.create_task(
                run_scheduler_task(scheduler, interval=_SECOND, loop_interval=_SECOND)
            )
            await receiver.listen(until)
            scheduling.cancel()
            await asyncio.gather(scheduling, return_exceptions=True)
        await self.close()


perform(Taskiq)
