"""A job in a line of a table."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

from aiojobs_redis.job import JobState

if TYPE_CHECKING:
    from datetime import datetime

    from aiojobs_redis.job import JobInfo

__all__ = ["call_text", "read_tick", "row_id", "shown_time", "tick"]

_LONGEST: Final = 100


def shown_time(info: JobInfo) -> datetime:
    """Return the time that a list shows of a job, and by which it puts jobs in order."""
    match info.state:
        case JobState.SCHEDULED | JobState.RETRYING:
            return info.run_at
        case JobState.RUNNING:
            return info.started_at or info.enqueued_at
        case state:
            return (info.finished_at if state.finished else None) or info.enqueued_at


def row_id(info: JobInfo) -> str:
    """Return a name for the line of a job, of letters that an attribute may have."""
    whole = f"{info.queue}/{info.id}".encode(errors="surrogatepass")
    return f"job-{hashlib.sha256(whole).hexdigest()[:16]}"


def tick(queue: str, id: str) -> str:
    """Return the value of the box that selects a job, of letters that every form keeps."""
    return f"{queue}/{quote(id, safe='')}"


def read_tick(text: str) -> tuple[str, str]:
    """Return the queue and the id that such a value names."""
    queue, _, id = text.partition("/")
    return queue, unquote(id)


def call_text(info: JobInfo) -> str:
    """Return the arguments of a call in a line, cut where they are long."""
    parts = [_short(value) for value in info.args[:8]]
    parts += [f"{key}={_short(value)}" for key, value in list(info.kwargs.items())[:8]]
    return _cut(", ".join(parts), _LONGEST)


def _short(value: object, depth: int = 0) -> str:
    # The text of a payload of a mebibyte is not made for its first hundred characters.
    if isinstance(value, dict):
        pairs = [f"{_short(k, 2)}: {_short(v, depth + 1)}" for k, v in list(value.items())[:8]]
        return "{…}" if depth > 1 else f"{{{', '.join(pairs)}}}"
    if isinstance(value, list | tuple):
        return "[…]" if depth > 1 else f"[{', '.join(_short(v, depth + 1) for v in value[:8])}]"
    if isinstance(value, str | bytes):
        value = value[:_LONGEST]
    return repr(value).encode(errors="replace").decode()[: _LONGEST + 2]


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
