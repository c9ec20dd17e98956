"""Schedules in Redis: stored by id, looked at, paused, fired.

Every change compares what it saw (revision, and for a firing the tick) with what is there, in the
script that changes it; whoever loses such a race looks again. So any number of processes may
upsert and fire the same schedule.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from aiojobs_redis.duration import from_ms
from aiojobs_redis.schedule import Schedule, ScheduleInfo, decode_schedule

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aiojobs_redis._redis.link import Link
    from aiojobs_redis._redis.store import Store
    from aiojobs_redis.schedule import Plan

__all__ = ["Due", "Planner", "StoredSchedule"]


class StoredSchedule(NamedTuple):
    """A schedule as it stands in Redis.

    Attributes:
        id: Its identity.
        revision: Digest of the definition.
        paused: Whether it is paused.
        runs: Jobs that it has made.
        missed: Ticks that were given up.
        last_tick: Last tick that made a job, epoch ms, or None.
        anchor: Phase of an interval, epoch ms.
        declared: When an application last declared it, epoch ms, or None.
        tick: Next tick, epoch ms, or None.
        schedule: The definition.
    """

    id: str
    revision: str
    paused: bool
    runs: int
    missed: int
    last_tick: int | None
    anchor: int
    declared: int | None
    tick: int | None
    schedule: Schedule

    def info(self) -> ScheduleInfo:
        """Return what users see of it."""
        last = self.last_tick
        return ScheduleInfo(
            id=self.id,
            expression=self.schedule.expression(),
            tz=self.schedule.tz,
            task=self.schedule.task,
            next_at=None if self.tick is None else from_ms(self.tick),
            last_at=None if last is None else from_ms(last),
            last_job=None if last is None else f"{self.id}:{last}",
            enabled=not self.paused,
            runs=self.runs,
            missed=self.missed,
            declared=self.declared is not None,
        )


class Due(NamedTuple):
    """What there is to fire.

    Attributes:
        now: Server's time, epoch ms.
        next_at: First tick after now, epoch ms, or None.
        schedules: Those that are due, 100 at most.
        unread: Whether there are others, with a record that this version cannot read.
    """

    now: int
    next_at: int | None
    schedules: list[StoredSchedule]
    unread: bool


class Planner:
    """The schedules of one queue.

    Args:
        store: The queue.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def put(self, schedule_id: str, schedule: Schedule, *, declared: bool) -> None:
        """Create or replace a schedule; the same definition keeps its next tick, phase and pause.

        Raises:
            QueueUnavailable: Redis did not answer.
            QueueFull: Redis is out of memory.
        """
        revision = schedule.revision()
        while True:
            now, found = await self._read("named", schedule_id)
            old = found.get(schedule_id)
            expected = old.revision if old else ""
            anchor = now if schedule.start_ms is None else schedule.start_ms
            tick = schedule.next_tick(now, anchor, 0)
            args = (schedule_id, revision, expected, "" if tick is None else tick, anchor)
            if await self._store.ask("schedule", *args, int(declared), schedule.encode()):
                return

    async def get(self, schedule_id: str) -> StoredSchedule | None:
        """Return a schedule, None where there is none of that id.

        Raises:
            QueueUnavailable: Redis did not answer.
        """
        _, found = await self._read("named", schedule_id)
        return found.get(schedule_id)

    async def all(self) -> list[StoredSchedule]:
        """Return all schedules in order of their ids.

        Raises:
            QueueUnavailable: Redis did not answer.
        """
        _, found = await self._read("all")
        return list(found.values())

    async def remove(self, schedule_id: str, undeclared_since: int | None = None) -> bool:
        """Remove a schedule; whether there was one.

        Args:
            schedule_id: Its id.
            undeclared_since: Only if it is declared in code, and last was before this, epoch ms.

        Raises:
            QueueUnavailable: Redis did not answer.
        """
        before = "" if undeclared_since is None else undeclared_since
        return bool(await self._store.ask("unschedule", schedule_id, before))

    async def pause(self, schedule_id: str, *, paused: bool) -> bool:
        """Pause or resume a schedule, which then goes on with its next tick; whether there is one.

        Raises:
            QueueUnavailable: Redis did not answer.
        """
        while True:
            now, found = await self._read("named", schedule_id)
            old = found.get(schedule_id)
            if old is None:
                return False
            tick = None if paused else old.schedule.next_tick(now, old.anchor, old.runs)
            args = (schedule_id, old.revision, int(paused), "" if tick is None else tick)
            if await self._store.ask("pause_schedule", *args):
                return True

    async def now(self) -> int:
        """Return the server's time, epoch ms.

        Raises:
            QueueUnavailable: Redis did not answer.
        """
        now, _ = await self._read("named")
        return now

    async def due(self, link: Link) -> Due:
        """Return the schedules that are due, and when the next one is.

        Raises:
            redis.exceptions.RedisError: As it was raised.
        """
        now, later, *flat = await self._store.run(link, "read_schedules", "due")
        found = list(_stored(flat))
        return Due(now, None if later < 0 else later, found, 3 * len(found) < len(flat))

    async def fire(self, link: Link, stored: StoredSchedule, plan: Plan) -> int:
        """Turn ticks into jobs; the number made, or -1 when somebody else has done it.

        Raises:
            redis.exceptions.RedisError: As it was raised.
        """
        schedule = stored.schedule
        jobs: list[str | bytes] = []
        for tick in plan.jobs:
            # The time that the job stands for travels as its due time, which is past.
            jobs += (f"{stored.id}:{tick}", f"1{schedule.options},w{tick}", schedule.spec)
        head = (stored.id, stored.revision, stored.tick or 0)
        moved = ("" if plan.next is None else plan.next, plan.last, plan.missed)
        skip = int(schedule.overlap == "skip")
        made: int = await self._store.run(link, "fire", *head, *moved, skip, schedule.task, *jobs)
        return made

    async def _read(self, which: str, *ids: str) -> tuple[int, dict[str, StoredSchedule]]:
        now, _, *flat = await self._store.ask("read_schedules", which, *ids)
        return now, {stored.id: stored for stored in _stored(flat)}


def _stored(flat: Sequence[bytes]) -> Iterator[StoredSchedule]:
    for at in range(0, len(flat), 3):
        line, _, definition = flat[at + 1].partition(b"\n")
        if not line:
            continue
        try:
            revision, paused, runs, missed, last, anchor, declared = line.decode().split(",")
            schedule = decode_schedule(definition)
        except (msgspec.MsgspecError, ValueError):
            # Of a newer version, whose own workers fire it, or damaged: the others go on.
            continue
        yield StoredSchedule(
            id=flat[at].decode(),
            revision=revision,
            paused=paused == "1",
            runs=int(runs),
            missed=int(missed),
            last_tick=int(last) if last else None,
            anchor=int(anchor),
            declared=int(declared) if declared else None,
            tick=int(float(flat[at + 2])) if flat[at + 2] else None,
            schedule=schedule,
        )
