"""The janitor of a queue: every ten seconds retention, damage and memory are looked after."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiojobs_redis._redis.probe import can_evict, read_memory, warn_of_eviction
from aiojobs_redis.guarded_log import GuardedLog
from aiojobs_redis.worker.loop import Loop

if TYPE_CHECKING:
    from aiojobs_redis.worker.lane import Lane
    from aiojobs_redis.worker.stopping import Stopping

__all__ = ["Janitor"]

_log = GuardedLog("aiojobs_redis.worker")

_MOST = 250
_SAMPLE = 100
_SHOWN = 5
_MANY_DEAD = 10_000
# Of the 500 or so unique keys that a sweep looks at.
_MANY_VACATED = 100
_ROUND = 10.0
_REMIND = 60.0
_LEAST_ROOM = 32 * 1024


class Janitor:
    """Removes what has outlived its retention, mends what is damaged, and watches the memory.

    A drain of no-op jobs can fill what is left of a small Redis within a second. So each worker
    looks again once it has added an eighth of the room that there was, and whoever finds none
    left sees to it that finished jobs keep nothing. All else is for the one whose lane leads.

    Args:
        lane: The lane.
        stopping: Ends it.
    """

    def __init__(self, lane: Lane, stopping: Stopping) -> None:
        self._lane = lane
        self._cursors = ["0"] * 5
        self._warned = False
        self._tight = False
        self._due = 0.0
        self.loop: Loop = Loop(
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
        removed, dead, self._cursors, _, vacated, *told = await lane.store.ask("sweep", *args)
        if told:
            lane.transitions.found(lane.queue.name, told[0])
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
        if removed < _MOST and vacated < _MANY_VACATED:
            if lane.leads:
                await self._repair()
            return None
        self._due = now
        return 0.05

    async def _repair(self) -> None:
        lane = self._lane
        buried, removed, shortened = await lane.store.ask("repair", _SAMPLE)
        if buried:
            lane.transitions.found(lane.queue.name, ((), buried, ()))
        if buried or removed:
            _log.error(
                "queue %s was damaged by something else than this package, or Redis lost writes: "
                "%d jobs whose record and index disagreed are dead now (%s), %d other leftovers "
                "were removed. Look at the jobs with 'aiojobs-redis dead ls'.",
                lane.queue.name,
                len(buried),
                ", ".join(job.decode(errors="replace") for job in buried[:_SHOWN]) or "none",
                removed,
            )
        if shortened:
            _log.warning(
                "the clock of Redis at %s was set back: %d leases of queue %s were shortened",
                lane.store.server.label,
                shortened,
                lane.queue.name,
            )
