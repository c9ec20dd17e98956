"""A schedule: what it makes, when, and what becomes of ticks that were missed. Pure, no clock.

The definition is stored as bytes; its revision is a digest of them, so that the same definition
is the same revision in every process. State (next tick, runs, pause) is kept beside it in Redis.

    tick due ──┬─ on time ──────────────────────────────▶ a job for it
               └─ late: missed="last"  the newest late tick inside the window ─▶ a job
                        missed="all"   every late tick inside the window, in order ─▶ jobs
                        missed="skip"  none; it goes on with the next
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import msgspec

from aiojobs_redis.cron import Cron, Every

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

__all__ = ["CRON_TICKS", "TICKS", "Missed", "Overlap", "Plan", "Schedule", "ScheduleInfo"]

Missed = Literal["skip", "last", "all"]
Overlap = Literal["allow", "skip"]

TICKS = 100
"""Ticks that one plan handles at most; fewer where each makes a large job."""

CRON_TICKS = 50
"""The same for a cron expression: some milliseconds of computing, in which no job goes on."""

_BYTES = 4 * 1024 * 1024
_TOLERANCE_MS = 10_000


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do about a tick that is due.

    Attributes:
        jobs: Ticks (epoch ms) that become jobs, in order.
        missed: How many ticks are given up. Of those of a cron expression that are older than
            the window, only the first `CRON_TICKS` are counted.
        last: The newest tick of the jobs, or without any the last one looked at, epoch ms.
        next: The next tick, epoch ms; None when there is none any more. The limit on jobs does
            not take it away: a tick may turn out to make none.
    """

    jobs: list[int]
    missed: int
    last: int
    next: int | None


@dataclass(frozen=True, slots=True)
class ScheduleInfo:
    """A schedule and its state.

    Attributes:
        id: Its identity.
        expression: The cron expression, or ``every <seconds> s``.
        tz: The zone of the expression.
        task: Name of the task it makes jobs of.
        next_at: Its next tick, None when it is paused or over.
        last_at: The last tick that made a job; one that found its unique key taken made none.
        last_job: Id of that job.
        enabled: False while it is paused.
        runs: Jobs that it has made.
        missed: Ticks that were given up, by its policy or because the last job was unfinished.
            Of the ticks of a cron expression that are older than the window, it counts 50 at
            most for each time that no worker was there.
        declared: Whether the application declares it in its code.
    """

    id: str
    expression: str
    tz: str
    task: str
    next_at: datetime | None
    last_at: datetime | None
    last_job: str | None
    enabled: bool
    runs: int
    missed: int
    declared: bool


class Schedule(msgspec.Struct, frozen=True, omit_defaults=True):
    """The definition of a schedule.

    Attributes:
        task: Name of the task.
        spec: Spec of the jobs.
        options: Letters of their header.
        cron: Expression of 5 fields, or of 6 with the seconds first.
        every_ms: Period, where there is no expression.
        tz: IANA zone of the expression.
        start_ms: No tick before.
        end_ms: No tick after.
        limit: Jobs to make in all.
        missed: Policy for late ticks.
        window_ms: Ticks later than this are given up under every policy.
        overlap: Whether a tick counts while the job of the last one is unfinished.
        app: Application that declares it in its code; empty for one made by a call.
        app_version: Its version at the declaration.
    """

    task: str
    spec: bytes
    options: str = ""
    cron: str | None = None
    every_ms: int | None = None
    tz: str = "UTC"
    start_ms: int | None = None
    end_ms: int | None = None
    limit: int | None = None
    missed: Missed = "last"
    window_ms: int = 3_600_000
    overlap: Overlap = "allow"
    app: str = ""
    app_version: str = ""

    def encode(self) -> bytes:
        """Return the definition as stored."""
        return _encode(self)

    def revision(self) -> str:
        """Return the digest that names this definition, whichever version declares it."""
        named = msgspec.structs.replace(self, app="", app_version="")
        return hashlib.sha256(_encode(named)).hexdigest()[:16]

    def bare(self) -> bytes:
        """Return all but the jobs' spec and who declares it, as bytes."""
        return _encode(msgspec.structs.replace(self, spec=b"", app="", app_version=""))

    def expression(self) -> str:
        """Return when it ticks, for people."""
        return self.cron if self.cron is not None else f"every {(self.every_ms or 0) / 1000:g} s"

    def next_tick(self, after_ms: int, anchor_ms: int, runs: int) -> int | None:
        """Return the first tick after an instant, None when there is none any more.

        Args:
            after_ms: The instant, epoch ms.
            anchor_ms: Phase of an interval, epoch ms.
            runs: Jobs made so far.
        """
        if self.limit is not None and runs >= self.limit:
            return None
        if self.start_ms is not None:
            after_ms = max(after_ms, self.start_ms - 1)
        if self.cron is not None:
            tick = _cron(self.cron, self.tz).next_after_ms(after_ms)
        else:
            tick = Every((self.every_ms or 0) / 1000).next_after_ms(after_ms, anchor_ms)
        return None if self.end_ms is not None and tick > self.end_ms else tick

    def plan(self, tick: int, now: int, anchor_ms: int, runs: int) -> Plan:
        """Decide about a tick that is due, and those after it up to now, `TICKS` at most.

        Jobs that may not overlap are never made several at once: of their late ticks only the
        newest counts. Where the ticks looked at are too old to make a job, the next one is the
        first that is not, however long the downtime was.

        Args:
            tick: The tick that is due, epoch ms.
            now: Server's time, epoch ms.
            anchor_ms: Phase of an interval.
            runs: Jobs made so far.
        """
        ticks = [tick]
        most = TICKS if self.cron is None else CRON_TICKS
        if self.missed == "all":
            most = max(1, min(most, _BYTES // max(1, len(self.spec))))
        following = self.next_tick(tick, anchor_ms, 0)
        while following is not None and following <= now and len(ticks) < most:
            ticks.append(following)
            following = self.next_tick(following, anchor_ms, 0)
        caught_up = following is None or following > now
        jobs = self._worth(ticks, now, following, caught_up=caught_up)
        if self.limit is not None and len(jobs) > (left := max(0, self.limit - runs)):
            jobs = jobs[:left]
            if jobs:
                # Some may be there already and not count, so the schedule goes on right behind.
                ticks = [each for each in ticks if each <= jobs[-1]]
                following = self.next_tick(jobs[-1], anchor_ms, 0)
        following, jumped = self._jump(following, now, anchor_ms)
        return Plan(jobs, len(ticks) - len(jobs) + jumped, (jobs or ticks)[-1], following)

    def _jump(self, tick: int | None, now: int, anchor_ms: int) -> tuple[int | None, int]:
        """Return the first tick from there on that may make a job, and those left out, if known."""
        oldest = now - self.window_ms
        if self.every_ms is not None and self._only_newest:
            oldest = max(oldest, now - self.every_ms + 1)
        if tick is None or tick >= oldest:
            return tick, 0
        first = self.next_tick(oldest - 1, anchor_ms, 0)
        if self.every_ms is None:
            return first, 0
        end = first if first is not None else (self.end_ms or 0) + 1
        return first, -((tick - end) // self.every_ms)

    @property
    def _only_newest(self) -> bool:
        return self.missed != "all" or self.overlap == "skip"

    def _worth(
        self, ticks: list[int], now: int, following: int | None, *, caught_up: bool
    ) -> list[int]:
        inside = [tick for tick in ticks if now - tick <= self.window_ms]
        if not self._only_newest:
            return inside
        if not caught_up:
            return []
        newest = inside[-1:]
        if self.missed == "last" or not newest:
            return newest
        # With "skip" a tick counts as met while it is late by less than half its distance to the
        # next one: a hand-over between two leaders must not cost a tick.
        period = following - newest[0] if following is not None else 2 * _TOLERANCE_MS
        return newest if now - newest[0] <= min(_TOLERANCE_MS, period // 2) else []


# Reading an expression takes as long as a dozen of its ticks.
_cron = lru_cache(maxsize=1024)(Cron)
_encode = msgspec.msgpack.Encoder().encode
decode_schedule: Callable[[bytes], Schedule] = msgspec.msgpack.Decoder(Schedule).decode
