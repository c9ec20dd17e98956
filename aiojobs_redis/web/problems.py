"""Errors as answers: `application/problem+json` for programs, a page for people."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match, Route

from aiojobs_redis import errors
from aiojobs_redis.web import pages
from aiojobs_redis.web.api.validation import Invalid, UnsupportedBody, document_path
from aiojobs_redis.web.rights import Forbidden
from aiojobs_redis.web.state import QueueMissing, QueueNotFound, ScheduleNotFound, address_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.types import ExceptionHandler

__all__ = ["STATUS", "Problem", "handlers", "problem", "too_many_tries", "unexpected", "wants_page"]

STATUS: dict[type[Exception], int] = {
    Forbidden: 403,
    QueueMissing: 422,
    QueueNotFound: 404,
    ScheduleNotFound: 404,
    UnsupportedBody: 415,
    Invalid: 422,
    errors.ArgumentsInvalid: 422,
    errors.ConfigInvalid: 422,
    errors.TaskNotRegistered: 422,
    errors.JobNotFound: 404,
    errors.WorkerNotFound: 404,
    errors.JobStateError: 409,
    errors.PayloadRejected: 409,
    errors.PayloadTooLarge: 413,
    errors.RateExceeded: 429,
    errors.KeyFull: 429,
    errors.QueueFull: 503,
    errors.QueueUnavailable: 503,
    errors.NotReplicated: 503,
    errors.RedisIncompatible: 503,
    errors.AiojobsError: 500,
}
"""The status of each error; that of the nearest class counts."""


class Problem(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What went wrong, as RFC 9457 has it.

    Attributes:
        type: What kind of problem it is: ``urn:aiojobs-redis:`` and its name.
        title: Its name in words.
        status: The HTTP status.
        detail: What happened, with the value, the limit and the next step.
        field: What of the request is wrong, as a path such as ``$.options.priority``.
    """

    type: str
    title: str
    status: int
    detail: str
    field: str | None = None


def wants_page(request: Request) -> bool:
    """Whether a person with a browser asks, not a program."""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    if path.startswith(("/api/", "/health/")) or path == "/metrics":
        return False
    return "text/html" in request.headers.get("accept", "")


def problem(
    request: Request,
    status: int,
    title: str,
    detail: str,
    *,
    field: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a problem as JSON, or as a page where a browser asks for one."""
    kind = f"urn:aiojobs-redis:{title.replace(' ', '-')}"
    found = Problem(type=kind, title=title, status=status, detail=detail, field=field)
    show = getattr(pages, "error_page", None)
    if show is not None and wants_page(request):
        page: Response = show(request, found)
        page.headers.update(headers or {})
        return page
    return Response(
        msgspec.json.encode(found), status, dict(headers or {}), "application/problem+json"
    )


def too_many_tries(request: Request, wait: float) -> Response:
    """Return the answer to who tried too many wrong tokens, and waits for that many seconds."""
    seconds = math.ceil(wait)
    text = (
        f"too many wrong tokens from {address_of(request)}: wait {seconds} s before the next try."
    )
    return problem(request, 429, "too many tries", text, headers={"Retry-After": str(seconds)})


def title_of(kind: type[BaseException]) -> str:
    """Return the name of an error in words: ``job not found``."""
    return "".join(f" {c.lower()}" if c.isupper() else c for c in kind.__name__).strip()


async def _aiojobs(request: Request, error: Exception) -> Response:
    kind = next(kind for kind in type(error).__mro__ if kind in STATUS)
    headers: dict[str, str] = {}
    if isinstance(error, errors.RateExceeded):
        headers["Retry-After"] = str(math.ceil(error.retry_after))
    field: Any = getattr(error, "field", None)
    return problem(
        request, STATUS[kind], title_of(type(error)), str(error), field=field, headers=headers
    )


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - for what it is registered
    detail, headers = error.detail, error.headers
    if error.status_code == 404:
        detail = f"there is nothing at {request.url.path!r:.200}; see {document_path(request)}"
    elif error.status_code == 405:
        headers = {"Allow": _methods(request)}
        detail = f"{request.url.path!r:.200} does not take {request.method}, but {headers['Allow']}"
    return problem(request, error.status_code, "http error", detail, headers=headers)


def _methods(request: Request) -> str:
    """Return the methods of a path; the error has those of the first of its routes alone."""
    found: set[str] = set()
    for route in request.app.routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            found |= route.methods or set()
    return ", ".join(sorted(found))


def unexpected(request: Request) -> Response:
    """Return what is told of a fault of the dashboard: nothing, since anything may be in it."""
    text = "something went wrong in the dashboard: its log has the traceback."
    return problem(request, 500, "internal error", text)


async def _unexpected(request: Request, _: Exception) -> Response:
    # Starlette raises it again, so that the server logs it.
    return unexpected(request)


def handlers() -> dict[Any, ExceptionHandler]:
    """Return the handlers of an application's exceptions."""
    return {
        errors.AiojobsError: _aiojobs,
        HTTPException: _http,
        Exception: _unexpected,
    }
