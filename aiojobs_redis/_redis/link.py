"""What the rest of the package sees of a connection to Redis: commands go in, replies come out.

A link has one owner and carries one call at a time. A reply is only ever read by the call it
belongs to, and nothing is sent twice behind the caller's back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from aiojobs_redis._redis.packing import Argument

__all__ = ["Link", "SyncLink"]


class Link(Protocol):
    """What sends commands to one Redis, one at a time."""

    @property
    def server(self) -> str:
        """Name of the server for messages, free of secrets."""
        ...

    @property
    def connection(self) -> object | None:
        """What carries its calls: another object after each connect, None while there is none.

        One that is known to be lost is none, though no call has met with it yet.
        """
        ...

    def call(self, *args: Argument, timeout: float | None = None) -> Coroutine[Any, Any, Any]:
        """Send one command and return its reply.

        Args:
            args: The command, each word an argument of its own. Text travels as UTF-8.
            timeout: Seconds to wait for the reply instead of the link's own.

        Returns:
            The reply as RESP2 gives it: bytes, int, list or None.

        Raises:
            redis.exceptions.RedisError: See `faults.classify`. After anything but a
                `ResponseError` it is unknown whether the command was applied.
        """
        ...

    async def follow(self, *args: Argument, timeout: float) -> Any:
        """Send a command over the very connection that carried the call before.

        Raises:
            redis.exceptions.ConnectionError: That connection is gone; nothing was sent.
            redis.exceptions.RedisError: As for `call`.
        """
        ...

    async def receive(self, timeout: float) -> Any:
        """Return the next message, after a call of SUBSCRIBE on this link.

        Args:
            timeout: Seconds to wait; when they pass, the connection is closed.

        Raises:
            redis.exceptions.RedisError: The connection is gone, and the subscription with it.
        """
        ...

    async def say(self, *args: Argument) -> None:
        """Send a command of a subscription, also while `receive` waits; its answer is a message.

        Raises:
            redis.exceptions.RedisError: The connection is gone.
        """
        ...

    async def close(self) -> None:
        """Close the connection; a later call opens another."""
        ...

    def abort(self) -> None:
        """Close the connection at once; a call in flight ends with a `ConnectionError`."""
        ...


class SyncLink(Protocol):
    """What sends commands to one Redis from one thread."""

    @property
    def server(self) -> str:
        """Name of the server for messages, free of secrets."""
        ...

    def call(self, *args: Argument) -> Any:
        """Send one command and return its reply as RESP2 gives it.

        Args:
            args: The command, each word an argument of its own.

        Raises:
            redis.exceptions.RedisError: See `faults.classify`.
        """
        ...

    def set_timeout(self, timeout: float) -> None:
        """Set the seconds for each step from now on; an open connection stays."""
        ...

    def close(self) -> None:
        """Close the connection; a later call opens another."""
        ...
