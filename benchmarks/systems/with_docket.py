"""Drives docket (pydocket) for the benchmarks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from bodies import TASKS
from docket import Docket, Worker
from plumbing import Driver, ended, perform

_CHECK = timedelta(milliseconds=2)
_CONNECTIONS = 3000
_RESOLUTION = timedelta(milliseconds=10)
_SECOND = timedelta(seconds=1)


class WithDocket(Driver):
    def _docket(self) -> Docket:
        docket = Docket("bench", f"{self.url}?max_connections={_CONNECTIONS}")
        for name, task in TASKS.items():
            docket.register(task, [name])
        return docket

    async def open(self) -> None:
        self._jobs = await self._docket().__aenter__()

    async def close(self) -> None:
        await self._jobs.__aexit__(None, None, None)

    async def enqueue(self, task: str, *args: Any) -> None:
        await self._jobs.add(task)(*args)

    async def enqueue_many(self, task: str, calls: Sequence[tuple[Any, ...]]) -> None:
        await self._jobs.add_many(self._jobs.call(task)(*args) for args in calls)

    async def enqueue_at(self, ms: int, task: str, *args: Any) -> None:
        await self._jobs.add(task, when=datetime.fromtimestamp(ms / 1000, UTC))(*args)

    async def work(self, concurrency: int, until: asyncio.Event) -> None:
        options: dict[str, Any] = {}
        if self.lease is not None:
            options = {
                "redelivery_timeout": timedelta(seconds=self.lease),
                "reconnection_delay": _SECOND,
            }
        async with (
            self._docket() as docket,
            Worker(
                docket,
                concurrency=concurrency,
                minimum_check_interval=_CHECK,
                scheduling_resolution=_RESOLUTION,
                **options,
            ) as worker,
        ):
            running = asyncio.create_task(worker.run_forever())
            await ended(until, running)
            running.cancel()
            # It waits for the running tasks, unless it is told twice.
            await asyncio.wait([running], timeout=1)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


perform(WithDocket)
