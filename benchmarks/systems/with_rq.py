"""Drives rq for the benchmarks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from bodies import TASKS_SYNC
from plumbing import Driver, perform
from redis import Redis
from rq import Queue, Retry, SimpleWorker
from rq.scheduler import RQScheduler

# Without a retry left, a job whose worker died is not run again but counted as failed.
_RETRY = Retry(max=1)
_IDLE_SECONDS = 1


class _Scheduler(RQScheduler):
    """A scheduler that runs in a thread, where signals cannot be handled."""

    def _install_signal_handlers(self) -> None:
        pass


class Rq(Driver):
    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.queue = Queue("bench", connection=Redis.from_url(url))

    async def close(self) -> None:
        self.queue.connection.close()

    async def enqueue(self, task: str, *args: Any) -> None:
        self.queue.enqueue(TASKS_SYNC[task], args=args, retry=_RETRY)

    async def enqueue_many(self, task: str, calls: Sequence[tuple[Any, ...]]) -> None:
        function = TASKS_SYNC[task]
        self.queue.enqueue_many(
            [Queue.prepare_data(function, args, retry=_RETRY) for args in calls]
        )

    async def enqueue_at(self, ms: int, task: str, *args: Any) -> None:
        at = datetime.fromtimestamp(ms / 1000, UTC)
        self.queue.enqueue_at(at, TASKS_SYNC[task], args=args, retry=_RETRY)

    async def work(self, concurrency: int, until: asyncio.Event) -> None:
        scheduler = _Scheduler([self.queue], Redis.from_url(self.url), logging_level="WARNING")
        scheduler.acquire_locks()
        scheduling = threading.Thread(target=scheduler.work, daemon=True)
        scheduling.start()
        worker = SimpleWorker([self.queue], connection=Redis.from_url(self.url))
        worker.bootstrap("WARNING")
        # The loop of SimpleWorker.work(), which blocks the main thread as its timeouts need it,
        # but with a look at the event between two jobs.
        while not until.is_set():
            worker.check_for_suspension(burst=False)
            if worker.should_run_maintenance_tasks:
                worker.run_maintenance_tasks()
            found = worker.dequeue_job_and_maintain_ttl(_IDLE_SECONDS, _IDLE_SECONDS)
            if found is not None:
                worker.execute_job(*found)
                worker.heartbeat()
            await asyncio.sleep(0)
        scheduler.request_stop()
        worker.teardown()
        await asyncio.to_thread(scheduling.join, 5)
        await self.close()


perform(Rq)
