"""The login of a browser with the token, and its end."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, cast
from urllib.parse import parse_qs, quote, urlsplit

from starlette.responses import HTMLResponse, RedirectResponse
from starlette.routing import Route

from aiojobs_redis.web.origin import SAFE_METHODS
from aiojobs_redis.web.problems import too_many_tries
from aiojobs_redis.web.session import set_cookie
from aiojobs_redis.web.state import address_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from aiojobs_redis.web.access import Access

__all__ = ["login_page", "routes"]

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Log in · aiojobs-redis</title>
<link rel="stylesheet" href="{root}/static/app.css">
</head>
<body class="login">
<main>
<h1>aiojobs-redis</h1>
{note}
<form method="post" action="{root}/login">
<label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required>
<input name="next" type="hidden" value="{next}">
<button>Log in</button>
</form>
</main>
</body>
</html>
"""


def login_page(request: Request, status: int, note: str = "") -> Response:
    """Return the page on which the token is asked for, which then goes on to where one was."""
    root = request.scope.get("root_path", "")
    path: str = request.scope["path"]
    wanted = root + "/"
    if request.method not in SAFE_METHODS:
        # A button, pressed after the session had ended: its path can only be posted to.
        wanted = _local(request, request.query_params.get("back", ""))
    elif path.removeprefix(root) != "/login":
        wanted = quote(path) + (f"?{request.url.query}" if request.url.query else "")
    shown = f'<p role="alert">{escape(note)}</p>' if note else ""
    page = _PAGE.format(root=escape(root), note=shown, next=escape(wanted))
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return HTMLResponse(page, status, headers)


async def _show(request: Request) -> Response:
    return login_page(request, 200)


async def _log_in(request: Request) -> Response:
    access = cast("Access", request.app.state.access)
    form = _form(await request.body())
    # Once more: others may have come while this one held its body back.
    wait = access.throttle.wait(address_of(request))
    if wait:
        return too_many_tries(request, wait)
    given = form.get("token", [""])[0]
    if access.sessions is None or not access.is_token(given):
        access.throttle.wrong(address_of(request))
        return login_page(request, 401, "That is not the token of this dashboard.")
    response = RedirectResponse(_local(request, form.get("next", [""])[0]), 303)
    set_cookie(response, request, access.sessions.new())
    return response


def _form(body: bytes) -> dict[str, list[str]]:
    try:
        return parse_qs(body.decode(errors="replace"), max_num_fields=8)
    except ValueError:
        # It has more fields than that: whatever sent it, it was not the page.
        return {}


async def _log_out(request: Request) -> Response:
    response = RedirectResponse(_local(request, ""), 303)
    set_cookie(response, request, "")
    return response


def _local(request: Request, wanted: str) -> str:
    """Return where to go on: a place of this dashboard, whatever was asked for."""
    root = str(request.scope.get("root_path", "")) + "/"
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return root
    # A browser takes \ for /, and // for another host.
    outside = parts.scheme or parts.netloc or "\\" in wanted or wanted.startswith("//")
    return wanted if not outside and wanted.startswith(root) else root


routes: list[BaseRoute] = [
    Route("/login", _show, methods=["GET"], name="login"),
    Route("/login", _log_in, methods=["POST"]),
    Route("/logout", _log_out, methods=["POST"], name="logout"),
]
