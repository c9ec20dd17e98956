"""What a job is, as bytes that Redis never looks into: task, arguments, options and headers.

Form: MessagePack ``[version, task, call]`` or ``[version, task, call, options, headers]``. A worker
that meets a newer version ends that job, since it cannot know what it would leave out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from aiojobs_redis.errors import ArgumentsInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "SEALS",
    "VERSION",
    "Spec",
    "SpecWriter",
    "enqueued_ms",
    "quote_key",
    "read_header",
    "read_spec",
    "whole",
]

VERSION = 1

SEALS = ("signed", "encrypted")
"""First elements of what a codec of this package has sealed."""

T = TypeVar("T")

_DIGITS = 20
_encode = msgspec.msgpack.Encoder().encode


class Spec(msgspec.Struct, array_like=True, gc=False):
    """The decoded spec; ``call`` is left to the codec of the task."""

    version: int
    task: str
    call: msgspec.Raw
    options: dict[str, Any] = {}
    headers: dict[str, str] = {}


_decode = msgspec.msgpack.Decoder(Spec).decode
_decode_version = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode


class SpecWriter:
    """Writes the specs of one task; the part that is always the same is encoded once."""

    __slots__ = ("_long", "_short")

    def __init__(self, task: str) -> None:
        head = _encode(VERSION) + _encode(task)
        self._short = b"\x93" + head
        self._long = b"\x95" + head

    def write(self, call: bytes, options: Mapping[str, Any], headers: Mapping[str, str]) -> bytes:
        """Return the spec of a call that the codec has encoded."""
        if not options and not headers:
            return self._short + call
        return self._long + call + _encode(options) + _encode(headers)


def read_spec(data: bytes) -> Spec:
    """Decode a spec.

    Raises:
        ArgumentsInvalid: The bytes are no spec, or one of a newer version.
    """
    try:
        spec = _decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        _refuse_newer(data)
        raise ArgumentsInvalid(
            f"the stored spec of {len(data)} bytes does not decode: {error}. "
            "It was written by something else, or damaged; enqueue the job again."
        ) from error
    if spec.version != VERSION:
        _refuse_newer(data)
    return spec


def _refuse_newer(data: bytes) -> None:
    try:
        version = msgspec.msgpack.decode(_decode_version(data)[0])
    except (msgspec.MsgspecError, UnicodeDecodeError, IndexError, RecursionError):
        return
    if version in SEALS:
        raise ArgumentsInvalid(
            f"the stored spec is {version}: give this worker's queue the codec of its producers, "
            "then replay the job"
        )
    if version != VERSION:
        raise ArgumentsInvalid(
            f"the stored spec has version {version!r:.20}, this worker reads version {VERSION}: "
            "upgrade the worker, then replay the job"
        )


def quote_key(key: str) -> str:
    """Return a key without what ends an option or the header, as scripts compare it."""
    return key.replace("%", "%25").replace(",", "%2C").replace("\n", "%0A")


def read_header(header: bytes) -> dict[str, str]:
    """Return the header's options by letter; docs/redis.md lists them."""
    return {part[:1]: part[1:] for part in header.decode(errors="replace").split(",") if part}


def whole(text: str, default: T) -> int | T:
    """Return the number that a text holds, or the default for what may be damaged."""
    try:
        # No field has more digits, and a long one would be refused by Python itself.
        return int(text) if len(text) <= _DIGITS else default
    except ValueError:
        return default


def enqueued_ms(header: Mapping[str, str]) -> int:
    """Return when Redis accepted the job, epoch ms; it stands in base 36, to save its bytes."""
    try:
        return int(header.get("e", "0"), 36)
    except ValueError:
        return 0
