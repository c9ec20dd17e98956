"""One job: its life, its arguments, its errors, what it left, and the flow it is in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aiojobs_redis.errors import AiojobsError, JobNotFound
from aiojobs_redis.job import JobState
from aiojobs_redis.options import check_id
from aiojobs_redis.web.pages.gather import chosen
from aiojobs_redis.web.pages.render import render
from aiojobs_redis.web.pages.values import read_payload
from aiojobs_redis.web.secret import shown_headers
from aiojobs_redis.web.traces import trace_id_of, trace_link

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from starlette.requests import Request
    from starlette.responses import Response

    from aiojobs_redis.handle import Job
    from aiojobs_redis.job import JobInfo
    from aiojobs_redis.tree import FlowTree
    from aiojobs_redis.web.pages.values import Payload

__all__ = ["ACTIONS", "job_page"]

ACTIONS: Final = {
    JobState.SCHEDULED: ("promote", "reschedule", "reprioritise", "cancel", "remove"),
    JobState.QUEUED: ("reprioritise", "cancel", "remove"),
    JobState.BLOCKED: ("cancel", "remove"),
    JobState.RUNNING: ("cancel",),
    JobState.RETRYING: ("promote", "reschedule", "reprioritise", "cancel", "remove"),
    JobState.COMPLETED: ("retry", "enqueue", "remove"),
    JobState.DEAD: ("retry", "enqueue", "remove"),
    JobState.CANCELLED: ("retry", "enqueue", "remove"),
}
"""What can be done with a job of a state."""

_LINES = 200
_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class Step:
    """A point in the life of a job."""

    kind: str
    title: str
    at: datetime | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Relative:
    """A job of its flow, in a line."""

    node: FlowTree
    depth: int
    side: str
    again: bool


async def job_page(request: Request) -> Response:
    """Show a job."""
    [queue] = chosen(request, request.path_params["queue"])
    job = queue.job(check_id("id", request.query_params.get("id", "")))
    info = await job.info()
    if info is None:
        raise JobNotFound(
            f"there is no record of job {job.id} in queue {queue.name}: it never was here, was "
            "removed, or its retention ended."
        )
    result, without = await _result(job, info)
    headers = shown_headers(request, info.headers)
    trace_id = trace_id_of(headers)
    return render(
        request,
        "job.html",
        here="jobs",
        info=info,
        actions=ACTIONS[info.state],
        timeline=timeline(info),
        arguments=read_payload(_call(info)),
        result=result,
        without=without,
        headers=headers,
        trace_id=trace_id,
        trace_url=trace_link(request.app.state.trace_url, trace_id),
        logs=await _or(job.logs(_LINES), []),
        lines=_LINES,
        steps=_some(await _or(job.steps(), {})),
        saved=_some(await _or(job.saved_state(), {})),
        relatives=relatives(await job.tree()),
    )


def timeline(info: JobInfo) -> list[Step]:
    """Return the life of a job, as far as its record tells."""
    steps = [Step("enqueued", "Enqueued", info.enqueued_at)]
    if info.run_at > info.enqueued_at and not info.errors:
        steps.append(Step("scheduled", "To run at", info.run_at))
    steps += [
        Step("retrying", f"Attempt {error.attempt} failed", error.at, error.type)
        for error in info.errors
    ]
    if info.started_at is not None:
        title = "Last attempt started" if info.attempt > 1 else "Started"
        steps.append(Step("running", title, info.started_at, info.worker or ""))
    steps.sort(key=lambda step: step.at or info.enqueued_at)
    if info.state is JobState.RETRYING:
        steps.append(Step("scheduled", f"Attempt {info.attempt} is due", info.run_at))
    if info.finished_at is not None:
        steps.append(Step(info.state.value, info.state.value.capitalize(), info.finished_at))
    return steps


def relatives(tree: FlowTree) -> list[Relative]:
    """Return the jobs around one, above and below it; nothing where it is by itself."""
    if not tree.parents and not tree.dependents:
        return []
    above = list(_side(tree, "parents", 1, {id(tree)}))
    below = list(_side(tree, "dependents", 1, {id(tree)}))
    return [*above[::-1], Relative(tree, 0, "self", again=False), *below]


def _side(node: FlowTree, side: str, depth: int, seen: set[int]) -> Iterator[Relative]:
    near: list[FlowTree] = getattr(node, side)
    for other in near:
        again = id(other) in seen
        seen.add(id(other))
        yield Relative(other, min(depth, _DEEPEST), side, again)
        if not again:
            yield from _side(other, side, depth + 1, seen)


def _call(info: JobInfo) -> Any:
    if not info.kwargs:
        return info.args
    return {"args": info.args, "kwargs": info.kwargs} if info.args else info.kwargs


async def _result(job: Job[Any], info: JobInfo) -> tuple[Payload | None, str]:
    """Return the result, or why there is none to show."""
    if info.state is not JobState.COMPLETED:
        return None, ""
    try:
        return read_payload(await job.result(timeout=1)), ""
    except (AiojobsError, TimeoutError) as error:
        return None, str(error)


async def _or(reading: Any, otherwise: Any) -> Any:
    """Return what is read of a job; something else where it has gone meanwhile, or is damaged."""
    try:
        return await reading
    except (JobNotFound, ValueError):
        return otherwise


def _some(found: dict[str, Any]) -> Payload | None:
    return read_payload(found) if found else None
