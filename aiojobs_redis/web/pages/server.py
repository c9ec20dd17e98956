"""The server: its memory, its policy, its version, and what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiojobs_redis.web.pages.gather import answering, servers_of
from aiojobs_redis.web.pages.render import render

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["server_page"]


async def server_page(request: Request) -> Response:
    """Show the servers of the queues, each once."""
    found = await servers_of(await answering(request))
    return render(request, "server.html", here="redis", servers=found)
