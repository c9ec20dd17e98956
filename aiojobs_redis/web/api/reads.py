"""Dead letters, events and the record of actions over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from aiojobs_redis.errors import ConfigInvalid
from aiojobs_redis.job import JobState
from aiojobs_redis.web import actions
from aiojobs_redis.web.actions import Done
from aiojobs_redis.web.api.jobs import JobList
from aiojobs_redis.web.api.operation import Operation
from aiojobs_redis.web.api.parameters import Instant, Limit, Many, Name, Of, Offset, Text
from aiojobs_redis.web.api.validation import Invalid
from aiojobs_redis.web.api.views import (
    ActionView,
    EventView,
    action_view,
    event_view,
    job_summary,
)
from aiojobs_redis.web.state import caller_of, queue_of

if TYPE_CHECKING:
    from starlette.requests import Request


__all__ = ["operations"]


class Letters(Of):
    """Which dead letters are wanted."""

    task: Name | None = None
    error: Text | None = None
    offset: Offset = 0
    limit: Limit = 50


class Replayed(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Which ended jobs are to run again; all dead ones where nothing is said."""

    task: Name | None = None
    error: Text | None = None
    state: actions.Replayable = "dead"
    before: Instant | None = None
    limit: Many | None = None


class Since(Of):
    """From which event on, and how many; types are separated by commas."""

    since: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    types: Annotated[str, msgspec.Meta(max_length=400)] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100


class EventList(msgspec.Struct):
    """Events, oldest first; the id of the last one is the ``since`` of what follows."""

    events: list[EventView]


class Before(Of):
    """Of actions, those before the one of that id; the newest where nothing is said."""

    before: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100


class ActionList(msgspec.Struct):
    """What people did, the newest first."""

    actions: list[ActionView]


async def list_dead(request: Request, query: Letters, _: None) -> JobList:
    """Return dead letters."""
    found = await queue_of(request, query.queue).find_jobs(
        JobState.DEAD,
        task=query.task,
        error=query.error,
        offset=query.offset,
        limit=query.limit,
    )
    jobs = [job_summary(info) for info in found.jobs]
    return JobList(jobs, found.searched, found.next_offset)


async def replay_dead(request: Request, query: Of, body: Replayed) -> Done:
    """Run ended jobs again."""
    return await actions.replay_all(
        caller_of(request),
        queue_of(request, query.queue),
        task=body.task,
        error=body.error,
        state=body.state,
        before=body.before,
        most=body.limit,
    )


async def list_events(request: Request, query: Since, _: None) -> EventList:
    """Return events."""
    queue = queue_of(request, query.queue)
    types: Any = query.types.split(",") if query.types is not None else None
    try:
        events = await queue.recent_events(query.limit, query.since, types)
    except ConfigInvalid as error:
        field = "since" if str(error).startswith("since") else "types"
        raise Invalid(str(error), field) from None
    return EventList([event_view(event) for event in events])


async def list_actions(request: Request, query: Before, _: None) -> ActionList:
    """Return what people did."""
    queue = queue_of(request, query.queue)
    try:
        records = await queue.actions(query.limit, query.before)
    except ConfigInvalid as error:
        raise Invalid(str(error), "before") from None
    return ActionList([action_view(record) for record in records])


def _list(name: str, summary: str, handler: Any, returns: Any, query: Any = Of) -> Operation:
    return Operation(
        method="GET",
        path=f"/api/{name}",
        summary=summary,
        handler=handler,
        returns=returns,
        query=query,
        errors=(404, 422),
    )


operations: list[Operation] = [
    _list("dead", "List dead letters, the longest dead first.", list_dead, JobList, Letters),
    Operation(
        method="POST",
        path="/api/dead/replay_all",
        summary="Run ended jobs again, dead letters by default.",
        handler=replay_dead,
        returns=Done,
        query=Of,
        body=Replayed,
        optional=True,
        action="replay_all",
        errors=(404, 415, 422),
    ),
    _list("events", "Read a page of events.", list_events, EventList, Since),
    _list("actions", "Read what people did, the newest first.", list_actions, ActionList, Before),
]
