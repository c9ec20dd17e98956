"""Jobs over HTTP: add one, list them, look at one, change one."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from aiojobs_redis.errors import AiojobsError, JobNotFound, QueueUnavailable
from aiojobs_redis.job import JobState
from aiojobs_redis.web import actions
from aiojobs_redis.web.actions import Done
from aiojobs_redis.web.api.operation import Operation, json_response
from aiojobs_redis.web.api.options import Options
from aiojobs_redis.web.api.parameters import (
    Instant,
    Limit,
    Name,
    Of,
    Offset,
    OfOne,
    id_of,
    place_of,
)
from aiojobs_redis.web.api.submit import call_of
from aiojobs_redis.web.api.views import (
    Accepted,
    JobSummary,
    JobView,
    job_summary,
    job_view,
)
from aiojobs_redis.web.secret import shown_headers
from aiojobs_redis.web.state import caller_of, queue_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from aiojobs_redis.job import JobInfo
    from aiojobs_redis.queue import Queue

__all__ = ["JobList", "operations"]


class NewJob(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A job to add."""

    task: Name
    queue: Name | None = None
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    options: Options = msgspec.field(default_factory=Options)


class Listed(Of):
    """Which jobs are wanted; without a state those that are queued."""

    state: JobState = JobState.QUEUED
    task: Name | None = None
    offset: Offset = 0
    limit: Limit = 50


class JobList(msgspec.Struct):
    """One page of jobs.

    Attributes:
        jobs: Those that match.
        searched: How many were looked at.
        next_offset: Where to go on; null when there are no more.
    """

    jobs: list[JobSummary]
    searched: int
    next_offset: int | None


class Reason(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Why a job is cancelled."""

    reason: Annotated[str, msgspec.Meta(max_length=4096)] | None = None


class NewTime(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """When a job is to run: seconds from now, or an instant."""

    delay: Annotated[float, msgspec.Meta(ge=0, le=3_162_240_000)] | None = None
    at: Instant | None = None


class NewPriority(msgspec.Struct, forbid_unknown_fields=True):
    """The priority that a job is to have."""

    priority: Annotated[int, msgspec.Meta(ge=-1024, le=1023)]


class LogView(msgspec.Struct):
    """One entry of the log of a job."""

    at: datetime.datetime
    attempt: int
    text: str


class LogList(msgspec.Struct):
    """The log of a job, oldest entry first."""

    lines: list[LogView]


class _Last(OfOne):
    """How many of the last entries."""

    last: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 1000


async def add_job(request: Request, _: Any, body: NewJob) -> Any:
    """Add a job."""
    queue = queue_of(request, body.queue)
    done = await actions.enqueue(caller_of(request), queue, await call_of(queue, body))
    location = place_of(request, queue.name, done.id or "")
    response = json_response(Accepted(done.id or "", done.changed, location), 202)
    response.headers["Location"] = location
    return response


async def list_jobs(request: Request, query: Listed, _: None) -> JobList:
    """Return a page of jobs."""
    found = await queue_of(request, query.queue).find_jobs(
        query.state, task=query.task, offset=query.offset, limit=query.limit
    )
    jobs = [job_summary(info) for info in found.jobs]
    return JobList(jobs, found.searched, found.next_offset)


async def get_job(request: Request, query: OfOne, _: None) -> JobView:
    """Return the record of a job."""
    queue = queue_of(request, query.queue)
    id = id_of(request, query)
    info = await queue.job(id).info()
    if info is None:
        raise JobNotFound(
            f"there is no record of job {id!r:.300} in queue {queue.name}: it never was enqueued "
            "here, was removed, or its retention ended"
        )
    result = await _result(queue, info) if info.state is JobState.COMPLETED else None
    return job_view(info, result, lambda headers: shown_headers(request, headers))


async def _result(queue: Queue, info: JobInfo) -> Any:
    try:
        return await queue.job(info.id).result(0)
    except QueueUnavailable:
        raise
    except (AiojobsError, TimeoutError):
        # It was too large to be kept, cannot be read, or the job has gone or runs again.
        return None


async def get_log(request: Request, query: _Last, _: None) -> LogList:
    """Return the log of a job."""
    job = queue_of(request, query.queue).job(id_of(request, query))
    lines = await job.logs(query.last)
    return LogList([LogView(line.at, line.attempt, line.text) for line in lines])


async def retry_job(request: Request, query: OfOne, _: None) -> Done:
    """Run a finished job again."""
    return await actions.retry(*_target(request, query))


async def cancel_job(request: Request, query: OfOne, body: Reason) -> Done:
    """Cancel a job."""
    return await actions.cancel(*_target(request, query), body.reason)


async def promote_job(request: Request, query: OfOne, _: None) -> Done:
    """Let a job run now."""
    return await actions.promote(*_target(request, query))


async def remove_job(request: Request, query: OfOne, _: None) -> Done:
    """Forget a job."""
    return await actions.remove(*_target(request, query))


async def reschedule_job(request: Request, query: OfOne, body: NewTime) -> Done:
    """Give a job another time."""
    return await actions.reschedule(*_target(request, query), delay=body.delay, at=body.at)


async def reprioritise_job(request: Request, query: OfOne, body: NewPriority) -> Done:
    """Give a job another priority."""
    return await actions.reprioritise(*_target(request, query), body.priority)


def _target(request: Request, query: OfOne) -> tuple[Any, Any, str]:
    return caller_of(request), queue_of(request, query.queue), id_of(request, query)


def _change(
    name: str, summary: str, handler: Any, body: type[msgspec.Struct] | None = None, **more: Any
) -> Operation:
    return Operation(
        method="POST",
        path=f"/api/jobs/{{id}}/{name}",
        summary=summary,
        handler=handler,
        returns=Done,
        query=OfOne,
        body=body,
        action=name,
        errors=(404, 409, 422),
        **more,
    )


operations: list[Operation] = [
    Operation(
        method="POST",
        path="/api/jobs",
        summary="Add a job; an id or unique key that is taken adds none.",
        handler=add_job,
        returns=Accepted,
        status=202,
        body=NewJob,
        action="enqueue",
        errors=(404, 409, 413, 415, 422, 429),
    ),
    Operation(
        method="GET",
        path="/api/jobs",
        summary="List the jobs of a state in the order of its index, 2,000 looked at, at most.",
        handler=list_jobs,
        returns=JobList,
        query=Listed,
        errors=(404, 422),
    ),
    _change("retry", "Run a finished job again: same id, fresh attempts, history kept.", retry_job),
    _change("cancel", "Cancel a job, also one that runs.", cancel_job, Reason, optional=True),
    _change("promote", "Let a scheduled or retrying job run now.", promote_job),
    _change("remove", "Forget a job that waits or has finished.", remove_job),
    _change(
        "reschedule", "Give a job another time that waits for its own.", reschedule_job, NewTime
    ),
    _change("reprioritise", "Give a waiting job a priority.", reprioritise_job, NewPriority),
    Operation(
        method="GET",
        path="/api/jobs/{id}/log",
        summary="Read the log of a job.",
        handler=get_log,
        returns=LogList,
        query=_Last,
        errors=(404, 409, 422),
    ),
    Operation(
        method="GET",
        path="/api/jobs/{id}",
        summary="Read the record of a job.",
        handler=get_job,
        returns=JobView,
        query=OfOne,
        errors=(404, 422),
    ),
]
