"""The HTTP API: its operations, their routes, and the document that describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from aiojobs_redis.web.api import health, jobs, queues, reads, schedules, workers
from aiojobs_redis.web.api.openapi import document
from aiojobs_redis.web.api.operation import Operation
from aiojobs_redis.web.state import queues_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

__all__ = ["OPERATIONS", "routes"]


async def get_openapi(request: Request, *_: Any) -> dict[str, Any]:
    """Return the document."""
    return document(OPERATIONS, queues_of(request), quote(request.scope.get("root_path", "")))


OPERATIONS = [
    *health.operations,
    *queues.operations,
    *jobs.operations,
    *schedules.operations,
    *workers.operations,
    *reads.operations,
    Operation(
        method="GET",
        path="/api/openapi.json",
        summary="Read this document.",
        handler=get_openapi,
        returns=dict[str, Any],
        errors=(422,),
    ),
]
"""All of them, in the order in which their routes are tried."""

routes: list[BaseRoute] = [one.route() for one in OPERATIONS]
