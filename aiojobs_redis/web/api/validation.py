"""Reads what a request brings, and says of what is wrong where, which value, and what is right."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import msgspec

from aiojobs_redis.errors import AiojobsError

if TYPE_CHECKING:
    from starlette.requests import Request

__all__ = ["Invalid", "UnsupportedBody", "at_path", "document_path", "read_body", "read_query"]

S = TypeVar("S", bound=msgspec.Struct)

_PLACE = re.compile(r"^(.*?)(?: - at `(?:key in )?(.*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")
_UNKNOWN = re.compile(r"unknown field `(.*)`")
_MISSING = re.compile(r"missing required field `(.*)`")
_WITHOUT_SECONDS = re.compile(r"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d)([Zz]|[+-]\d\d:\d\d|)", re.ASCII)
_INSTANTS = ("at", "expires", "before")
# Pairs and other escapes come first, so that what is left is half a pair.
_HALF_PAIR = re.compile(
    rb"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)


class Invalid(AiojobsError, ValueError):
    """Something in a request is not acceptable; nothing was written.

    Attributes:
        field: Where it is, such as ``$.options.priority``; a parameter by its name alone.
    """

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field: str = field


class UnsupportedBody(AiojobsError):
    """The body is not JSON by its type."""


def document_path(request: Request) -> str:
    """Return the path of the document, from the root of the host."""
    return f"{quote(request.scope.get('root_path', ''))}/api/openapi.json"


def _see(request: Request) -> str:
    return f"Nothing was written; {document_path(request)} says what is right."


def read_query(request: Request, kind: type[S]) -> S:
    """Return the parameters of the query string.

    Raises:
        Invalid: One is unknown, given twice, or not acceptable.
    """
    given: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in given:
            raise Invalid(
                f"{name!r:.80} is given twice: give it once. {_see(request)}", name[:80] or "''"
            )
        given[name] = value
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise _told(error, given, "", _see(request)) from None


async def read_body(request: Request, kind: type[S], *, optional: bool) -> S:
    """Return the JSON of the body.

    Raises:
        UnsupportedBody: Its type is another.
        Invalid: It is no JSON, or something in it is not acceptable.
    """
    data = await request.body()
    if not data and optional:
        return kind()
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != "application/json":
        raise UnsupportedBody(
            f"the body has to be application/json, got {given or 'no type'!r:.80}: set the "
            "Content-Type header. Nothing was written."
        )
    try:
        raw = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"{_no_json(data, error)}. {_see(request)}", "$") from None
    try:
        return msgspec.convert(_with_seconds(raw), kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise _told(error, raw, "$", _see(request)) from None


def at_path(value: Any, path: str) -> Any:
    """Return what stands at a path such as ``$.options.depends_on[2]``; None for nothing."""
    for key, place in _STEP.findall(path):
        try:
            value = value[int(place)] if place else value[key]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return value


def _no_json(data: bytes, error: Exception) -> str:
    """Return why a body cannot be read; of half a surrogate pair the decoder has another reason."""
    half = next((found[1] for found in _HALF_PAIR.finditer(data) if found[1]), None)
    if half is None:
        return f"the body is no JSON: {error}"
    return (
        f"the body holds \\{half.decode()}, half of a surrogate pair, which is no character: write "
        "both halves, or leave it out"
    )


def _with_seconds(raw: Any) -> Any:
    """Return a body whose instants have seconds: ISO 8601 may leave them out, RFC 3339 may not.

    Only those of the API itself: arguments of a job stay as they are.
    """
    if not isinstance(raw, dict):
        return raw
    timed = raw | _timed(raw)
    if isinstance(options := raw.get("options"), dict):
        timed["options"] = options | _timed(options)
    return timed


def _timed(given: dict[str, Any]) -> dict[str, str]:
    texts = {name: given[name] for name in _INSTANTS if isinstance(given.get(name), str)}
    return {
        name: f"{found[1]}:00{found[2]}"
        for name, text in texts.items()
        if (found := _WITHOUT_SECONDS.fullmatch(text))
    }


def _told(error: Exception, given: Any, root: str, see: str) -> Invalid:
    match = _PLACE.match(str(error))
    text, path = (match[1], match[2] or "$") if match else (str(error), "$")
    unknown, missing = _UNKNOWN.search(text), _MISSING.search(text)
    named = unknown or missing
    if named is not None:
        path = f"{path}.{named[1]}"
    # A parameter may come without a name.
    field = path if root else path.removeprefix("$.") or "''"
    if missing is not None:
        return Invalid(f"{field} is missing. {see}", field[:200])
    if unknown is not None:
        return Invalid(f"{field:.200} is not known here. {see}", field[:200])
    value = at_path(given, path)
    said = text[:1].lower() + text[1:]
    return Invalid(f"{field:.200}: {said}; the value is {value!r:.80}. {see}", field[:200])
