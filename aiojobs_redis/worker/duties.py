"""What a worker does for its queue every second: beat, forward, reclaim, obey.

Every worker beats once a second; one of them leads, for as long as it beats. The leader wakes at
the next due time, so that a delayed job starts on time on an idle queue. Every other worker would
forward it too: with its next exchange, or at its next beat once the leader's lease ran out.

A beat brings what an operator asks of the worker (see `Commanding`), and the next one, at once,
says that it was obeyed. A worker that stops beats on until its last job has ended, so that it is
seen, but gives up the lead with the first of these beats.
"""

from __future__ import annotations

import asyncio
import os
import platform
import time
from typing import TYPE_CHECKING

import msgspec

from aiojobs_redis.guarded_log import GuardedLog
from aiojobs_redis.worker.loop import Loop

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiojobs_redis._redis.store import Beat, Exchange
    from aiojobs_redis.job import WorkerState
    from aiojobs_redis.worker.lane import Lane
    from aiojobs_redis.worker.stopping import Stopping

__all__ = ["Beats"]

_log = GuardedLog("aiojobs_redis.worker")

_LEAD_MS = 3000
_INTERVAL = 1.0
_PARKED_PAGE = 20
# Of names that each beat repeats.
_MOST_TASKS = 500


class Beats:
    """The beat of one lane.

    Args:
        lane: The lane.
        version: Version of the application.
        concurrency: Returns how many jobs the worker runs at once.
        state: Returns whether it claims jobs.
        on_lead: Told when the lane begins or ceases to lead.
        on_tick: Told of the next tick, in seconds from now.
        on_beat: Told of each beat's reply.
        on_word: Told what an operator asks of the worker, as a letter of ask_worker.lua.
        stopping: Ends it.
    """

    def __init__(
        self,
        lane: Lane,
        *,
        version: str,
        concurrency: Callable[[], int],
        state: Callable[[], WorkerState],
        on_lead: Callable[[], None],
        on_tick: Callable[[float], None],
        on_beat: Callable[[Beat], None],
        on_word: Callable[[str], None],
        stopping: Stopping,
    ) -> None:
        self._lane = lane
        self._version = version
        self._concurrency = concurrency
        self._state = state
        self._on_lead = on_lead
        self._on_tick = on_tick
        self._on_beat = on_beat
        self._on_word = on_word
        self._stopping = stopping
        self._obeyed = ""
        self._exists: bool | None = None
        self._started_at = time.time_ns() // 1_000_000
        self._link = lane.store.server.link()
        self._timer: asyncio.TimerHandle | None = None
        self._due_at: int | None = None
        self._parked_after = ""
        self._tick_at: int | None = None
        lane.on_reply = self._hear
        lane.on_word = lambda: self.loop.plan(0)
        self.loop: Loop = Loop(
            "beat",
            self._beat,
            interval=_INTERVAL,
            server=lane.store.server.label,
            stopping=stopping,
            to_the_end=True,
        )

    @property
    def heard(self) -> bool:
        """Whether a beat was answered."""
        return self._exists is not None

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
        lane, stops = self._lane, self._stopping.asked.is_set()
        info = msgspec.json.encode(
            {
                # First: scripts look at the state alone.
                "state": self._state(),
                "host": platform.node(),
                "pid": os.getpid(),
                "version": self._version,
                "started_at": self._started_at,
                "concurrency": self._concurrency(),
                "running": lane.active,
                "tasks": sorted(lane.queue.tasks)[:_MOST_TASKS],
            }
        )
        beat = await lane.store.beat(
            self._link,
            lane.incarnation,
            lane.worker,
            info,
            0 if stops else _LEAD_MS,
            self._parked_after,
            self._obeyed,
            first=self._exists is None,
        )
        self._exists = beat.exists
        # The names come in pages; after the last one it begins again.
        self._parked_after = beat.parked[-1] if len(beat.parked) == _PARKED_PAGE else ""
        if beat.leads != lane.leads:
            lane.leads = beat.leads
            self._tick_at = None
            _log.debug("queue %s: %s", lane.queue.name, "leads" if beat.leads else "follows")
            self._on_lead()
        lane.parked = [name for name in beat.parked if name in lane.queue.tasks]
        if beat.told:
            lane.transitions.found(lane.queue.name, beat.told)
        if beat.word not in {"", self._obeyed}:
            self._obeyed = beat.word
            self._on_word(beat.word[0])
            self.loop.plan(0)
        if stops:
            return
        self._note(beat)
        self._on_beat(beat)
        if beat.claimable or lane.parked:
            lane.ring()

    def _hear(self, reply: Exchange) -> None:
        # A queue that was destroyed has its first job: the worker is to be seen there again.
        if reply.exists and self._exists is False:
            self._exists = True
            self.loop.plan(0)
        self._note(reply)

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
