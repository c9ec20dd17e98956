"""Replies are read whole, one by one, however they are cut on their way."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from redis import exceptions as redis_errors

from aiojobs_redis._redis.wire import Wire


class Sent:
    """Takes what is written, as a stream does."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        self.data += data


def parse_error(text: str) -> Exception:
    kind = redis_errors.NoScriptError if text.startswith("NOSCRIPT") else redis_errors.ResponseError
    return kind(text)


@pytest.fixture
async def reader() -> asyncio.StreamReader:
    return asyncio.StreamReader()


@pytest.fixture
def wire(reader: asyncio.StreamReader) -> Wire:
    writer: Any = Sent()
    return Wire(reader, writer, parse_error)


async def test_a_reply_that_comes_byte_by_byte_is_read_whole(
    reader: asyncio.StreamReader, wire: Wire
) -> None:
    reading = asyncio.create_task(wire.receive())
    for byte in b"*2\r\n$3\r\nabc\r\n:7\r\n":
        reader.feed_data(bytes([byte]))
        await asyncio.sleep(0)
    assert await reading == [b"abc", 7]


async def test_two_replies_that_come_together_are_read_one_by_one(
    reader: asyncio.StreamReader, wire: Wire
) -> None:
    reader.feed_data(b"+OK\r\n$-1\r\n:1\r\n")
    assert [await wire.receive() for _ in range(3)] == [b"OK", None, 1]


async def test_what_nobody_asked_for_is_noticed(reader: asyncio.StreamReader, wire: Wire) -> None:
    noticed = [wire.unread]
    reader.feed_data(b"+OK\r\n-ERR going away\r\n")
    assert await wire.receive() == b"OK"
    noticed.append(wire.unread)
    with pytest.raises(redis_errors.ResponseError):
        await wire.receive()
    noticed.append(wire.unread)
    reader.feed_data(b"-")
    assert [*noticed, wire.unread] == [False, True, False, True]


async def test_an_error_reply_is_raised_and_the_next_one_read(
    reader: asyncio.StreamReader, wire: Wire
) -> None:
    reader.feed_data(b"-NOSCRIPT none\r\n+OK\r\n")
    with pytest.raises(redis_errors.NoScriptError, match="none"):
        await wire.receive()
    assert await wire.receive() == b"OK"


@pytest.mark.parametrize("came", [b"", b"*2\r\n$3\r\nab"])
async def test_a_connection_that_ends_is_an_error_whatever_had_come(
    reader: asyncio.StreamReader, wire: Wire, came: bytes
) -> None:
    reader.feed_data(came)
    reader.feed_eof()
    with pytest.raises(redis_errors.ConnectionError, match="closed"):
        await wire.receive()


async def test_a_connection_that_breaks_is_an_error_of_the_client(
    reader: asyncio.StreamReader, wire: Wire
) -> None:
    reader.set_exception(ConnectionResetError("reset by peer"))
    with pytest.raises(redis_errors.ConnectionError, match="reset by peer"):
        await wire.receive()


async def test_what_is_no_reply_is_refused(reader: asyncio.StreamReader, wire: Wire) -> None:
    reader.feed_data(b"HTTP/1.1 400\r\n")
    with pytest.raises(redis_errors.InvalidResponse):
        await wire.receive()
