"""The page that a person sees where something went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiojobs_redis.web.pages.render import render
from aiojobs_redis.web.state import queues_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from aiojobs_redis.web.problems import Problem

__all__ = ["error_page"]

_TITLES = {
    401: "Who are you?",
    403: "You may not do that",
    404: "There is nothing here",
    409: "That was not possible",
    413: "That is too large",
    422: "That was not understood",
    429: "Too fast",
    503: "Redis does not answer",
}


_OF_QUEUES = {"/jobs", "/dead", "/workers", "/schedules"}
"""Pages of one queue or of all."""


def error_page(request: Request, problem: Problem) -> Response:
    """Show what went wrong, and what to do."""
    # The server of one queue says nothing of the others; who is refused is told of none.
    known = getattr(request.state, "caller", None) is not None
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    return render(
        request,
        "error.html",
        problem.status,
        title=_TITLES.get(problem.status, "Something went wrong"),
        problem=problem,
        queues=list(queues_of(request)) if known and problem.status == 503 else [],
        path=path if path in _OF_QUEUES else "/jobs",
    )
