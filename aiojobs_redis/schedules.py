"""Builds the definition of a schedule out of what users give, checked before any I/O."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, TypedDict, get_args

from aiojobs_redis.cron import Cron, Every, zone_of
from aiojobs_redis.duration import instant_ms, to_ms
from aiojobs_redis.errors import ConfigInvalid
from aiojobs_redis.given import named
from aiojobs_redis.options import check_id, option_names
from aiojobs_redis.schedule import Missed, Overlap, Schedule

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime, timedelta

__all__ = ["ScheduleFields", "build_cron", "build_schedule", "check_fields", "check_schedule_id"]

_LONGEST_ID = 200


class ScheduleFields(TypedDict, total=False):
    """What says when a schedule ticks, beside its expression."""

    tz: str
    start: datetime | None
    end: datetime | None
    limit: int | None
    missed: Missed
    missed_window: float | timedelta
    overlap: Overlap


def check_schedule_id(value: str) -> str:
    """Return a schedule's id: up to 200 bytes, since its jobs are named after it and their tick.

    Raises:
        ConfigInvalid: Any other.
    """
    if len(check_id("schedule id", value).encode()) > _LONGEST_ID:
        raise ConfigInvalid(
            f"schedule id must be at most {_LONGEST_ID} bytes in UTF-8, got {value!r:.80}"
        )
    return value


def check_fields(method: str, fields: Mapping[str, object], more: Collection[str] = ()) -> None:
    """See that every field of a schedule is one.

    Args:
        method: The method of the queue that was given them.
        fields: What was given, by name.
        more: Other keywords that the method takes.

    Raises:
        ConfigInvalid: One is none; where it is an option of the jobs, it says where that goes.
    """
    known = [*more, *ScheduleFields.__annotations__]
    for name in fields:
        if name in known:
            continue
        if name in option_names():
            how = (
                f"options=JobOptions({name}=...)"
                if method == "cron"
                else f"task.options({name}=...).bind(...)"
            )
            raise ConfigInvalid(
                f"{method} takes no {name}, it is an option of its jobs: give {how}"
            )
        near = difflib.get_close_matches(name, known, 1)
        raise ConfigInvalid(
            f"{method} has no parameter {name!r:.80}. "
            + (f"Did you mean {near[0]!r}? " if near else "")
            + f"It takes {', '.join(known)}."
        )


def build_cron(expression: str, fields: ScheduleFields) -> Schedule:
    """Return the definition of a declared schedule, but for its task.

    Raises:
        ConfigInvalid: As for `build_schedule`; or the expression is the function itself.
    """
    if callable(expression):
        raise ConfigInvalid(
            'cron takes an expression: write @queue.cron("0 3 * * *") above the function, '
            f"with parentheses, got {named(expression)}"
        )
    check_fields("cron", fields, ("id", "name", "options"))
    return build_schedule(task="", spec=b"", options="", cron=expression, every=None, **fields)


def build_schedule(
    *,
    task: str,
    spec: bytes,
    options: str,
    cron: str | None,
    every: float | timedelta | None,
    tz: str = "UTC",
    start: datetime | None = None,
    end: datetime | None = None,
    limit: int | None = None,
    missed: Missed = "last",
    missed_window: float | timedelta = 3600,
    overlap: Overlap = "allow",
) -> Schedule:
    """Return the definition.

    Args:
        task: Name of the task.
        spec: Spec of its jobs.
        options: Letters of their header.
        cron: Expression of 5 fields, or 6 with the seconds first. Excludes ``every``.
        every: Seconds between two ticks, 1 at least.
        tz: IANA zone of the expression.
        start: No tick before.
        end: No tick after.
        limit: Jobs to make in all.
        missed: What becomes of ticks at which no worker was there.
        missed_window: Seconds after which a late tick is given up.
        overlap: ``skip`` gives up a tick while the job of the last one is unfinished.

    Raises:
        ConfigInvalid: An option is out of range; it names the field and the value.
    """
    if (cron is None) == (every is None):
        raise ConfigInvalid("a schedule takes either cron or every: give one of them")
    every_ms = None
    if cron is not None:
        Cron(cron, tz)
    elif every is not None:
        every_ms = Every(every).period_ms
        zone_of(tz)
    for name, value, allowed in (
        ("missed", missed, get_args(Missed)),
        ("overlap", overlap, get_args(Overlap)),
    ):
        if value not in allowed:
            raise ConfigInvalid(f"{name} must be one of {', '.join(allowed)}, got {value!r:.80}")
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
        raise ConfigInvalid(f"limit must be a whole number from 1, got {limit!r:.80}")
    start_ms = None if start is None else instant_ms("start", start)
    end_ms = None if end is None else instant_ms("end", end)
    if start_ms is not None and end_ms is not None and end_ms <= start_ms:
        raise ConfigInvalid(f"end must be after start, got start={start} and end={end}")
    return Schedule(
        task=task,
        spec=spec,
        options=options,
        cron=cron,
        every_ms=every_ms,
        tz=tz,
        start_ms=start_ms,
        end_ms=end_ms,
        limit=limit,
        missed=missed,
        window_ms=to_ms("missed_window", missed_window),
        overlap=overlap,
    )
