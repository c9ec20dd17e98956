"""`/metrics`: what Prometheus takes of the queues and of this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

from aiojobs_redis.web.problems import problem
from aiojobs_redis.web.state import queues_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

__all__ = ["routes"]


async def get_metrics(request: Request) -> Response:
    """Ask the queues, a script call each; 501 where the extra ``prometheus`` is not installed."""
    try:
        from aiojobs_redis.contrib.prometheus import CONTENT_TYPE, exposition
    except ImportError as error:
        return problem(request, 501, "not installed", str(error))
    text = await exposition(queues_of(request).values())
    return Response(text, media_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"})


routes: list[BaseRoute] = [Route("/metrics", get_metrics, methods=["GET"])]
