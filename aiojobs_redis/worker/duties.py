"""What a worker does for its queue beside running jobs: beat, forward, reclaim, sweep.

Every worker beats once a second; one of them leads, for as long as it beats. The leader wakes at
the next due time, so that a delayed job starts on time on an idle queue. Every other worker would
forward it too: with its next exchange, or at its next beat once the leader's lease ran out.
"""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import time
from typing import TYPE_CHECKING

import msgspec

from aiojobs_redis._redis.probe import can_evict, read_memory, warn_of_eviction
from aiojobs_redis.worker.loop import Loop

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiojobs_redis._redis.store import Beat, Exchange
    from aiojobs_redis.worker.lane import Lane
    from aiojobs_redis.worker.stopping import Stopping

__all__ = ["Beats", "Janitor"]

_log = logging.getLogger("aiojobs_redis.worker")

_LEAD_MS = 3000
_MOST = 250
_MANY_DEAD = 10_000
_PARKED_PAGE = 20
_ROUND = 10.0
_REMIND = 60.0
_LEAST_ROOM = 32 * 1024


class Beats:
    """The beat of one lane.

    Args:
        lane: The lane.
        version: Version of the application.
        concurrency: Returns how many jobs the worker runs at once.
        on_lead: Told when the lane begins or ceases to lead.
        on_tick: Told of the next tick, in seconds from now.
        stopping: Ends it.
    """

    def __init__(
        self,
        lane: Lane,
        *,
        version: str,
        concurrency: Callable[[], int],
        on_lead: Callable[[], None],
        on_tick: Callable[[float], None],
        stopping: Stopping,
    ) -> None:
        self._lane = lane
        self._version = version
        self._concurrency = concurrency
        self._on_lead = on_lead
        self._on_tick = on_tick
        self._started_at = time.time_ns() // 1_000_000
        self._link = lane.store.server.link()
        self._timer: asyncio.TimerHandle | None = None
        self._due_at: int | None = None
        self._parked_after = ""
        self._tick_at: int | None = None
        lane.on_reply = self._note
        self.loop = Loop(
            "beat",
            self._beat,
            interval=1.0,
            server=lane.store.server.label,
            stopping=stopping,
        )

    async def leave(self) -> None:
        """Take the worker off the books of the queue.

        Raises:
            redis.exceptions.RedisError: As it was raised.
        """
        if self._timer is not None:
            self._timer.cancel()
        lane = self._lane
        try:
            await lane.store.leave(self._link, lane.incarnation, lane.worker)
        finally:
            self._link.abort()

    async def _beat(self) -> None:
        lane = self._lane
        info = msgspec.json.encode(
            {
                "host": platform.node(),
                "pid": os.getpid(),
                "version": self._version,
                "started_at": self._started_at,
                "concurrency": self._concurrency(),
                "running": lane.active,
            }
        )
        beat = await lane.store.beat(
            self._link, lane.incarnation, lane.worker, info, _LEAD_MS, self._parked_after
        )
        # The names come in pages; after the last one it begins again.
        self._parked_after = beat.parked[-1] if len(beat.parked) == _PARKED_PAGE else ""
        if beat.leads != lane.leads:
            lane.leads = beat.leads
            self._tick_at = None
            _log.debug("queue %s: %s", lane.queue.name, "leads" if beat.leads else "follows")
            self._on_lead()
        lane.parked = [name for name in beat.parked if name in lane.queue.tasks]
        self._note(beat)
        if beat.claimable or lane.parked:
            lane.ring()

    def _note(self, reply: Beat | Exchange) -> None:
        lane = self._lane
        if not lane.leads:
            return
        # A timer is late when the host slept or Redis' clock was set forward.
        overdue = reply.tick_at is not None and reply.tick_at <= reply.now
        if reply.tick_at != self._tick_at or overdue:
            self._tick_at = reply.tick_at
            if reply.tick_at is not None:
                self._on_tick((reply.tick_at - reply.now) / 1000)
        if reply.due_at == self._due_at and self._timer is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._due_at = reply.due_at
        if reply.due_at is not None:
            seconds = max(0.0, (reply.due_at - reply.now) / 1000)
            self._timer = asyncio.get_running_loop().call_later(seconds, self._fall_due)

    def _fall_due(self) -> None:
        self._timer = None
        if self._lane.leads:
            self._lane.ring()


class Janitor:
    """Removes what has outlived its retention, while its lane leads, and watches the memory.

    A drain of no-op jobs can fill what is left of a small Redis within a second. So each worker
    looks again once it has added an eighth of the room that there was, and whoever finds none
    left sees to it that finished jobs keep nothing.

    Args:
        lane: The lane.
        stopping: Ends it.
    """

    def __init__(self, lane: Lane, stopping: Stopping) -> None:
        self._lane = lane
        self._cursors = ["0"] * 4
        self._warned = False
        self._tight = False
        self._due = 0.0
        self.loop = Loop(
            "sweep",
            self._sweep,
            interval=_ROUND,
            server=lane.store.server.label,
            stopping=stopping,
        )
        self._asked = False
        self._evicts: bool | None = None
        self._reminded = 0.0
        lane.on_added = self._ask

    def _ask(self) -> None:
        self._asked = True
        self.loop.plan(0)

    def _remind(self, policy: str | None, now: float) -> None:
        # The queue has warned when it connected.
        first, was, self._evicts = self._evicts is None, self._evicts, can_evict(policy)
        if self._evicts and not first and (not was or now >= self._reminded + _REMIND):
            warn_of_eviction(policy, self._lane.store.server.label)
            self._reminded = now
        elif first:
            self._reminded = now

    async def _sweep(self) -> float | None:
        lane, now = self._lane, asyncio.get_running_loop().time()
        async with lane.store.server.borrow() as link:
            memory = await read_memory(link)
        room = memory.room
        self._remind(memory.policy, now)
        tight = room is not None and room <= 0
        known = tight and self._tight
        lane.expect(None if room is None or known else max(_LEAST_ROOM, room // 8))
        if now < self._due and tight == self._tight:
            return self._due - now
        asked, self._asked = self._asked, False
        if not (lane.leads or (tight and asked)):
            return None
        self._due = now + _ROUND
        args = (_MOST, *self._cursors, int(tight))
        removed, dead, self._cursors = await lane.store.ask("sweep", *args)
        if tight and not self._tight:
            _log.warning(
                "Redis at %s uses 95 %% of its memory: finished jobs of queue %s that nobody waits "
                "for keep nothing until there is room. Raise maxmemory, or shorten keep_result.",
                lane.store.server.label,
                lane.queue.name,
            )
        self._tight = tight
        if dead >= _MANY_DEAD and not self._warned:
            _log.warning(
                "queue %s holds %d dead jobs and keeps 100,000 at most: look at them with "
                "'aiojobs-redis dead ls', replay or remove them",
                lane.queue.name,
                dead,
            )
        self._warned = dead >= _MANY_DEAD
        if removed < _MOST:
            return None
        self._due = now
        return 0.05
