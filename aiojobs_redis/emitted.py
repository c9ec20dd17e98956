"""Events of an application's own: their form in Redis, and how many of them may wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from aiojobs_redis.errors import ArgumentsInvalid, ConfigInvalid, PayloadTooLarge
from aiojobs_redis.signature import decoder, encode_value, reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiojobs_redis.signature import Encoded

__all__ = ["MOST_BYTES", "MOST_EVENTS", "decode_emitted", "encode_emitted"]

MOST_EVENTS = 500
"""Events of one job that wait to be written, from which on the task waits too."""
MOST_BYTES = 256 * 1024
"""Bytes of them, likewise."""
_LONGEST_NAME = 256
_LARGEST = 16 * 1024


class _Emitted(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    # What a codec has sealed is a longer list, and is not to be taken for one of these.
    name: str
    data: Any = None


_read: Callable[[Encoded], _Emitted] = decoder(_Emitted)


def encode_emitted(name: str, data: object) -> bytes:
    """Encode an event.

    Args:
        name: Its name.
        data: Anything that MessagePack can hold.

    Raises:
        ConfigInvalid: The name is no text of 1 to 256 bytes.
        ArgumentsInvalid: The data cannot be encoded.
        PayloadTooLarge: They take more than 16 KiB.
    """
    try:
        size = len(name.encode()) if isinstance(name, str) else 0
    except UnicodeEncodeError:
        size = 0
    if not 1 <= size <= _LONGEST_NAME:
        raise ConfigInvalid(
            f"the name of an event must be a text of 1 to {_LONGEST_NAME} bytes, got {name!r:.80}. "
            "Nothing was written."
        )
    try:
        size = len(encode_value(data))
        body = encode_value(_Emitted(name, data))
    except Exception as error:
        raise ArgumentsInvalid(
            f"the data of event {name!r:.80} cannot be encoded: {reason(error)}. Give plain data. "
            "Nothing was written."
        ) from error
    if size > _LARGEST:
        raise PayloadTooLarge(
            f"the data of event {name!r:.80} takes {size} bytes encoded, the limit is {_LARGEST}: "
            "store it elsewhere and emit a reference. Nothing was written."
        )
    return body


def decode_emitted(body: Encoded) -> tuple[str, Any]:
    """Return name and data of an event; may raise anything on what is damaged."""
    found = _read(body)
    return found.name, found.data
