"""One operation of the API: a route, what it takes and gives, and what of it the document says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.convertors import PathConvertor, register_url_convertor  # codespell:ignore
from starlette.responses import Response
from starlette.routing import Route

from aiojobs_redis.errors import ConfigInvalid
from aiojobs_redis.web.api.validation import Invalid, read_body, read_query
from aiojobs_redis.web.state import caller_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

__all__ = ["NoQuery", "Operation", "json_response"]


class NoQuery(msgspec.Struct, forbid_unknown_fields=True):
    """No parameters."""


def json_response(value: Any, status: int = 200) -> Response:
    """Return a value as JSON; what has no form in it stands as its ``repr``."""
    return Response(msgspec.json.encode(value, enc_hook=repr), status, media_type=_JSON)


_JSON = "application/json"
_UNCHANGED = "Nothing was changed."
_ANY_TEXT = "aiojobs_redis_id"


class _AnyText(PathConvertor):
    """What an id may be: unlike ``path`` also with a newline, which else would be cut off."""

    regex = r"[\s\S]*"


register_url_convertor(_ANY_TEXT, _AnyText())


@dataclass(frozen=True, kw_only=True)
class Operation:
    """A method of a path.

    Attributes:
        method: ``GET`` or ``POST``.
        path: With ``{name}`` for what varies.
        summary: What it does, a sentence.
        handler: Called with the request, the query and the body.
        returns: What it gives.
        status: The status of that.
        query: What it takes in the query string.
        body: What it takes as JSON; None for nothing.
        optional: Whether the body may be left out, for one of defaults.
        action: The action of it that has to be allowed; None for one that only reads.
        errors: Statuses of its errors, beside those of every operation.
        also: Other statuses with the same content.
        open: Whether it asks nobody who they are.
    """

    method: str
    path: str
    summary: str
    handler: Callable[[Request, Any, Any], Awaitable[Any]]
    returns: Any
    status: int = 200
    query: type[msgspec.Struct] = NoQuery
    body: type[msgspec.Struct] | None = None
    optional: bool = False
    action: str | None = None
    errors: tuple[int, ...] = ()
    also: tuple[int, ...] = ()
    open: bool = False
    name: str = field(default="")

    @property
    def id(self) -> str:
        """Its name in the document."""
        return self.name or self.handler.__name__

    def _field(self, message: str) -> str:
        """Return what of the request an error is about, which begins with the name of it."""
        name = message.partition(" ")[0]
        if self.body is not None:
            return f"$.{name}" if name in self.body.__struct_fields__ else "$"
        return name if name in self.query.__struct_fields__ else "query"

    def route(self) -> Route:
        """Return the route. An id of a job or a schedule may hold anything, a slash too."""

        async def endpoint(request: Request) -> Response:
            if self.action is not None:
                # First: who may not do it learns nothing of what is there.
                caller_of(request).require(self.action)
            query = read_query(request, self.query)
            body = None
            if self.body is not None:
                body = await read_body(request, self.body, optional=self.optional)
            try:
                done = await self.handler(request, query, body)
            except ConfigInvalid as error:
                said = str(error)
                told = said if "othing was" in said else f"{said}. {_UNCHANGED}"
                raise Invalid(told, self._field(said)) from None
            return done if isinstance(done, Response) else json_response(done, self.status)

        path = self.path.replace("{id}", f"{{id:{_ANY_TEXT}}}")
        return Route(path, endpoint, methods=[self.method], name=f"api:{self.id}")
