"""Turns the ticks of schedules into jobs while its lane leads, and declares those of the code.

Any number of schedulers may run: a tick is fired by compare and set, so the leader's lease only
saves the work. The leader sleeps to the next tick; a schedule that becomes the new head rings it.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import msgspec

from aiojobs_redis._redis.faults import FAULTS
from aiojobs_redis._redis.planner import CodecFailed
from aiojobs_redis.errors import AiojobsError, ConfigInvalid, PayloadRejected
from aiojobs_redis.guarded_log import GuardedLog
from aiojobs_redis.worker.loop import Loop

if TYPE_CHECKING:
    from aiojobs_redis._redis.planner import StoredSchedule
    from aiojobs_redis.worker.lane import Lane
    from aiojobs_redis.worker.stopping import Stopping

__all__ = ["Scheduler"]

_log = GuardedLog("aiojobs_redis.worker")

_DAY_MS = 24 * 3600 * 1000
_HOUR = 3600.0
_RETRY = 1.0
_DECLARE_AGAIN = 10.0


class Scheduler:
    """The schedules of one lane.

    Args:
        lane: The lane.
        app: Name of the application that declares schedules.
        version: Its version; empty where it has none.
        stopping: Ends it.
    """

    def __init__(self, lane: Lane, *, app: str, version: str, stopping: Stopping) -> None:
        self._lane = lane
        self._app = app
        self._version = version
        self._planner = lane.queue.planner()
        self._link = lane.store.server.link()
        self._reported: set[tuple[str, str]] = set()
        self._given_up: dict[str, int] = {}
        self._held_until = 0.0
        self._tick_at: float | None = None
        self._firing = False
        server = lane.store.server.label
        self.ticks: Loop = Loop(
            "fire schedules", self._fire, interval=_HOUR, server=server, stopping=stopping
        )
        self.declarations: Loop = Loop(
            "declare schedules", self._declare, interval=_HOUR, server=server, stopping=stopping
        )

    @property
    def overdue(self) -> bool:
        """Whether a tick is due that it can fire and has not, or is firing now."""
        at = self._tick_at
        return self._firing or (at is not None and at <= asyncio.get_running_loop().time())

    def close(self) -> None:
        """Close its connection."""
        self._link.abort()

    def tick_in(self, seconds: float) -> None:
        """Take note of when the next schedule ticks, or that it should have."""
        if seconds <= 0:
            # What cannot be fired stays overdue in every reply that the worker reads.
            seconds = max(0.0, self._held_until - asyncio.get_running_loop().time())
        self._tick_at = asyncio.get_running_loop().time() + seconds
        self.ticks.plan(seconds)

    async def _fire(self) -> float | None:
        self._tick_at, self._firing = None, True
        try:
            return await self._fire_due()
        finally:
            self._firing = False

    async def _fire_due(self) -> float | None:
        if not self._lane.leads:
            self._given_up.clear()
            return None
        self._held_until = asyncio.get_running_loop().time() + _RETRY
        due = await self._planner.due(self._link)
        for schedule_id in due.unread:
            self._report_unread(schedule_id)
        moved = 0
        for stored in due.schedules:
            # A catch-up computes for milliseconds at a time; jobs go on in between.
            await asyncio.sleep(0)
            try:
                moved += await self._fire_one(stored, due.now)
            except (ConfigInvalid, PayloadRejected, CodecFailed) as error:
                self._report(stored, error)
        if moved:
            return 0.0
        pause = None if due.next_at is None else (due.next_at - due.now) / 1000
        if due.schedules or due.unread:
            # What stays due hides the ticks behind it from the beats.
            return min(pause or _RETRY, _RETRY)
        self._held_until = 0.0
        return pause

    def _report(self, stored: StoredSchedule, error: Exception) -> None:
        if (key := (stored.id, stored.revision)) not in self._reported:
            self._reported.add(key)
            _log.error("schedule %s cannot be fired here: %s", stored.id, error)

    def _report_unread(self, schedule_id: str) -> None:
        if (key := (schedule_id, "")) not in self._reported:
            self._reported.add(key)
            _log.warning(
                "schedule %s is due, but this version of aiojobs_redis cannot read its record: a "
                "newer version wrote it, or it is damaged. It makes no job while this worker "
                "leads: update the worker, or schedule the id again",
                schedule_id,
            )

    async def _fire_one(self, stored: StoredSchedule, now: int) -> bool:
        """Fire what is due of a schedule; False when somebody else has done it."""
        if stored.tick is None:
            return False
        plan = stored.schedule.plan(stored.tick, now, stored.anchor, stored.runs)
        made = await self._planner.fire(self._link, stored, plan)
        if made is None:
            return False
        if made and self._lane.transitions.wanted:
            ids = [f"{stored.id}:{tick}" for tick in made]
            late = (now - made[0]) / 1000
            self._lane.transitions.ticked(self._lane.queue, stored.schedule.task, ids, late)
        self._reported.discard((stored.id, stored.revision))
        given_up = self._given_up.pop(stored.id, 0) + plan.missed
        if given_up and not plan.jobs and plan.next is not None and plan.next <= now:
            self._given_up[stored.id] = given_up
        elif given_up:
            _log.warning(
                "schedule %s: %d late ticks were given up (missed=%r)",
                stored.id,
                given_up,
                stored.schedule.missed,
            )
        return True

    async def _declare(self) -> float | None:
        declared = self._lane.queue.registry.declared
        pause = None
        for schedule_id, schedule in declared:
            mine = msgspec.structs.replace(schedule, app=self._app, app_version=self._version)
            try:
                await self._planner.put(schedule_id, mine, declared=True)
            except (*FAULTS, AiojobsError):
                raise
            except Exception as error:
                # Of the codec: the others are declared, and an hour would be long for this one.
                pause = _DECLARE_AGAIN
                _log.error(
                    "schedule %s cannot be declared, trying again: the codec of the queue raised "
                    "%s: %s",
                    schedule_id,
                    type(error).__name__,
                    error,
                )
        ids = {schedule_id for schedule_id, _ in declared}
        now = await self._planner.now()
        for stored in await self._planner.all():
            if stored.declared is None or stored.id in ids:
                continue
            superseded = stored.schedule.app == self._app and is_newer(
                self._version, stored.schedule.app_version
            )
            limit = now + 1 if superseded else now - _DAY_MS
            if await self._planner.remove(stored.id, limit):
                _log.info("schedule %s is not declared any more and was removed", stored.id)
        return pause


def is_newer(mine: str, theirs: str) -> bool:
    """Whether a version comes after another; texts of digits count as numbers.

    Example:
        >>> is_newer("1.10", "1.9")
        True
        >>> is_newer("", "1.0")
        False
    """
    return bool(mine) and _parts(mine) > _parts(theirs)


def _parts(version: str) -> list[tuple[int, str]]:
    found = re.findall(r"\d+|[A-Za-z]+", version)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in found]
