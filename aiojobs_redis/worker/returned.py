"""What a part of a task returned, as it is stored and comes back: by its annotation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiojobs_redis.errors import ArgumentsInvalid
from aiojobs_redis.signature import encode_value, reason

if TYPE_CHECKING:
    from aiojobs_redis.signature import Parameter

__all__ = ["decode_returned", "encode_returned"]


def encode_returned(what: str, returns: Parameter, value: object) -> bytes:
    """Encode what a function returned.

    Args:
        what: How messages call it.
        returns: What the function declares that it returns, looked at before it ran.
        value: What it returned.

    Raises:
        ArgumentsInvalid: It has no MessagePack form, or is not what the function declares.
    """
    try:
        data = encode_value(value)
        if type(value) not in returns.exact:
            returns.decode(data)
    except Exception as error:
        raise ArgumentsInvalid(
            f"{what} has run, but what it returned cannot be recorded as {returns.label}: "
            f"{reason(error)}. It runs again next time."
        ) from error
    return data


def decode_returned(what: str, returns: Parameter, data: bytes) -> Any:
    """Decode it again.

    Raises:
        ArgumentsInvalid: It does not fit the annotation, as after a change of it.
    """
    try:
        return returns.decode(data)
    except Exception as error:
        raise ArgumentsInvalid(
            f"{what} has recorded what is no {returns.label}: {reason(error)}. "
            "Give the new version another name."
        ) from error
