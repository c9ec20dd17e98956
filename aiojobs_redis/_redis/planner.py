"""Schedules in Redis: stored by id, looked at, paused, fired.

Every change compares what it saw (revision, and for a firing the tick) with what is there, in the
script that changes it; whoever loses such a race looks again. So any number of processes may
upsert and fire the same schedule.
"""

from __future__ import annotations

import asyncio
import random
import re
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from aiojobs_redis._redis.producer import IN_LINE
from aiojobs_redis._redis.store import PATIENCE
from aiojobs_redis.duration import from_ms
from aiojobs_redis.errors import PayloadRejected, QueueUnavailable
from aiojobs_redis.schedule import Schedule, ScheduleInfo, decode_schedule
from aiojobs_redis.spec import read_header
from aiojobs_redis.unique import sealed_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from aiojobs_redis._redis.link import Link
    from aiojobs_redis._redis.store import Store
    from aiojobs_redis.schedule import Plan

__all__ = ["CodecFailed", "Due", "Planner", "StoredSchedule"]

# As the scripts read a record: what they do not recognise is no schedule here either.
_RECORD = re.compile(rb"([0-9a-fA-F]+),([01]),(\d+),(\d+),(\d*),(\d+),(\d*)\n(.*)", re.DOTALL)


class CodecFailed(Exception):
    """The codec of a queue raised something that says nothing of what it was given."""


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

    def ticks(self, count: int) -> list[datetime]:
        """Return its next ticks in its zone, as long as there are any; none while it is paused."""
        zone, tick, runs = ZoneInfo(self.schedule.tz), self.tick, self.runs
        found: list[datetime] = []
        while tick is not None and len(found) < count:
            found.append(from_ms(tick).astimezone(zone))
            runs += 1
            tick = self.schedule.next_tick(tick, self.anchor, runs)
        return found


class Due(NamedTuple):
    """What there is to fire.

    Attributes:
        now: Server's time, epoch ms.
        next_at: First tick after now, epoch ms, or None.
        schedules: Those that are due, 100 at most.
        unread: Ids of others, with a record that this version cannot read.
    """

    now: int
    next_at: int | None
    schedules: list[StoredSchedule]
    unread: list[str]


class _Race:
    """Calls that lost a compare and set, spaced out so that one of them wins soon.

    Args:
        schedule_id: What they race for.
    """

    def __init__(self, schedule_id: str) -> None:
        self._schedule_id = schedule_id
        self._deadline = asyncio.get_running_loop().time() + PATIENCE
        self._pause = 0.005

    async def lost(self) -> None:
        """Pause before the next try.

        Raises:
            QueueUnavailable: There is no time left for one.
        """
        if asyncio.get_running_loop().time() + self._pause > self._deadline:
            raise QueueUnavailable(
                f"schedule {self._schedule_id!r} was not changed: others changed it first at each "
                f"try of {PATIENCE:g} s; find what schedules this id again and again, or try later"
            )
        await asyncio.sleep(self._pause * random.uniform(0.5, 1))  # noqa: S311 - jitter
        self._pause = min(self._pause * 2, 0.5)


class Planner:
    """The schedules of one queue.

    Args:
        store: The queue.
        most_of_key: Jobs of each key that may wait for their first start; 0 for any number.
    """

    def __init__(self, store: Store, most_of_key: int = 0) -> None:
        self._store = store
        self._most_of_key = most_of_key
        self._sealing = store.sealing

    async def put(self, schedule_id: str, schedule: Schedule, *, declared: bool) -> None:
        """Create or replace a schedule; the same definition keeps its next tick, phase and pause.

        A record is also replaced when this version cannot read its definition.

        Raises:
            QueueUnavailable: Redis did not answer, or others change the schedule all the time.
            QueueFull: Redis is out of memory.
        """
        bare, race = schedule, _Race(schedule_id)
        if self._sealing is not None:
            sealed = self._sealing.seal_schedule(schedule_id, bare)
            schedule = msgspec.structs.replace(bare, spec=sealed)
        revision = schedule.revision()
        while True:
            now, _, _, record, _ = await self._store.ask("read_schedules", "named", schedule_id)
            old = _RECORD.fullmatch(record)
            expected = old[1].decode() if old else ""
            anchor = now if schedule.start_ms is None else schedule.start_ms
            tick = schedule.next_tick(now, anchor, 0)
            if old and self._same(schedule_id, bare, old[8]):
                # Sealed anew it has other bytes each time, and is the same definition.
                revision = expected
            args = (schedule_id, revision, expected, "" if tick is None else tick, anchor)
            if await self._store.ask("schedule", *args, int(declared), schedule.encode()):
                return
            await race.lost()

    def spec_of(self, stored: StoredSchedule, job: str) -> bytes:
        """Return the payload of a schedule for one job.

        Raises:
            PayloadRejected: It was not sealed for this schedule, or was changed.
        """
        if self._sealing is None:
            return stored.schedule.spec
        spec = self._sealing.open_schedule(stored.id, stored.schedule)
        options = read_header(stored.schedule.options.encode())
        return self._sealing.seal(*sealed_for(options, job.encode()), spec)

    def _same(self, schedule_id: str, schedule: Schedule, definition: bytes) -> bool:
        if self._sealing is None:
            return False
        try:
            old = decode_schedule(definition)
            spec = self._sealing.open_schedule(schedule_id, old)
        except (msgspec.MsgspecError, ValueError, PayloadRejected):
            return False
        return spec == schedule.spec and old.bare() == schedule.bare()

    async def get(self, schedule_id: str) -> StoredSchedule | None:
        """Return a schedule, None where there is none of that id.

        Raises:
            QueueUnavailable: Redis did not answer.
        """
        _, found = await self._read("named", schedule_id)
        return found.get(schedule_id)

    async def all(self, ids: Iterable[str] | None = None) -> list[StoredSchedule]:
        """Return schedules: all in order of their ids, or those that are named.

        Raises:
            QueueUnavailable: Redis did not answer.
        """
        _, found = await (self._read("all") if ids is None else self._read("named", *ids))
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
        return bool(await self._store.ask_once("unschedule", schedule_id, before))

    async def pause(self, schedule_id: str, *, paused: bool) -> bool:
        """Pause or resume a schedule, which then goes on with its next tick; whether there is one.

        Raises:
            QueueUnavailable: Redis did not answer, or others change the schedule all the time.
        """
        race = _Race(schedule_id)
        while True:
            now, found = await self._read("named", schedule_id)
            old = found.get(schedule_id)
            if old is None:
                return False
            tick = None if paused else old.schedule.next_tick(now, old.anchor, old.runs)
            args = (schedule_id, old.revision, int(paused), "" if tick is None else tick)
            if await self._store.ask("pause_schedule", *args):
                return True
            await race.lost()

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
        read = {stored.id for stored in found}
        ids = [each.decode(errors="replace") for each in flat[::3]]
        unread = [each for each in ids if each not in read]
        return Due(now, None if later < 0 else later, found, unread)

    async def fire(self, link: Link, stored: StoredSchedule, plan: Plan) -> list[int] | None:
        """Turn ticks into jobs; those that made one, or None when somebody else has done it.

        Raises:
            PayloadRejected: Its payload was not sealed for it, or was changed; nothing was made.
            CodecFailed: Its payload cannot be opened or sealed now; nothing was made.
            redis.exceptions.RedisError: As it was raised.
        """
        schedule = stored.schedule
        jobs: list[str | bytes] = []
        line = IN_LINE if self._most_of_key and ",g" in schedule.options else ""
        for tick in plan.jobs:
            # The time that the job stands for travels as its due time, which is past.
            job = f"{stored.id}:{tick}"
            try:
                spec = self.spec_of(stored, job)
            except PayloadRejected:
                raise
            except Exception as error:
                # As it is it might be taken for an error of Redis.
                reason = f"{type(error).__name__}: {error}"
                raise CodecFailed(f"the codec of the queue raised {reason}") from error
            jobs += (job, f"1{schedule.options}{line},w{tick}", spec)
        head = (stored.id, stored.revision, stored.tick or 0)
        moved = ("" if plan.next is None else plan.next, plan.last, plan.missed)
        limit = "" if schedule.limit is None else schedule.limit
        skips = f"{int(schedule.overlap == 'skip')} {self._most_of_key or ''}".rstrip()
        rules = (skips, limit, schedule.task)
        reply = await self._store.run(link, "fire", *head, *moved, *rules, *jobs)
        if reply == -1:
            return None
        return [tick for tick, flag in zip(plan.jobs, reply.decode(), strict=False) if flag == "1"]

    async def _read(self, which: str, *ids: str) -> tuple[int, dict[str, StoredSchedule]]:
        now, _, *flat = await self._store.ask("read_schedules", which, *ids)
        return now, {stored.id: stored for stored in _stored(flat)}


def _stored(flat: Sequence[bytes]) -> Iterator[StoredSchedule]:
    for at in range(0, len(flat), 3):
        record = _RECORD.fullmatch(flat[at + 1])
        if record is None:
            continue
        *line, definition = record.groups()
        try:
            schedule_id = flat[at].decode()
            schedule = decode_schedule(definition)
        except (msgspec.MsgspecError, ValueError):
            # Of a newer version, or damaged: the others go on.
            continue
        revision, paused, runs, missed, last, anchor, declared = line
        yield StoredSchedule(
            id=schedule_id,
            revision=revision.decode(),
            paused=paused == b"1",
            runs=int(runs),
            missed=int(missed),
            last_tick=int(last) if last else None,
            anchor=int(anchor),
            declared=int(declared) if declared else None,
            tick=int(float(flat[at + 2])) if flat[at + 2] else None,
            schedule=schedule,
        )
