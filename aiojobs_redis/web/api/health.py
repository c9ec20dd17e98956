"""Probes: whether the application lives, and whether its queues are well by thresholds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from aiojobs_redis.web.api.operation import NoQuery, Operation, json_response
from aiojobs_redis.web.rights import Forbidden
from aiojobs_redis.web.state import queues_of

if TYPE_CHECKING:
    from starlette.requests import Request

__all__ = ["operations"]

_Whole = Annotated[int, msgspec.Meta(ge=0, le=2**52)]


class Thresholds(msgspec.Struct, forbid_unknown_fields=True):
    """What is still well, of each queue: queued jobs, seconds of the oldest, dead letters."""

    max_depth: _Whole = 10_000
    max_oldest: Annotated[float, msgspec.Meta(ge=0, le=3_162_240_000)] = 3600
    max_dead: _Whole | None = None


class Alive(msgspec.Struct):
    """That the application answers."""

    ok: bool


class Ready(msgspec.Struct, omit_defaults=True):
    """Whether all queues are well.

    Attributes:
        ok: Whether they are.
        problems: What is wrong with which queue; told to those who may look.
    """

    ok: bool
    problems: dict[str, list[str]] = {}


async def live(*_: Any) -> Alive:
    """Answer."""
    return Alive(ok=True)


async def ready(request: Request, query: Thresholds, _: None) -> Any:
    """Ask the queues."""
    known = request.state.caller is not None
    if not known and request.query_params:
        # By trying thresholds, anybody could find out how many jobs there are.
        raise Forbidden("thresholds are for those who may look: send a token, or leave them out")
    queues = queues_of(request)
    found = await asyncio.gather(
        *(
            queue.health(query.max_depth, query.max_oldest, query.max_dead)
            for queue in queues.values()
        )
    )
    judged = zip(queues, found, strict=True)
    problems = {name: list(health.problems) for name, health in judged if not health.ok}
    return json_response(Ready(not problems, problems if known else {}), 503 if problems else 200)


operations: list[Operation] = [
    Operation(
        method="GET",
        path="/health/live",
        summary="Say that the application answers.",
        handler=live,
        returns=Alive,
        query=NoQuery,
        errors=(422,),
        open=True,
    ),
    Operation(
        method="GET",
        path="/health/ready",
        summary="Say whether all queues are well: 200, or 503.",
        handler=ready,
        returns=Ready,
        query=Thresholds,
        errors=(403, 422),
        also=(503,),
        open=True,
    ),
]
