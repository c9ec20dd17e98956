"""Drives dramatiq for the benchmarks."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import dramatiq
from bodies import TASKS_SYNC
from dramatiq.brokers.redis import RedisBroker
from plumbing import Driver, perform

_IDLE_MS = 5
_PREFETCH = 4000
# Each worker thread acknowledges by a connection of its own, and redis-py allows 100.
_CONNECTIONS = 1000


class Dramatiq(Driver):
    bulk = False

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.broker = RedisBroker(url=f"{url}?max_connections={_CONNECTIONS}")
        self.actors = {
            name: dramatiq.actor(function, actor_name=name, broker=self.broker)
            for name, function in TASKS_SYNC.items()
        }

    async def close(self) -> None:
        self.broker.close()
        self.broker.client.close()

    async def enqueue(self, task: str, *args: Any) -> None:
        self.actors[task].send(*args)

    async def enqueue_at(self, ms: int, task: str, *args: Any) -> None:
        delay = max(0, ms - time.time_ns() // 1_000_000)
        self.actors[task].send_with_options(args=args, delay=delay)

    async def work(self, concurrency: int, until: asyncio.Event) -> None:
        worker = dramatiq.Worker(self.broker, worker_threads=concurrency, worker_timeout=_IDLE_MS)
        # What the variable dramatiq_queue_prefetch sets for the command line.
        worker.queue_prefetch = _PREFETCH
        worker.start()
        await until.wait()
        await asyncio.to_thread(worker.stop, 5000)
        await self.close()


perform(Dramatiq)
