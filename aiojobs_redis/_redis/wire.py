"""Commands out and replies in, on a connection that redis-py has opened.

redis-py finds the server, authenticates and speaks TLS; what comes after that goes straight to the
connection's streams and through hiredis. Its own way for each command takes 10 µs more of the
100 µs that a call takes, and 30 µs of the way of a job from its enqueue to its start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import hiredis
from redis import exceptions as redis_errors

from aiojobs_redis._redis import compat

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from collections.abc import Callable

    from redis.asyncio.connection import AbstractConnection

__all__ = ["ClientWire", "Wire", "wire_of"]

_CHUNK: Final = 65536
_INCOMPLETE: Final = object()
_untyped: Any = hiredis
_reader: Final[Callable[..., Any]] = _untyped.Reader


class Wire:
    """One open connection.

    Args:
        reader: Its stream of replies.
        writer: Its stream of commands.
        parse_error: Makes an exception of an error reply.
    """

    __slots__ = ("_parser", "_reader", "_writer")

    def __init__(
        self, reader: StreamReader, writer: StreamWriter, parse_error: Callable[[str], Exception]
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._parser = _reader(
            protocolError=redis_errors.InvalidResponse,
            replyError=parse_error,
            notEnoughData=_INCOMPLETE,
        )

    @property
    def unread(self) -> bool:
        """Whether something has come that nobody asked for, as from a proxy about to close."""
        return compat.has_buffered(self._reader) or bool(self._parser.has_data())

    async def send(self, command: bytes) -> None:
        """Send a packed command.

        It does not wait until the command has left: a link carries one at a time, so that no more
        than that can pile up.
        """
        self._writer.write(command)

    async def receive(self) -> Any:
        """Return the next reply.

        Raises:
            redis.exceptions.RedisError: An error reply, or the connection is gone.
        """
        try:
            reply = self._parser.gets()
            while reply is _INCOMPLETE:
                data = await self._reader.read(_CHUNK)
                if not data:
                    raise redis_errors.ConnectionError("the server closed the connection")
                self._parser.feed(data)
                reply = self._parser.gets()
        except OSError as error:
            raise redis_errors.ConnectionError(f"the connection failed: {error}") from error
        if isinstance(reply, Exception):
            raise reply
        return reply


class ClientWire:
    """One open connection by redis-py's methods: the in-memory server's, or of a brought class."""

    __slots__ = ("_connection",)

    def __init__(self, connection: AbstractConnection) -> None:
        self._connection = connection

    @property
    def unread(self) -> bool:
        """Not known of this one."""
        return False

    async def send(self, command: bytes) -> None:
        """Send a packed command."""
        await self._connection.send_packed_command([command], check_health=False)

    async def receive(self) -> Any:
        """Return the next reply; raises as `Wire.receive`."""
        return await self._connection.read_response()


def wire_of(connection: AbstractConnection) -> Wire | ClientWire:
    """Return the wire of a connection that redis-py has just opened."""
    streams = compat.streams(connection)
    return ClientWire(connection) if streams is None else Wire(*streams)
