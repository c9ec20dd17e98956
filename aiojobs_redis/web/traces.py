"""From a job to its trace: the context in its headers, and the link that an application gives."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from aiojobs_redis.errors import ConfigInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["check_trace_url", "trace_id_of", "trace_link"]

_PLACE: Final = "{trace_id}"
# W3C Trace Context: version, trace, span, flags; later versions may have more behind that.
_TRACEPARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-.*")


def check_trace_url(value: object) -> str | None:
    """Return where traces are shown, with ``{trace_id}`` in place of the id of one.

    Raises:
        ConfigInvalid: It is something else, or its scheme is neither http nor https.
    """
    if value is None:
        return None
    wanted = f"such as 'https://traces.example.org/trace/{_PLACE}'"
    if not isinstance(value, str) or _PLACE not in value:
        raise ConfigInvalid(
            f"trace_url must be a URL with {_PLACE} in it, {wanted}, got {value!r:.80}"
        )
    try:
        parts = urlsplit(value)
    except ValueError as error:
        raise ConfigInvalid(
            f"trace_url {value!r:.80} is no URL: {error}. Give one {wanted}"
        ) from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigInvalid(
            f"trace_url must begin with https:// or http:// and a host, {wanted}, got {value!r:.80}"
        )
    if _PLACE in parts.netloc:
        raise ConfigInvalid(
            f"trace_url has {_PLACE} in its host, got {value!r:.80}: give one {wanted}"
        )
    return value


def trace_id_of(headers: Mapping[str, str]) -> str | None:
    """Return the trace in which a job was enqueued, None where its headers name none."""
    value = next((text for name, text in headers.items() if name.lower() == "traceparent"), "")
    found = _TRACEPARENT.fullmatch(value)
    return None if found is None else found[1]


def trace_link(url: str | None, trace_id: str | None) -> str | None:
    """Return where that trace is shown; None where that is not known."""
    return None if url is None or trace_id is None else url.replace(_PLACE, trace_id)
