"""Moves the ticks of a queue's schedules by hand, so that no test waits for the clock."""

from __future__ import annotations

import asyncio
from typing import Any

from aiojobs_redis import JobInfo, JobState, Queue
from aiojobs_redis.schedule import ScheduleInfo
from tests.support.waiting import wait_until

__all__ = ["Ticks"]


class Ticks:
    """The stored ticks of one queue.

    Args:
        queue: The queue.
        client: A raw client to the same server.
    """

    def __init__(self, queue: Queue, client: Any) -> None:
        self.queue = queue
        self.raw = client
        self._key = queue.store.keys["ticks"]
        self._last = 0

    async def now(self) -> int:
        """Return the server's time in ms."""
        return await self.queue.planner().now()

    async def get(self, schedule: str) -> int | None:
        """Return the next tick in ms."""
        score = await self.raw.zscore(self._key, schedule)
        return None if score is None else int(score)

    async def set(self, schedule: str, ms: int) -> None:
        """Set the next tick, and tell the leader, as whatever changes the head of ticks does."""
        await self.raw.zadd(self._key, {schedule: ms})
        await self.raw.zadd(self.queue.store.keys["due"], {"1": 0})

    async def make_due(self, schedule: str) -> int:
        """Let one tick be due now, a new one each time, and return it in ms."""
        stored = await self.queue.planner().get(schedule)
        assert stored is not None
        # Not before the anchor, or the anchor would be a second tick that is due.
        tick = self._last = max(stored.anchor, await self.now() - 5, self._last + 1)

        async def past() -> bool:
            return await self.now() > tick

        await wait_until(past, "the tick to be past")
        await self.set(schedule, tick)
        return tick

    async def info(self, schedule: str) -> ScheduleInfo:
        """Return what users see of a schedule."""
        (found,) = [each for each in await self.queue.schedules() if each.id == schedule]
        return found

    async def fire(self) -> list[int]:
        """Fire all that is due, as a leader does; jobs made by each call, -1 for a lost race."""
        planner, made = self.queue.planner(), []
        link = self.queue.store.server.link()
        try:
            while (due := await planner.due(link)).schedules:
                for stored in due.schedules:
                    assert stored.tick is not None
                    plan = stored.schedule.plan(stored.tick, due.now, stored.anchor, stored.runs)
                    await asyncio.sleep(0)
                    ticks = await planner.fire(link, stored, plan)
                    made.append(-1 if ticks is None else len(ticks))
        finally:
            link.abort()
        return made

    async def jobs(self) -> list[JobInfo]:
        """Return all jobs of the queue."""
        pages = [await self.queue.jobs(state, limit=1000) for state in JobState]
        return [job for page in pages for job in page]

    async def handled(self, schedule: str, runs: int, missed: int = 0) -> None:
        """Wait until a schedule has made and given up so many ticks."""

        async def there() -> bool:
            info = await self.info(schedule)
            return (info.runs, info.missed) == (runs, missed)

        await wait_until(there, f"{schedule} to have {runs} runs and {missed} missed ticks", 15)
