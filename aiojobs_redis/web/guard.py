"""What stands before every route: the name, the origin, who it is, and how large the body is."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.requests import Request

from aiojobs_redis.printing import log_error
from aiojobs_redis.web.binding import is_loopback
from aiojobs_redis.web.login import login_page
from aiojobs_redis.web.origin import host_fault, origin_fault, read_hosts
from aiojobs_redis.web.problems import problem, too_many_tries, unexpected, wants_page
from aiojobs_redis.web.state import address_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from aiojobs_redis.web.access import Access

_log = logging.getLogger("aiojobs_redis.web")

__all__ = ["LARGEST_BODY", "OPEN_PATHS", "Guard"]

LARGEST_BODY = 2 * 1024 * 1024
"""Bytes of a request's body, at most: an encoded job may have 1 MiB."""

OPEN_PATHS = ("/health/live", "/health/ready", "/login")
"""Routes that everybody may use, beside the files below ``/static/``: they tell nothing."""


class Guard:
    """Lets requests through to an application, with the caller in ``request.state.caller``.

    Args:
        app: The application.
        access: Says who may.
        hosts: Names under which it is reached, None for any.
    """

    def __init__(self, app: ASGIApp, access: Access, hosts: Iterable[str] | None) -> None:
        self._app = app
        self._access = access
        self._hosts = read_hosts(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            refused = await self._refuse(request)
        except Exception as error:
            # That of the user's access function: nobody gets in by it.
            log_error(_log, error, "it could not be found out who asks for %s", scope["path"])
            refused = None if _is_open(request) else unexpected(request)
        if refused is not None:
            await refused(scope, receive, send)
            return
        await self._app(scope, _limited(receive), send)

    async def _refuse(self, request: Request) -> Response | None:
        path = _path(request)
        fault = host_fault(request, self._hosts, local=self._access.open)
        # A probe comes from elsewhere, under an address; it is told no more than a stranger.
        strange = fault is not None or (self._access.open and not is_loopback(address_of(request)))
        health = path.startswith("/health/")
        fault = origin_fault(request) or (None if health else fault)
        if fault is not None:
            return problem(request, 403, "refused", f"{fault}. Nothing was changed.")
        if _length(request) > LARGEST_BODY:
            return problem(request, 413, "too large", _TOO_LARGE)
        unasked = _is_open(request)
        if strange and unasked:
            request.state.caller = None
            return None
        if strange:
            text = "this dashboard has no authentication, so it answers its own machine only: "
            return problem(request, 403, "refused", f"{text}give it a token or access=.")
        return await self._identify(request, unasked=unasked)

    async def _identify(self, request: Request, *, unasked: bool) -> Response | None:
        address, throttle = address_of(request), self._access.throttle
        wait = throttle.wait(address)
        request.state.caller = None
        if wait and (not unasked or request.method == "POST"):
            return too_many_tries(request, wait)
        if not wait:
            request.state.caller = await self._access.caller(request)
        if request.state.caller is not None:
            return None
        # Also where nobody is asked: what a probe tells would say whether a token is right.
        if not wait and self._access.is_wrong_try(request):
            throttle.wrong(address)
        if unasked:
            return None
        if self._access.sessions is None:
            text = "you may not use this dashboard: its access function has denied it."
            return problem(request, 403, "denied", text)
        if wants_page(request):
            return login_page(request, 401)
        text = "send the token of this dashboard as 'Authorization: Bearer TOKEN'."
        return problem(request, 401, "unauthorized", text, headers={"WWW-Authenticate": "Bearer"})


_TOO_LARGE = f"the body of a request may have {LARGEST_BODY} bytes. Nothing was written."


def _path(request: Request) -> str:
    path: str = request.scope["path"]
    return path.removeprefix(request.scope.get("root_path", ""))


def _is_open(request: Request) -> bool:
    path = _path(request)
    return path in OPEN_PATHS or path.startswith("/static/")


def _length(request: Request) -> int:
    given = request.headers.get("content-length", "0")
    return int(given) if given.isdecimal() and len(given) < 19 else LARGEST_BODY + 1


def _limited(receive: Receive) -> Receive:
    """Return a ``receive`` that raises when a body without a length gets too large."""
    size = 0

    async def receiving() -> Message:
        nonlocal size
        message = await receive()
        if message["type"] == "http.request":
            size += len(message.get("body", b""))
            if size > LARGEST_BODY:
                raise HTTPException(413, _TOO_LARGE)
        return message

    return receiving
