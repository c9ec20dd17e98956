"""From what a page shows to its HTML: the templates, and what all of them use."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from aiojobs_redis.version import VERSION
from aiojobs_redis.web.pages import texts
from aiojobs_redis.web.pages.notices import NOTICE, read_notice
from aiojobs_redis.web.pages.search import term
from aiojobs_redis.web.state import queues_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["href_of", "local_path", "render"]

THEMES = frozenset({"light", "dark"})


@lru_cache(maxsize=1)
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("aiojobs_redis.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "amount": texts.amount,
        "seconds": texts.seconds_text,
        "size": texts.bytes_text,
    }
    shared: dict[str, Any] = {
        "between": texts.between,
        "percent": texts.percent,
        "term": term,
        "version": VERSION,
    }
    made.globals.update(shared)
    return made


def href_of(request: Request) -> Callable[..., str]:
    """Return a function that makes links of this dashboard: a path and its parameters."""
    root: str = request.scope.get("root_path", "")

    # By its place alone: a parameter may have that name too.
    def href(path: str, /, **params: object) -> str:
        given = {name: str(value) for name, value in params.items() if value not in (None, "")}
        return f"{root}{path}" + (f"?{urlencode(given)}" if given else "")

    return href


def local_path(request: Request) -> str:
    """Return the path and the query of this page, without the notice of an action."""
    path: str = request.scope["path"]
    kept = [(k, v) for k, v in request.query_params.multi_items() if k not in NOTICE]
    return path + (f"?{urlencode(kept)}" if kept else "")


def render(
    request: Request, template: str, status: int = 200, *, here: str = "", **context: Any
) -> Response:
    """Return a page; where a script asks for it anew, only its inner part.

    Args:
        request: What is answered.
        template: Name of its template.
        status: Of the answer.
        here: Name of the entry of the menu that it belongs to.
        context: What the template shows.
    """
    now = datetime.now(UTC)
    caller = getattr(request.state, "caller", None)

    def may(action: str) -> bool:
        return caller is not None and caller.rights.allows(action)

    # Who is refused before the application is reached gets a page that knows of no queue.
    if "queues" not in context:
        context["queues"] = list(queues_of(request))
    theme = request.cookies.get("ajr_theme", "")
    text: str = (
        _environment()
        .get_template(template)
        .render(
            layout="fragment.html" if request.headers.get("hx-request") else "layout.html",
            here=here,
            href=href_of(request),
            away=getattr(request.state, "away", {}),
            back=local_path(request),
            caller=caller,
            may=may,
            moment=partial(texts.moment, now=now),
            now=now,
            notice=read_notice(request.query_params),
            picked=request.query_params.get("queue", ""),
            theme=theme if theme in THEMES else "",
            **context,
        )
    )
    return HTMLResponse(text, status)
