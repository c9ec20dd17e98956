"""Drives celery for the benchmarks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from bodies import TASKS_SYNC
from celery import Celery
from celery.worker import state
from plumbing import Driver, perform


class CeleryDriver(Driver):
    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.app = Celery("bench", broker=url, set_as_current=True)
        self.app.conf.update(
            task_acks_late=True,
            worker_disable_rate_limits=True,
            worker_enable_remote_control=False,
            worker_redirect_stdouts=False,
        )
        self.tasks = {
            name: self.app.task(function, name=name) for name, function in TASKS_SYNC.items()
        }
        self.app.finalize()

    async def open(self) -> None:
        self.producer = self.app.amqp.Producer(self.app.connection_for_write())

    async def close(self) -> None:
        self.producer.connection.release()

    async def enqueue(self, task: str, *args: Any) -> None:
        self.tasks[task].apply_async(args, producer=self.producer)

    async def enqueue_many(self, task: str, calls: Sequence[tuple[Any, ...]]) -> None:
        with self.producer.batch():
            for args in calls:
                self.tasks[task].apply_async(args, producer=self.producer)

    async def enqueue_at(self, ms: int, task: str, *args: Any) -> None:
        at = datetime.fromtimestamp(ms / 1000, UTC)
        self.tasks[task].apply_async(args, eta=at, producer=self.producer)

    async def work(self, concurrency: int, until: asyncio.Event) -> None:
        worker = self.app.Worker(
            pool="threads",
            concurrency=concurrency,
            loglevel="WARNING",
            quiet=True,
            without_heartbeat=True,
            without_mingle=True,
            without_gossip=True,
        )
        working = threading.Thread(target=worker.start, daemon=True)
        working.start()
        await until.wait()
        state.should_stop = 0
        await asyncio.to_thread(working.join, 10)


perform(CeleryDriver)
