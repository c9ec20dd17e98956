"""What the API gives: the records of a queue in the form of its document."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from aiojobs_redis.events import EmittedEvent
from aiojobs_redis.job import JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiojobs_redis.audit import ActionRecord
    from aiojobs_redis.events import Event
    from aiojobs_redis.job import JobInfo

__all__ = [
    "Accepted",
    "ActionView",
    "ErrorView",
    "EventView",
    "JobSummary",
    "JobView",
    "ProgressView",
    "action_view",
    "event_view",
    "job_summary",
    "job_view",
    "plain",
]

_Time = datetime.datetime


class Accepted(msgspec.Struct):
    """A job that was added, or was there already.

    Attributes:
        id: Its id.
        created: Whether it is a new one.
        location: Where its record is.
    """

    id: str
    created: bool
    location: str


class ProgressView(msgspec.Struct):
    """How far a job said it is."""

    done: float
    total: float | None
    note: Any
    at: _Time
    attempt: int


class ErrorView(msgspec.Struct):
    """A recorded error of a job."""

    type: str
    message: str
    traceback: str
    at: _Time
    attempt: int


class JobSummary(msgspec.Struct, kw_only=True):
    """A job in a list; its record has the rest.

    Attributes:
        error: Type of its last error.
    """

    id: str
    task: str
    queue: str
    state: JobState
    priority: int
    attempt: int
    attempts: int | None
    key: str | None
    worker: str | None
    enqueued_at: _Time
    run_at: _Time
    started_at: _Time | None
    finished_at: _Time | None
    error: str | None


class JobView(JobSummary, kw_only=True):
    """The record of a job.

    Attributes:
        headers: With secret ones hidden.
        result: What its task returned, where it has completed and that is kept.
    """

    args: list[Any]
    kwargs: dict[str, Any]
    headers: dict[str, str]
    lost_deliveries: int
    generation: int
    progress: ProgressView | None
    errors: list[ErrorView]
    result: Any


class EventView(msgspec.Struct):
    """Something that happened in a queue.

    Attributes:
        data: Of ``emitted``: its ``name`` and ``data``; of others what there is beside the rest.
    """

    id: str
    type: str
    job: str | None
    task: str | None
    at: _Time
    worker: str | None
    data: dict[str, Any]


class ActionView(msgspec.Struct):
    """Something that somebody did to a queue."""

    id: str
    at: _Time
    who: str
    action: str
    job: str | None
    details: dict[str, Any]
    outcome: str | None


def plain(value: Any) -> Any:
    """Return a value in a form that JSON has: what has none stands as its ``repr``."""
    try:
        return msgspec.json.decode(msgspec.json.encode(value, enc_hook=repr))
    except (TypeError, ValueError, RecursionError):
        return repr(value)[:1000]


def _summary(info: JobInfo) -> dict[str, Any]:
    fields: dict[str, Any] = {
        name: getattr(info, name) for name in JobSummary.__struct_fields__ if name != "error"
    }
    return fields | {"error": info.errors[-1].type if info.errors else None}


def job_summary(info: JobInfo) -> JobSummary:
    """Return a job as it stands in a list."""
    return JobSummary(**_summary(info))


def job_view(
    info: JobInfo, result: Any, shown: Callable[[Mapping[str, str]], dict[str, str]]
) -> JobView:
    """Return the record of a job.

    Args:
        info: The record.
        result: What its task returned.
        shown: Hides what is secret of its headers.
    """
    at = info.progress
    progress = None
    if at is not None:
        progress = ProgressView(at.done, at.total, plain(at.note), at.at, at.attempt)
    return JobView(
        **_summary(info),
        args=[plain(value) for value in info.args],
        kwargs={name: plain(value) for name, value in info.kwargs.items()},
        headers=shown(info.headers),
        lost_deliveries=info.lost_deliveries,
        generation=info.generation,
        progress=progress,
        errors=[ErrorView(e.type, e.message, e.traceback, e.at, e.attempt) for e in info.errors],
        result=plain(result),
    )


def event_view(event: Event) -> EventView:
    """Return an event as the document has it."""
    if isinstance(event, EmittedEvent):
        data = {"name": event.name, "data": plain(event.data)}
    else:
        data = dict(event.data)
    return EventView(event.id, event.type, event.job, event.task, event.at, event.worker, data)


def action_view(record: ActionRecord) -> ActionView:
    """Return a record of an action as the document has it."""
    return ActionView(
        record.id,
        record.at,
        record.who,
        record.action,
        record.job,
        dict(record.details),
        record.outcome,
    )
