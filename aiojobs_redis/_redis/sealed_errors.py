"""The texts of recorded errors under seal; type, time and attempt stay readable.

Lua appends errors of its own, and operators look for dead jobs by the type of their error, so a
line keeps its form. What an attacker may forge is therefore the line with a type that Lua writes;
the text of any other has to be sealed to be shown, unless the codec accepts what is not.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import msgspec

from aiojobs_redis.errors import PayloadRejected

if TYPE_CHECKING:
    from aiojobs_redis.sealing import Sealing

__all__ = ["OF_LUA", "CalledLine", "ErrorLine", "SealedLine", "open_line", "seal_line"]

OF_LUA = frozenset(
    {
        "TaskNotRegistered",
        "abandoned",
        "corrupt",
        "expired",
        "lease_expired",
        "max_starts",
        "parent_failed",
        "wait_refused",
    }
)
"""Types of the errors that scripts record, which cannot seal them."""


class ErrorLine(msgspec.Struct):
    """An error as recorded, one line of JSON.

    Attributes:
        type: Name of the exception's type, or the reason why the job ended.
        message: Its text.
        traceback: Its traceback.
        at: When, epoch ms.
        attempt: In which attempt.
    """

    type: str
    message: str = ""
    traceback: str = ""
    at: float = 0
    attempt: int = 1


class CalledLine(ErrorLine):
    """The same, told apart from that of another call, for the script that looks for its own."""

    call: str = ""


class SealedLine(ErrorLine):
    """The same with its texts sealed, in base64."""

    sealed: str = ""


class _Texts(msgspec.Struct, array_like=True):
    message: str
    traceback: str


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(SealedLine).decode
_encode_texts = msgspec.msgpack.Encoder().encode
_decode_texts = msgspec.msgpack.Decoder(_Texts).decode


def seal_line(line: bytes, sealing: Sealing, job: bytes) -> bytes:
    """Return an error line of this process with its texts sealed.

    Args:
        line: The line.
        sealing: Seals it.
        job: Id of the job, in UTF-8.
    """
    error = _decode(line)
    texts = _encode_texts(_Texts(error.message, error.traceback))
    sealed = base64.b64encode(sealing.seal("error", job, texts)).decode()
    return _encode(SealedLine(error.type, "", "", error.at, error.attempt, sealed))


def open_line(error: SealedLine, sealing: Sealing | None, job: bytes) -> ErrorLine:
    """Return an error with its texts; what cannot be opened says why in their place.

    Args:
        error: The decoded line.
        sealing: Opens it, None for a queue without a codec.
        job: Id of the job, in UTF-8.
    """
    if not error.sealed:
        return error if sealing is None else _open_plain(error, sealing, job)
    if sealing is None:
        return _told(error, "the text is sealed: give the queue its codec to read it")
    try:
        texts = _decode_texts(sealing.open("error", job, base64.b64decode(error.sealed)))
    except (PayloadRejected, ValueError) as fault:
        return _told(error, str(fault))
    return ErrorLine(error.type, texts.message, texts.traceback, error.at, error.attempt)


def _open_plain(error: ErrorLine, sealing: Sealing, job: bytes) -> ErrorLine:
    if error.type in OF_LUA:
        # No script has a traceback.
        return _told(error, error.message)
    if not (error.message or error.traceback):
        return error
    try:
        # Whether it may do without a seal is known to the codec.
        sealing.open("error", job, _encode_texts(_Texts(error.message, error.traceback)))
    except (PayloadRejected, ValueError) as fault:
        return _told(error, str(fault))
    return error


def _told(error: ErrorLine, message: str) -> ErrorLine:
    return ErrorLine(error.type, message, "", error.at, error.attempt)
