"""Bytes made to be dear: whatever decodes them ends soon, with one kind of error."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from aiojobs_redis import AiojobsError, EncryptedCodec, SignedCodec
from aiojobs_redis._redis.inspector import read_errors
from aiojobs_redis.codec import CallCodec, decode_untyped, decode_untyped_result
from aiojobs_redis.schedule import decode_schedule
from aiojobs_redis.spec import read_spec

pytestmark = pytest.mark.requirement("S4")

MIB = 1024 * 1024
SECONDS = 0.010
BOMBS = {
    "100,000 arrays in each other": b"\x91" * 100_000,
    "100,000 maps in each other": b"\x81\xa1k" * 100_000,
    "an array of 4 G": b"\xdd\xff\xff\xff\xff",
    "a map of 4 G": b"\xdf\xff\xff\xff\xff",
    "a text of 4 G": b"\xdb\xff\xff\xff\xff",
    "bytes of 4 G": b"\xc6\xff\xff\xff\xff",
    "an extension of 4 G": b"\xc9\xff\xff\xff\xff\x01",
    "an array of 4 G in an array": b"\x91\xdd\xff\xff\xff\xff\x01",
    "infinity": b"\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00",
    "not a number": b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x01",
    "the largest integer": b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
    "a reserved byte": b"\xc1" * 1000,
    "a time at the end of time": msgspec.msgpack.encode(msgspec.msgpack.Ext(-1, b"\xff" * 12)),
    "a text that is none": b"\xa4\xff\xfe\xfd\xfc",
}
TEXTS = {
    "100,000 lists in each other": b"[" * 100_000,
    "a number over all": b'{"type":"x","at":1e400}',
    "a whole number of 100,000 digits": b'{"type":"x","attempt":' + b"9" * 100_000 + b"}",
    "an escape that ends nowhere": b'{"type":"\\ud800"}',
}


async def typed(number: int, text: str = "", items: list[int] | None = None) -> float:
    return 0.0


CODEC = CallCodec(typed, name="typed")
KEYS = {"k": b"0" * 32}
READERS: dict[str, Callable[[bytes], Any]] = {
    "spec": read_spec,
    "call": CODEC.decode,
    "untyped call": decode_untyped,
    "result": CODEC.decode_result,
    "schedule": decode_schedule,
    "signed": lambda data: SignedCodec(KEYS).open(data, b""),
    "encrypted": lambda data: EncryptedCodec(KEYS).open(data, b""),
}


REFUSALS = (AiojobsError, msgspec.MsgspecError, RecursionError, UnicodeDecodeError)


def timed(read: Callable[[bytes], Any], data: bytes) -> float:
    """Return the seconds of work of the quickest of some tries; anything raised is a refusal."""
    spent = []
    for _ in range(3):
        # Not what others take of the processor meanwhile.
        began = time.thread_time()
        with contextlib.suppress(
            AiojobsError, msgspec.MsgspecError, RecursionError, UnicodeDecodeError
        ):
            read(data)
        spent.append(time.thread_time() - began)
    return min(spent)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused_soon(reader: str, bomb: str) -> None:
    data = BOMBS[bomb]
    assert timed(READERS[reader], data) < SECONDS
    assert timed(READERS[reader], b"\x93\x01\xa5typed" + data) < SECONDS
    assert timed(READERS[reader], b"\x91\x91" + data) < SECONDS


@pytest.mark.parametrize("text", TEXTS)
def test_an_error_line_that_is_a_bomb_is_shown_as_such(text: str) -> None:
    assert timed(lambda data: read_errors(data, None, b"id"), TEXTS[text]) < SECONDS
    [error] = read_errors(TEXTS[text], None, b"id")
    assert error.type in {"Undecodable", "x"}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_result_without_a_type_is_decoded_or_refused_soon(bomb: str) -> None:
    assert timed(decode_untyped_result, BOMBS[bomb]) < SECONDS
