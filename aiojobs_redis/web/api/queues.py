"""Queues over HTTP: how they are, what they counted, and what an operator does with one."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from aiojobs_redis.web import actions
from aiojobs_redis.web.actions import Done
from aiojobs_redis.web.api.operation import NoQuery, Operation
from aiojobs_redis.web.api.page import Part, part_of
from aiojobs_redis.web.api.parameters import Many, Name, Text
from aiojobs_redis.web.reached import reach
from aiojobs_redis.web.state import caller_of, queue_of, queues_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from aiojobs_redis.job import Counts
    from aiojobs_redis.queue import Queue

__all__ = ["operations"]

_Time = datetime.datetime


class CountsView(msgspec.Struct):
    """How many jobs of a queue are in each state, and its workers seen in the last 5 s."""

    queue: str
    queued: int
    scheduled: int
    blocked: int
    running: int
    retrying: int
    completed: int
    dead: int
    cancelled: int
    workers: int
    paused: bool
    oldest_seconds: float | None


class QueueAway(msgspec.Struct):
    """A queue whose server did not answer within a second, and why."""

    queue: str
    detail: str


class QueueList(msgspec.Struct):
    """The queues of the dashboard.

    Attributes:
        queues: Those that answered.
        away: The others; where none answers, that is an error.
    """

    queues: list[CountsView]
    away: list[QueueAway]


class PriorityView(msgspec.Struct):
    """The queued jobs of one priority."""

    priority: int
    queued: int
    oldest_seconds: float | None


class PriorityList(msgspec.Struct):
    """The priorities in use, the highest first."""

    priorities: list[PriorityView]


class LoadView(msgspec.Struct):
    """What there is to do, for what scales workers.

    Attributes:
        depth: Queued jobs.
        oldest_seconds: How long the oldest of them has been ready; 0 when there is none.
        running: Jobs in flight.
        pending: Both together.
        workers: Workers seen in the last 5 s.
    """

    depth: int
    oldest_seconds: float
    running: int
    pending: int
    workers: int


class Counted(msgspec.Struct):
    """What was counted of a task, or of several together."""

    enqueued: int
    completed: int
    failed: int
    dead: int
    snoozed: int
    cancelled: int
    run_seconds: float


class Minute(Counted):
    """What was counted in the minute that began then.

    Attributes:
        at: When it began.
        oldest_seconds: How long the oldest queued job had waited when a worker looked, once in that
            minute; null where none did.
    """

    at: _Time
    oldest_seconds: float | None


class MetricsView(msgspec.Struct):
    """What was counted in the last minutes, the oldest first; the last one is not over yet."""

    minutes: list[Minute]
    tasks: dict[str, Counted]
    total: Counted


class Minutes(msgspec.Struct, forbid_unknown_fields=True):
    """Of how many minutes."""

    minutes: Annotated[int, msgspec.Meta(ge=1, le=2880)] = 60


class LimitView(msgspec.Struct):
    """A limit that is in force."""

    task: str | None
    key: str | None
    concurrency: int | None
    rate: tuple[int, float] | None
    closed_until: _Time | None


class LimitList(msgspec.Struct):
    """Limits of a queue."""

    limits: list[LimitView]
    next_offset: int | None


class Scope(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A task, a key, or both; neither is the whole queue."""

    task: Name | None = None
    key: Text | None = None


class NewLimit(Scope, omit_defaults=True):
    """A limit: starts in a window of so many seconds, jobs at once, or both."""

    rate: (
        tuple[
            Annotated[int, msgspec.Meta(ge=1, le=1_000_000)],
            Annotated[float, msgspec.Meta(gt=0, le=86_400)],
        ]
        | None
    ) = None
    concurrency: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None


class Drained(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Whether also what waits for its time goes."""

    scheduled: bool = False


class Promoted(Scope, omit_defaults=True):
    """Which jobs are to run now; all that wait for their time where nothing is said."""

    limit: Many | None = None


class Cleaned(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Which jobs are removed."""

    state: actions.Removable
    older_than: Annotated[float, msgspec.Meta(ge=0, le=3_162_240_000)] = 0
    limit: Many | None = None
    task: Name | None = None
    error: Text | None = None


def _view(queue: Queue, counts: Counts) -> CountsView:
    names = CountsView.__struct_fields__[1:]
    return CountsView(queue.name, **{name: getattr(counts, name) for name in names})


async def list_queues(request: Request, *_: Any) -> QueueList:
    """Return all queues."""
    found = await reach(queues_of(request).values())
    away = [QueueAway(name, reason) for name, reason in found.away.items()]
    return QueueList([_view(*each) for each in found.there], away)


async def get_queue(request: Request, *_: Any) -> CountsView:
    """Return one queue."""
    queue = _queue(request)
    return _view(queue, await queue.counts())


async def get_priorities(request: Request, *_: Any) -> PriorityList:
    """Return the priorities in use."""
    found = await _queue(request).priorities()
    return PriorityList([PriorityView(p.priority, p.queued, p.oldest_seconds) for p in found])


async def get_load(request: Request, *_: Any) -> LoadView:
    """Return what there is to do."""
    counts = await _queue(request).counts()
    oldest, busy = counts.oldest_seconds or 0.0, counts.running
    return LoadView(counts.queued, oldest, busy, counts.queued + busy, counts.workers)


async def get_metrics(request: Request, query: Minutes, _: None) -> MetricsView:
    """Return what was counted."""
    found = await _queue(request).metrics(query.minutes)
    minutes = [
        Minute(at=minute.at, oldest_seconds=minute.oldest_seconds, **_counted(minute.total))
        for minute in found.minutes
    ]
    tasks = {name: Counted(**_counted(task)) for name, task in found.tasks.items()}
    return MetricsView(minutes, tasks, Counted(**_counted(found.total)))


def _counted(found: Any) -> dict[str, Any]:
    return {name: getattr(found, name) for name in Counted.__struct_fields__}


async def get_limits(request: Request, query: Part, _: None) -> LimitList:
    """Return limits in force."""
    names = LimitView.__struct_fields__
    found, rest = part_of(await _queue(request).limits(), query)
    return LimitList([LimitView(*(getattr(one, name) for name in names)) for one in found], rest)


async def pause_queue(request: Request, _: Any, body: Scope) -> Done:
    """Start no more jobs."""
    return await actions.pause(caller_of(request), _queue(request), task=body.task, key=body.key)


async def resume_queue(request: Request, _: Any, body: Scope) -> Done:
    """Start jobs again."""
    return await actions.resume(caller_of(request), _queue(request), task=body.task, key=body.key)


async def drain_queue(request: Request, _: Any, body: Drained) -> Done:
    """Remove what waits."""
    return await actions.drain(caller_of(request), _queue(request), scheduled=body.scheduled)


async def promote_queue(request: Request, _: Any, body: Promoted) -> Done:
    """Let jobs run now."""
    return await actions.promote_all(
        caller_of(request), _queue(request), task=body.task, key=body.key, most=body.limit
    )


async def clean_queue(request: Request, _: Any, body: Cleaned) -> Done:
    """Remove jobs of a state."""
    return await actions.clean(
        caller_of(request),
        _queue(request),
        body.state,
        older_than=body.older_than,
        most=body.limit,
        task=body.task,
        error=body.error,
    )


async def limit_queue(request: Request, _: Any, body: NewLimit) -> Done:
    """Set a limit."""
    return await actions.limit(
        caller_of(request),
        _queue(request),
        rate=body.rate,
        concurrency=body.concurrency,
        task=body.task,
        key=body.key,
    )


async def unlimit_queue(request: Request, _: Any, body: Scope) -> Done:
    """Take a limit away."""
    return await actions.unlimit(caller_of(request), _queue(request), task=body.task, key=body.key)


def _queue(request: Request) -> Queue:
    return queue_of(request, request.path_params["queue"])


def _read(
    place: str,
    summary: str,
    handler: Any,
    returns: Any,
    query: type[msgspec.Struct] = NoQuery,
) -> Operation:
    return Operation(
        method="GET",
        path=f"/api/queues/{{queue}}{place}",
        summary=summary,
        handler=handler,
        returns=returns,
        query=query,
        errors=(404, 422),
    )


def _change(action: str, summary: str, handler: Any, body: type[msgspec.Struct]) -> Operation:
    return Operation(
        method="POST",
        path=f"/api/queues/{{queue}}/{action}",
        summary=summary,
        handler=handler,
        returns=Done,
        body=body,
        optional=body not in {Cleaned, NewLimit},
        action=action,
        errors=(404, 409, 415, 422),
    )


operations: list[Operation] = [
    Operation(
        method="GET",
        path="/api/queues",
        summary="List the queues with the jobs in each state, and those that do not answer.",
        handler=list_queues,
        returns=QueueList,
        errors=(422,),
    ),
    _read("", "Read how many jobs of a queue are in each state.", get_queue, CountsView),
    _read("/priorities", "Read the queued jobs of each priority.", get_priorities, PriorityList),
    _read("/load", "Read what there is to do, for an autoscaler.", get_load, LoadView),
    _read("/metrics", "Read what was counted, by minute.", get_metrics, MetricsView, Minutes),
    _read("/limits", "Read the limits in force.", get_limits, LimitList, Part),
    _change("pause", "Start no more jobs; those that run go on.", pause_queue, Scope),
    _change("resume", "Start jobs again.", resume_queue, Scope),
    _change("drain", "Remove the jobs that wait to run.", drain_queue, Drained),
    _change("promote_all", "Let jobs run now that wait for their time.", promote_queue, Promoted),
    _change("clean", "Remove jobs of one state.", clean_queue, Cleaned),
    _change("limit", "Set a limit.", limit_queue, NewLimit),
    _change("unlimit", "Take a limit away.", unlimit_queue, Scope),
]
