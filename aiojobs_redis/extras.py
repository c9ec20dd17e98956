"""What a job leaves beside its record, and the form of it in Redis: progress, log, state, steps.

Each is MessagePack; a list of lines or of steps is one of netstrings, so that Lua can cut it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from aiojobs_redis.duration import from_ms
from aiojobs_redis.errors import ArgumentsInvalid, PayloadTooLarge
from aiojobs_redis.signature import decoder, encode_value, reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from aiojobs_redis.signature import Encoded

__all__ = [
    "LARGEST",
    "LARGEST_LOG",
    "MOST_LINES",
    "MOST_STEPS",
    "LogLine",
    "Progress",
    "decode_log_line",
    "decode_progress",
    "decode_state",
    "encode_log_line",
    "encode_progress",
    "encode_state",
    "netstrings",
]

LARGEST = 1024 * 1024
"""Bytes that the state of a job, or all of its steps, may take."""
LARGEST_LOG = 64 * 1024
"""Bytes of a log that are kept, of its end."""
MOST_LINES = 1000
MOST_STEPS = 1000
_LARGEST_PROGRESS = 4096
_LONGEST_LINE = 4096
_CUT = " [cut]"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job said it is.

    Attributes:
        done: How much is done, in units of the task's own.
        total: How much there is to do, None where it did not say.
        note: What it added, as plain data.
        at: When it said so, by the clock of its worker.
        attempt: In which attempt, from 1.
    """

    done: float
    total: float | None
    note: Any
    at: datetime
    attempt: int

    @property
    def fraction(self) -> float | None:
        """What part is done, from 0 to 1, None where the total is not known."""
        return min(1.0, max(0.0, self.done / self.total)) if self.total else None


@dataclass(frozen=True, slots=True)
class LogLine:
    """One entry of a job's log.

    Attributes:
        at: When it was written, by the clock of its worker.
        attempt: In which attempt, from 1.
        text: Its text, cut at 4 KiB.
    """

    at: datetime
    attempt: int
    text: str


class _Progress(msgspec.Struct, array_like=True):
    at: int
    attempt: int
    done: int | float
    total: int | float | None = None
    note: Any = None


class _Line(msgspec.Struct, array_like=True):
    at: int
    attempt: int
    text: str


_read_progress: Callable[[Encoded], _Progress] = decoder(_Progress)
_read_line: Callable[[Encoded], _Line] = decoder(_Line)
_read_state: Callable[[Encoded], dict[str, Any]] = decoder(dict[str, Any])


def encode_progress(at: int, attempt: int, done: float, total: float | None, note: object) -> bytes:
    """Encode what a task says of its progress.

    Args:
        at: When, epoch ms.
        attempt: Number of the attempt.
        done: How much is done.
        total: How much there is, None where it is not known.
        note: Anything that MessagePack can hold.

    Raises:
        ArgumentsInvalid: A number is none, or the note cannot be encoded.
        PayloadTooLarge: It takes more than 4 KiB.
    """
    _check_number("done", done)
    if total is not None:
        _check_number("total", total)
    try:
        data = encode_value(_Progress(at, attempt, done, total, note))
    except Exception as error:
        raise ArgumentsInvalid(f"progress: this cannot be encoded: {reason(error)}") from error
    return _within("the progress", data, _LARGEST_PROGRESS)


def decode_progress(data: Encoded) -> Progress | None:
    """Decode it, None for what is damaged: it must not hide the rest of a record."""
    try:
        found = _read_progress(data)
        at = from_ms(found.at)
    except Exception:
        return None
    return Progress(found.done, found.total, found.note, at, found.attempt)


def encode_log_line(at: int, attempt: int, text: str) -> bytes:
    """Encode an entry of a log, cut at 4 KiB.

    Raises:
        ArgumentsInvalid: It is no text.
    """
    if not isinstance(text, str):
        raise ArgumentsInvalid(f"log takes a text, got a {type(text).__name__}: use str()")
    # A lone surrogate, as in the name of an undecodable file, has no form in UTF-8.
    encoded = text[:_LONGEST_LINE].encode(errors="replace")
    if len(encoded) > _LONGEST_LINE or len(text) > _LONGEST_LINE:
        encoded = encoded[: _LONGEST_LINE - len(_CUT)] + _CUT.encode()
    return encode_value(_Line(at, attempt, encoded.decode(errors="ignore")))


def decode_log_line(data: Encoded) -> LogLine | None:
    """Decode it, None for what is damaged."""
    try:
        found = _read_line(data)
        return LogLine(from_ms(found.at), found.attempt, found.text)
    except Exception:
        return None


def encode_state(state: dict[str, Any]) -> bytes:
    """Encode the state of a job.

    Raises:
        ArgumentsInvalid: A key is no text, or a value has no MessagePack form.
        PayloadTooLarge: It takes more than 1 MiB.
    """
    try:
        data = encode_value(state)
        decode_state(data)
    except Exception as error:
        raise ArgumentsInvalid(
            f"the state cannot be saved: {reason(error)}. Keep plain data under keys that are texts"
        ) from error
    return _within("the state", data, LARGEST)


def decode_state(data: Encoded) -> dict[str, Any]:
    """Decode the state of a job, to plain data; may raise anything on what is damaged."""
    return _read_state(data)


def netstrings(data: bytes) -> Iterator[bytes]:
    """Yield the texts of a list, up to where it is damaged."""
    at = 0
    while at < len(data):
        end = data.find(b":", at, at + 10)
        number = data[at:end]
        if end < 0 or not number.isdigit():
            return
        at = end + 1 + int(number)
        yield data[end + 1 : at]


def _check_number(name: str, number: float) -> None:
    # An int may be too large for a float; it is too large for MessagePack then.
    sound = isinstance(number, int | float) and not isinstance(number, bool)
    if not sound or not (isinstance(number, int) or math.isfinite(number)):
        raise ArgumentsInvalid(
            f"progress: {name} must be a finite number, got {number!r:.80}. "
            "Give anything else as note."
        )


def _within(what: str, data: bytes, limit: int) -> bytes:
    if len(data) > limit:
        raise PayloadTooLarge(
            f"{what} takes {len(data)} bytes encoded, the limit is {limit}: "
            "store it elsewhere and keep a reference. Nothing was written."
        )
    return data
