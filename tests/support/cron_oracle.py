"""When a cron expression runs, worked out another way than the package does: an oracle for it.

A zone is cut into spans of one offset, found by looking at each hour. Every reading of the clock
that fits is then turned into instants by trying the spans, without ``fold`` and without croniter.
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

__all__ = ["Span", "runs", "spans"]

_HOUR = 3600
_DAY = 86_400
_EPOCH = date(1970, 1, 1)
_WEEKDAYS = {"SUN": 0, "MON": 1, "TUE": 2, "WED": 3, "THU": 4, "FRI": 5, "SAT": 6}


class Span(NamedTuple):
    """Seconds since 1970, from ``start`` up to ``end``, with one offset."""

    start: int
    end: int
    offset: int


def spans(zone: str, start: int, end: int) -> list[Span]:
    """Return the spans of a zone between two instants."""
    tz = ZoneInfo(zone)

    def offset(at: int) -> int:
        found = datetime.fromtimestamp(at, UTC).astimezone(tz).utcoffset()
        assert found is not None
        return found // timedelta(seconds=1)

    found: list[Span] = []
    since, before = start, offset(start)
    for hour in range(start, end, _HOUR):
        after = offset(hour + _HOUR)
        if after != before:
            inside = range(hour, hour + _HOUR + 1)
            turn = inside[bisect_left([offset(at) == after for at in inside], True)]
            found.append(Span(since, turn, before))
            since, before = turn, after
    return [*found, Span(since, end, before)]


def runs(expression: str, zone: list[Span]) -> list[int]:
    """Return the runs of a five-field expression, but for the first and the last two days."""
    minutes, hours, days, months, weekdays = expression.split()
    of_day = not minutes.startswith("*") and not hours.startswith("*")
    start, end = zone[0].start + 2 * _DAY, zone[-1].end - 2 * _DAY
    found: set[int] = set()
    for number in range(start // _DAY - 2, end // _DAY + 3):
        day = _EPOCH + timedelta(days=number)
        if not _day_fits(day, days, months, weekdays):
            continue
        for hour in _values(hours, 0, 23):
            for minute in _values(minutes, 0, 59):
                wall = number * _DAY + hour * _HOUR + minute * 60
                at = [wall - span.offset for span in zone if _covers(span, wall - span.offset)]
                found.update((at or _gap(wall, zone))[:1] if of_day else at)
    return sorted(at for at in found if start < at <= end)


def _covers(span: Span, at: int) -> bool:
    return span.start <= at < span.end


def _gap(wall: int, zone: list[Span]) -> list[int]:
    """Return when the gap ended in which the clock never read so."""
    return [
        later.start
        for earlier, later in pairwise(zone)
        if earlier.end + earlier.offset <= wall < later.start + later.offset
    ]


def _day_fits(day: date, days: str, months: str, weekdays: str) -> bool:
    if day.month not in _values(months, 1, 12):
        return False
    last = (day + timedelta(days=1)).day == 1
    of_month = last if days == "L" else day.day in _values(days, 1, 31)
    of_week = day.isoweekday() % 7 in _values(weekdays, 0, 6)
    if days == "*" or weekdays == "*":
        return of_month and of_week
    return of_month or of_week


def _values(field: str, low: int, high: int) -> set[int]:
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if span == "*":
            first, last = str(low), str(high)
        begin, end = (int(_WEEKDAYS.get(text, text)) for text in (first, last or first))
        found.update(range(begin, end + 1, int(step or 1)))
    return found
