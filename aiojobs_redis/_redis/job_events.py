"""Reads the events of one job, from its enqueue to its end.

    reading ── nothing new ──▶ has the job ended? ── no ──▶ waiting (XREAD BLOCK) ──▶ reading
                                      └── yes ──▶ reading what came before that was seen ──▶ over

Whether it has ended is asked of the record and not taken from the events: they may have been cut
off, and a job that was replayed ends again. It is asked at the beginning, behind an event that may
be the last one, and now and then.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from typing import TYPE_CHECKING

from aiojobs_redis._redis.event_stream import EventStream
from aiojobs_redis.errors import JobNotFound, QueueUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
    from datetime import datetime

    from aiojobs_redis._redis.link import Link
    from aiojobs_redis._redis.store import Store
    from aiojobs_redis.events import Event, EventType
    from aiojobs_redis.job import JobInfo, JobState

__all__ = ["JobEventStream"]

_log = logging.getLogger("aiojobs_redis.events")

_OLDEST = "0-0"
_LAST = frozenset({"completed", "dead", "cancelled", "removed"})
_AGAIN = 10.0


class JobEventStream(EventStream):
    """The events of one job; made by `Job.events`.

    Iterating delivers them as they come, and ends behind the end of the job; see `EventStream`.

    Args:
        store: The queue.
        info: Returns the record of the job.
        state: Returns the state of the job.
        job: Id of the job.
        since: See `Job.events`.
        types: See `Job.events`.

    Raises:
        ConfigInvalid: A type does not exist, or ``since`` is neither an id nor an instant.
    """

    def __init__(
        self,
        store: Store,
        info: Callable[[], Awaitable[JobInfo | None]],
        state: Callable[[], Awaitable[JobState | None]],
        job: str,
        *,
        since: str | datetime | None,
        types: Iterable[EventType] | None,
    ) -> None:
        super().__init__(store, lambda _: info(), since=since, types=types)
        self._info = info
        self._state = state
        self._job = job
        self._seen = False
        self._gone = False
        # When to ask next whether it has ended, by the clock of the loop.
        self._ask_at = 0.0

    def __repr__(self) -> str:
        return f"<JobEventStream of job {self._job} behind {self._position}>"

    async def _begin(self, link: Link) -> None:
        await self._store.check()
        if not self._placed:
            info = await self._info()
            self._go_to(_OLDEST if info is None else info.enqueued_at)

    async def _read(self) -> AsyncGenerator[Event]:
        async with aclosing(super()._read()) as events:
            async for event in events:
                yield event
        if self._gone and not self._seen:
            raise JobNotFound(
                f"there is no record of job {self._job} in queue {self._store.queue}, and no event "
                "behind the place: it never was enqueued here, was removed, or its retention ended"
            )

    async def _look(self) -> bool:
        now = asyncio.get_running_loop().time()
        if now < self._ask_at:
            return False
        try:
            state = await self._state()
        except QueueUnavailable as error:
            # What waits next will find out, and goes on over an outage.
            _log.debug("job %s: whether it has ended is not known: %s", self._job, error)
            return False
        self._ask_at = now + _AGAIN
        self._gone = state is None
        return state is None or state.finished

    def _is_wanted(self, event: Event) -> bool:
        if event.job != self._job:
            return False
        self._seen = True
        if event.type in _LAST:
            self._ask_at = 0.0
        return super()._is_wanted(event)
