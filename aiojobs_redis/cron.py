"""When a schedule runs next: the same instants in, the same instants out, in every process.

An expression whose minute and hour fields both start with something else than ``*`` names times
of the day. Each runs once a day: at its first occurrence when the clocks go back; and right after
the gap, as one run for all that the gap swallowed, when they go forward. Any other expression
names intervals and keeps them in elapsed time, which goes on through a repeated hour. When both
day fields are restricted, a day that fits either will do; ``*/2`` restricts, as in croniter.
"""

from __future__ import annotations

import copy
import re
from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from croniter import croniter

from aiojobs_redis.errors import ConfigInvalid

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Cron", "Every", "zone_of"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEAR_2000 = 946_684_800
_FIELDS = ("second", "minute", "hour", "day-of-month", "month", "day-of-week")
_ALIASES = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
# Refused although croniter takes them: H and R, which are not the same in every process, and a
# range such as 9-9, which is the whole field to croniter and 9 to every other cron.
_FIELD = re.compile(r"(?![hr]\b|.*\d{3}|.*\b(\w+)-\1\b)[a-z0-9*,/#?-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Cron:
    """Times on the wall clock of a zone; equal to another one that is spelled the same.

    Args:
        expression: Minute, hour, day of month, month and day of week, or six fields with the
            second first, or an alias such as ``@daily``. Names, ranges, steps, lists, ``L`` (last
            day of the month), ``15W`` (nearest working day), ``MON#2`` and ``L5`` (last Friday).
        tz: IANA name of the zone.

    Raises:
        ConfigInvalid: A field, the fields together, or the zone is not acceptable.
    """

    expression: str
    tz: str = "UTC"
    _zone: ZoneInfo = field(init=False, repr=False, compare=False)
    _calendar: croniter = field(init=False, repr=False, compare=False)
    _times_of_day: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_zone", zone_of(self.tz))
        object.__setattr__(self, "_calendar", _parse(self.expression))
        of_day = not any(value.startswith("*") for value in self._calendar.expressions[:2])
        object.__setattr__(self, "_times_of_day", of_day)
        self.next_after_ms(_YEAR_2000 * 1000)

    def next_after(self, instant: datetime) -> datetime:
        """Return the first run strictly after an aware instant, in the schedule's zone.

        Raises:
            ConfigInvalid: The instant is naive, or the calendar ends before the next run.
        """
        return self._local(self.next_after_ms(_epoch_ms(instant)) // 1000)

    def next_after_ms(self, ms: int) -> int:
        """Do the same for an instant in milliseconds since 1970, and answer in such."""
        try:
            return _epoch_ms(self._local(self._next(ms // 1000)))
        except (ValueError, OverflowError) as error:
            day, month, weekday = self._calendar.expressions[2:5]
            raise ConfigInvalid(
                f"cron {self.expression!r} does not run in the 50 years after {ms} ms: no date has "
                f"day-of-month {day!r}, month {month!r}, day-of-week {weekday!r} before the year "
                "10000; change these fields, or give an earlier instant"
            ) from error

    def times(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Iterate over the runs after ``start`` up to and including ``end``, both aware instants.

        Adjoining spans share no run and miss none. The first step raises as ``next_after`` does.
        """
        tick, last = _epoch_ms(start), _epoch_ms(end)
        while (tick := self.next_after_ms(tick)) <= last:
            yield self._local(tick // 1000)

    def _next(self, at: int) -> int:
        # Instants and ``wall``, a reading of the clock, are seconds since 1970. A change of the
        # clocks at the instant ``turn`` takes the offset from ``before`` to ``after``.
        wall = at + _offset(self._local(at))
        before, after = self._offsets(wall)
        if before > after:
            turn = self._turn(wall, before, after)
            if self._times_of_day and at >= turn:
                wall = turn + before - 1
            elif not self._times_of_day and at < turn and self._next_wall(wall) >= turn + before:
                wall = turn + after - 1
        while True:
            wall = self._next_wall(wall)
            before, after = self._offsets(wall)
            if before >= after:
                first = wall - before
                return first if self._times_of_day or first > at else wall - after
            turn = self._turn(wall, before, after)
            if self._times_of_day:
                return turn
            wall = turn + after - 1

    def _next_wall(self, wall: int) -> int:
        # croniter keeps its place in itself: threads that share a schedule need a copy each.
        calendar = copy.copy(self._calendar)
        return int(calendar.get_next(float, start_time=float(wall), update_current=False))

    def _offsets(self, wall: int) -> tuple[int, int]:
        local = (_EPOCH + timedelta(seconds=wall)).replace(tzinfo=self._zone)
        return _offset(local), _offset(local.replace(fold=1))

    def _turn(self, wall: int, before: int, after: int) -> int:
        span = range(wall - max(before, after) + 1, wall - min(before, after) + 1)
        return span[bisect_left(span, True, key=lambda at: _offset(self._local(at)) == after)]

    def _local(self, at: int) -> datetime:
        return (_EPOCH + timedelta(seconds=at)).astimezone(self._zone)


@dataclass(frozen=True, slots=True, init=False)
class Every:
    """Times at a fixed distance, counted from an anchor: a late run does not delay the others.

    Args:
        seconds: The distance, from 1 second to 3660 days; kept in whole milliseconds.

    Raises:
        ConfigInvalid: It is not a number, or out of range.
    """

    period_ms: int

    def __init__(self, seconds: float | timedelta) -> None:
        value = seconds.total_seconds() if isinstance(seconds, timedelta) else seconds
        if type(value) not in (int, float) or not 1 <= value <= 3660 * 86400:
            raise ConfigInvalid(
                f"every={seconds!r:.80} is not a number of seconds from 1 to 3660 days; "
                "let the task itself loop for work that is more frequent"
            )
        object.__setattr__(self, "period_ms", round(value * 1000))

    def next_after_ms(self, ms: int, anchor_ms: int) -> int:
        """Return the first of anchor, anchor + period, ... after an instant, in ms since 1970."""
        return anchor_ms + max(0, (ms - anchor_ms) // self.period_ms + 1) * self.period_ms


def zone_of(tz: str) -> ZoneInfo:
    """Return the zone of a name.

    Raises:
        ConfigInvalid: There is none of that name, or it is another one on each host.
    """
    try:
        if tz == "localtime":
            raise LookupError("another zone on each host")
        return ZoneInfo(tz)
    except (LookupError, ValueError, TypeError, AttributeError, OSError) as error:
        raise ConfigInvalid(
            f"tz {tz!r:.80} is not in the IANA zone database; give a name such as "
            "'Europe/Berlin', and install the package tzdata where the host has no zones"
        ) from error


def _parse(expression: str) -> croniter:
    text = expression.lower() if isinstance(expression, str) else ""
    fields = text.split()
    if len(fields) == 1 and fields[0] in _ALIASES:
        return croniter(fields[0], _YEAR_2000)
    if len(fields) not in (5, 6) or len(text) > 256:
        raise ConfigInvalid(
            f"cron {expression!r:.80} has {len(fields)} fields in {len(text)} characters; give 5 "
            "(minute hour day-of-month month day-of-week), 6 with the second first, or one of "
            f"{', '.join(_ALIASES)}, in up to 256 characters"
        )
    for name, value in zip(_FIELDS[-len(fields) :], fields, strict=True):
        try:
            if not _FIELD.fullmatch(value):
                raise ValueError("not in the accepted syntax")
            alone = " ".join(value if name == other else "*" for other in _FIELDS)
            croniter.expand(alone, second_at_beginning=True)
        except ValueError as error:
            raise ConfigInvalid(
                f"cron {expression!r}: {name} {value!r} is out of range or not understood; give "
                "numbers, names, *, a-b, */n, a-b/n, or a list of these"
            ) from error
    return croniter(" ".join(fields), _YEAR_2000, second_at_beginning=True)


def _epoch_ms(instant: datetime) -> int:
    if instant.utcoffset() is None:
        raise ConfigInvalid(f"{instant!r} has no zone; use for instance datetime.now(timezone.utc)")
    return (instant - _EPOCH) // timedelta(milliseconds=1)


def _offset(local: datetime) -> int:
    return (local.utcoffset() or timedelta()) // timedelta(seconds=1)
