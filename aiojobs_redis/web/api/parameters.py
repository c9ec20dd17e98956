"""Parameters that many operations take, and where the id of a job or a schedule stands."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote, urlencode

import msgspec

from aiojobs_redis.web.api.validation import Invalid

if TYPE_CHECKING:
    from starlette.requests import Request

__all__ = [
    "ELSEWHERE",
    "Instant",
    "Limit",
    "Many",
    "Name",
    "Of",
    "OfOne",
    "Offset",
    "Text",
    "id_of",
    "place_of",
]

Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.:-]{1,128}\Z", max_length=128)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Limit = Annotated[int, msgspec.Meta(ge=1, le=250)]
Offset = Annotated[int, msgspec.Meta(ge=0, le=2**52)]
Many = Annotated[int, msgspec.Meta(ge=1, le=2**52)]
Instant = Annotated[datetime.datetime, msgspec.Meta(tz=True)]

ELSEWHERE = "-"
"""Stands in a path for an id that is given as a parameter."""


class Of(msgspec.Struct, forbid_unknown_fields=True):
    """Of which queue; it may be left out where there is one."""

    queue: Name | None = None


class OfOne(Of):
    """Of which queue, and of which id where the path has ``-`` for it."""

    id: Text | None = None


def id_of(request: Request, query: OfOne) -> str:
    """Return the id that a request is about.

    Raises:
        Invalid: The path has one and the parameter another.
    """
    given: str = request.path_params["id"]
    if query.id is None:
        return given
    if given != ELSEWHERE:
        raise Invalid(
            f"id is given twice, {given!r:.80} in the path and {query.id!r:.80} as a parameter: "
            f"leave one out, with {ELSEWHERE!r} for it in the path. Nothing was changed.",
            "id",
        )
    return query.id


def place_of(request: Request, queue: str, id: str) -> str:
    """Return the path and query of a job.

    Clients take ``.`` and ``..`` out of a path, and proxies may decode a slash in it: ids like that
    stand in the query.
    """
    path = f"{quote(request.scope.get('root_path', ''))}/api/jobs"
    if id in {".", ".."} or "/" in id or "\\" in id:
        return f"{path}/{ELSEWHERE}?{urlencode({'id': id, 'queue': queue}, quote_via=quote)}"
    return f"{path}/{quote(id, safe='')}?queue={quote(queue)}"
