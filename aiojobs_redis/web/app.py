"""The application: routes of pages and API behind one guard."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.routing import Mount

from aiojobs_redis.errors import ConfigInvalid
from aiojobs_redis.secret_headers import SECRET_HEADERS
from aiojobs_redis.web import api, login, pages, scrape
from aiojobs_redis.web.access import Access
from aiojobs_redis.web.assets import Assets
from aiojobs_redis.web.guard import Guard
from aiojobs_redis.web.headers import SafeHeaders
from aiojobs_redis.web.problems import handlers
from aiojobs_redis.web.state import by_name
from aiojobs_redis.web.traces import check_trace_url

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Mapping

    from starlette.types import ASGIApp, Receive, Scope, Send

    from aiojobs_redis.queue import Queue
    from aiojobs_redis.web.access import AccessFunction

__all__ = ["Dashboard"]


class Dashboard:
    """The dashboard and the HTTP API of queues, as an ASGI application.

    It can be served by itself, or mounted in another application under any path. Without ``token``
    and ``access`` it answers this machine alone, under the names ``localhost`` and ``127.0.0.1``,
    and changes nothing unless it is told to.

    Args:
        queue_or_queues: What it shows, each by its name.
        access: Says what the sender of a request may do: called with the request, it returns
            ``"full"``, ``"read-only"``, ``"denied"``, a set of names of `ACTION_NAMES`, or
            `Rights`, which can say who it is. It may be async.
        token: Who sends it as ``Authorization: Bearer`` may do everything, and so may who logs in
            with it in a browser; 16 characters at least. With ``access`` beside it, that is asked
            about those who do not send it.
        read_only: Whether nobody may do more than look. None, the default, is so without ``token``
            and ``access``, since nobody is asked then who they are.
        hosts: Names under which it can be reached, without a port; other requests are refused, so
            that no page of somebody else can reach it under a name of its own. None for any name
            where there is a ``token`` or ``access``.
        secret_headers: Parts of the names of headers of jobs whose values are not shown.
        trace_url: Where the trace of a job is shown, with ``{trace_id}`` in place of its id: the
            page of a job that carries a ``traceparent`` links to it.

    Attributes:
        queues: The queues by name.
        guarded: Whether it asks who somebody is.
        application: What answers behind its guard; its ``routes`` are all there are.

    Raises:
        ConfigInvalid: An argument is not acceptable.
    """

    def __init__(
        self,
        queue_or_queues: Queue | Iterable[Queue],
        *,
        access: AccessFunction | None = None,
        token: str | None = None,
        read_only: bool | None = None,
        hosts: Iterable[str] | None = None,
        secret_headers: Iterable[str] = SECRET_HEADERS,
        trace_url: str | None = None,
    ) -> None:
        self.queues: Mapping[str, Queue] = by_name(queue_or_queues)
        if isinstance(hosts, str):
            raise ConfigInvalid(f"hosts takes several names, got {hosts!r:.80}: use [{hosts!r}]")
        self.guarded: bool = access is not None or token is not None
        decides = Access(access, token, read_only=read_only)
        static = Mount("/static", Assets(), name="static")
        self.application: Starlette = Starlette(
            routes=[static, *login.routes, *scrape.routes, *api.routes, *pages.routes],
            exception_handlers=handlers(),
            lifespan=self._lifespan,
        )
        self.application.state.queues = self.queues
        self.application.state.access = decides
        self.application.state.secret_headers = tuple(part.lower() for part in secret_headers)
        self.application.state.trace_url = check_trace_url(trace_url)
        self._app: ASGIApp = SafeHeaders(Guard(self.application, decides, hosts))

    def __repr__(self) -> str:
        return f"<Dashboard of {', '.join(self.queues)}>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await self._app(scope, receive, send)

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncGenerator[None]:
        # Mounted in another application, that one closes its queues.
        try:
            yield
        finally:
            for queue in self.queues.values():
                await queue.close()
