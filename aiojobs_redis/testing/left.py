"""What a queue has left for a worker to do, as a test waits for it to be nothing."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from aiojobs_redis.duration import instant_ms
from aiojobs_redis.errors import JobNotFound, JobStateError
from aiojobs_redis.job import JobState
from aiojobs_redis.testing.frozen_clock import frozen

if TYPE_CHECKING:
    from collections.abc import Hashable

    from aiojobs_redis.job import Counts
    from aiojobs_redis.queue import Queue

__all__ = ["Left"]

_PAGE = 1000
_STILL = 0.1
"""Seconds after which jobs that nobody starts are asked for."""
_GIVEN_UP = 5.0
"""Seconds after which a schedule is left alone that nobody can fire or declare."""


class Left:
    """Looks at one queue again and again.

    Args:
        queue: The queue.
        scheduled: Whether jobs do not wait for their time, once each.
        retrying: Whether retries do not wait for their back-off.
    """

    def __init__(self, queue: Queue, *, scheduled: bool, retrying: bool) -> None:
        self._queue = queue
        self._scheduled = scheduled
        self._retrying = retrying
        self._promoted: set[str] = set()
        self._since: dict[Hashable, float] = {}

    async def to_do(self) -> bool:
        """Return whether there is something left, and see to it that it need not wait."""
        queue = self._queue
        counts = await queue.counts()
        busy = bool(counts.running or (self._retrying and counts.retrying))
        if counts.retrying and self._retrying:
            await self._promote(JobState.RETRYING, counts.retrying)
        if self._scheduled and counts.scheduled:
            busy = await self._promote(JobState.SCHEDULED, counts.scheduled) or busy
        busy = busy or await self._is_due(counts)
        if counts.queued and not counts.paused and not busy:
            return not await self._is_held_back(counts)
        return busy

    async def _promote(self, state: JobState, number: int) -> bool:
        """Let jobs run that wait for their time; whether there were any, or are fewer than counted.

        Those have fallen due, or were cancelled, meanwhile: the counts have to be asked again.
        """
        once = state is JobState.SCHEDULED
        infos = await self._queue.jobs(state, limit=_PAGE)
        fresh = [info.id for info in infos if not (once and info.id in self._promoted)]
        for id in fresh:
            with contextlib.suppress(JobStateError, JobNotFound):
                await self._queue.job(id).promote()
        if once:
            self._promoted.update(fresh)
        return bool(fresh) or len(infos) < min(number, _PAGE)

    async def _is_due(self, counts: Counts) -> bool:
        """Whether a job or a tick is due by the clock of the server, and waits to be seen."""
        queue = self._queue
        for state, number in (
            (JobState.SCHEDULED, counts.scheduled),
            (JobState.RETRYING, counts.retrying),
        ):
            if number and not counts.paused:
                now = await queue.planner().now()
                # The first of the index is the one that is due first.
                infos = await queue.jobs(state, limit=1)
                if infos and instant_ms("run_at", infos[0].run_at) <= now:
                    return True
        # Else a tick that comes while this looks is one of the future.
        return frozen() and await self._is_scheduling()

    async def _is_scheduling(self) -> bool:
        """Whether a tick is to be fired, or a schedule of the code to be declared."""
        queue = self._queue
        schedules = await queue.schedules()
        now = await queue.planner().now()
        absent = {declared.id for declared in queue.registry.declared}
        waits: list[Hashable] = list(absent - {schedule.id for schedule in schedules})
        waits += [
            (schedule.id, schedule.next_at)
            for schedule in schedules
            if schedule.enabled
            and schedule.next_at is not None
            and instant_ms("next_at", schedule.next_at) <= now
        ]
        return any(self._lasts(one) < _GIVEN_UP for one in waits)

    async def _is_held_back(self, counts: Counts) -> bool:
        """Whether a limit lets no job start, for a time that does not come by itself."""
        seen = replace(counts, oldest_seconds=None, workers=0)
        if not frozen() or self._lasts(seen) < _STILL:
            return False
        for lease in await self._queue.claim(1):
            await lease.release()
            return False
        again = await self._queue.counts()
        return replace(again, oldest_seconds=None, workers=0) == seen

    def _lasts(self, what: Hashable) -> float:
        """Return the seconds since this was first seen."""
        now = asyncio.get_running_loop().time()
        return now - self._since.setdefault(what, now)
