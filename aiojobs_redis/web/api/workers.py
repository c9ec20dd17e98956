"""Workers over HTTP: who there is, and what is asked of them."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from aiojobs_redis.web import actions
from aiojobs_redis.web.actions import Done
from aiojobs_redis.web.api.operation import Operation
from aiojobs_redis.web.api.page import Part, part_of
from aiojobs_redis.web.api.parameters import Name, Of
from aiojobs_redis.web.state import caller_of, queue_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request


__all__ = ["operations"]

_Time = datetime.datetime


class WorkerView(msgspec.Struct):
    """A worker, as of its last beat.

    Attributes:
        id: Its name.
        host: Where it runs.
        pid: Its process id there.
        version: Of the application.
        started_at: By its own clock.
        heartbeat_at: When it was last seen.
        concurrency: Jobs at once.
        running: Jobs of this queue now.
        tasks: Those that it knows.
        state: ``running``, ``quiet`` or ``stopping``.
        asked: What was asked of it and not obeyed yet: ``quiet``, ``resume``, ``stop`` or null.
    """

    id: str
    host: str
    pid: int
    version: str
    started_at: _Time
    heartbeat_at: _Time
    concurrency: int
    running: int
    tasks: tuple[str, ...]
    state: str
    asked: str | None


class WorkerList(msgspec.Struct):
    """Workers that were seen in the last minute."""

    workers: list[WorkerView]
    next_offset: int | None


class Workers(Part):
    """Which workers are wanted."""

    queue: Name | None = None


async def list_workers(request: Request, query: Workers, _: None) -> WorkerList:
    """Return workers."""
    names = WorkerView.__struct_fields__
    found, rest = part_of(await queue_of(request, query.queue).workers(), query)
    return WorkerList([WorkerView(*(getattr(one, name) for name in names)) for one in found], rest)


async def quiet_worker(request: Request, query: Of, _: None) -> Done:
    """Let it claim no more."""
    return await _ask(actions.quiet_worker, request, query)


async def resume_worker(request: Request, query: Of, _: None) -> Done:
    """Let it claim again."""
    return await _ask(actions.resume_worker, request, query)


async def stop_worker(request: Request, query: Of, _: None) -> Done:
    """Let it end."""
    return await _ask(actions.stop_worker, request, query)


async def _ask(
    action: Callable[[Any, Any, str], Awaitable[Done]], request: Request, query: Of
) -> Done:
    queue = queue_of(request, query.queue)
    return await action(caller_of(request), queue, request.path_params["id"])


def _word(word: str, summary: str, handler: Any) -> Operation:
    return Operation(
        method="POST",
        path=f"/api/workers/{{id}}/{word}",
        summary=summary,
        handler=handler,
        returns=Done,
        query=Of,
        action=f"{word}_worker",
        errors=(404, 413, 422),
    )


operations: list[Operation] = [
    Operation(
        method="GET",
        path="/api/workers",
        summary="List the workers of a queue.",
        handler=list_workers,
        returns=WorkerList,
        query=Workers,
        errors=(404, 422),
    ),
    _word("quiet", "Let a worker claim no more jobs, and finish those that it has.", quiet_worker),
    _word("resume", "Let a worker that is quiet claim jobs again.", resume_worker),
    _word("stop", "Let a worker end: running jobs have its grace.", stop_worker),
]
