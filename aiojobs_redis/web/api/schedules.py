"""Schedules over HTTP."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from aiojobs_redis.web import actions
from aiojobs_redis.web.actions import Done
from aiojobs_redis.web.api.operation import Operation
from aiojobs_redis.web.api.page import Part, part_of
from aiojobs_redis.web.api.parameters import Name, OfOne, id_of
from aiojobs_redis.web.state import ScheduleNotFound, caller_of, queue_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request


__all__ = ["operations"]

_Time = datetime.datetime


class ScheduleView(msgspec.Struct):
    """A schedule and its state."""

    id: str
    expression: str
    tz: str
    task: str
    next_at: _Time | None
    last_at: _Time | None
    last_job: str | None
    enabled: bool
    runs: int
    missed: int
    declared: bool


class ScheduleList(msgspec.Struct):
    """Schedules of a queue, in order of their ids."""

    schedules: list[ScheduleView]
    next_offset: int | None


class Schedules(Part):
    """Which schedules are wanted."""

    queue: Name | None = None


async def list_schedules(request: Request, query: Schedules, _: None) -> ScheduleList:
    """Return schedules."""
    names = ScheduleView.__struct_fields__
    found, rest = part_of(await queue_of(request, query.queue).schedules(), query)
    shown = [ScheduleView(*(getattr(one, name) for name in names)) for one in found]
    return ScheduleList(shown, rest)


async def trigger_schedule(request: Request, query: OfOne, _: None) -> Done:
    """Make a job now."""
    return await _do(actions.trigger_schedule, request, query)


async def pause_schedule(request: Request, query: OfOne, _: None) -> Done:
    """Stop the ticks."""
    return await _do(actions.pause_schedule, request, query)


async def resume_schedule(request: Request, query: OfOne, _: None) -> Done:
    """Let it go on."""
    return await _do(actions.resume_schedule, request, query)


async def remove_schedule(request: Request, query: OfOne, _: None) -> Done:
    """Remove it."""
    return await _do(actions.remove_schedule, request, query)


async def _do(
    action: Callable[[Any, Any, str], Awaitable[Done]], request: Request, query: OfOne
) -> Done:
    queue, id = queue_of(request, query.queue), id_of(request, query)
    done = await action(caller_of(request), queue, id)
    if not done.changed:
        raise ScheduleNotFound(f"there is no schedule {id!r:.300} in queue {queue.name}")
    return done


def _change(word: str, summary: str, handler: Any) -> Operation:
    return Operation(
        method="POST",
        path=f"/api/schedules/{{id}}/{word}",
        summary=summary,
        handler=handler,
        returns=Done,
        query=OfOne,
        action=f"{word}_schedule",
        errors=(404, 409, 413, 422),
    )


operations: list[Operation] = [
    Operation(
        method="GET",
        path="/api/schedules",
        summary="List the schedules of a queue.",
        handler=list_schedules,
        returns=ScheduleList,
        query=Schedules,
        errors=(404, 422),
    ),
    _change("trigger", "Make a job of a schedule now, beside its ticks.", trigger_schedule),
    _change("pause", "Stop the ticks of a schedule.", pause_schedule),
    _change("resume", "Let a schedule go on with its next tick.", resume_schedule),
    _change("remove", "Remove a schedule; the jobs that it has made stay.", remove_schedule),
]
