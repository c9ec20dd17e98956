"""One dedicated connection to Redis on an event loop.

A reply is only ever read by the call it belongs to: whatever interrupts a call, be it a timeout, an
error or a cancellation, closes the connection, and the next call opens another.

A link has one owner and carries one call at a time. The deadline of a call costs no timer of its
own: one timer a link looks at the deadline of whatever call is in flight then.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from redis import exceptions as redis_errors

from aiojobs_redis._redis import compat
from aiojobs_redis._redis.faults import Fault, classify
from aiojobs_redis._redis.open_links import enlist
from aiojobs_redis._redis.packing import pack
from aiojobs_redis._redis.wire import wire_of

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from redis.asyncio.connection import AbstractConnection

    from aiojobs_redis._redis.dialer import Dialer
    from aiojobs_redis._redis.packing import Argument
    from aiojobs_redis._redis.wire import ClientWire, Wire

__all__ = ["DirectLink"]

# A timer that fires this late stood behind a loop that was blocked: the reply may have arrived.
_LATE: Final = 0.1


class DirectLink:
    """A link to a single server, found anew at each connect.

    Args:
        dialer: Opens the connections.
        timeout: Seconds for a connect and for a reply.
    """

    __slots__ = (
        "__weakref__",
        "_aborted",
        "_connection",
        "_deadline",
        "_dialer",
        "_expired",
        "_loop",
        "_opening",
        "_timeout",
        "_timer",
        "_wire",
    )

    def __init__(self, dialer: Dialer, timeout: float) -> None:
        self._dialer = dialer
        self._timeout = timeout
        self._connection: AbstractConnection | None = None
        self._wire: Wire | ClientWire
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opening: asyncio.Timeout | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline: float | None = None
        self._aborted = False
        self._expired = False
        enlist(self)

    @property
    def server(self) -> str:
        """Name of the server for messages, free of secrets."""
        return self._dialer.label

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop of its connection, None while there is none."""
        return self._loop

    @property
    def connection(self) -> object | None:
        """What carries its calls; see `Link.connection`."""
        connection = self._connection
        return None if connection is None or self._is_spoilt(connection) else connection

    def call(self, *args: Argument, timeout: float | None = None) -> Coroutine[Any, Any, Any]:
        """Send one command and return its reply; see `Link.call`."""
        return self._exchange(pack(args), self._timeout if timeout is None else timeout)

    async def follow(self, *args: Argument, timeout: float) -> Any:
        """Send a command over the connection of the call before; see `Link.follow`."""
        connection = self._connection
        if connection is None or self._is_spoilt(connection):
            raise redis_errors.ConnectionError(f"the connection to {self.server} is gone")
        return await self._exchange(pack(args), timeout)

    async def receive(self, timeout: float) -> Any:
        """Return the next message of a subscription; see `Link.receive`."""
        if self._connection is None:
            raise redis_errors.ConnectionError(f"no subscription at {self.server}")
        return await self._exchange(None, timeout)

    async def say(self, *args: Argument) -> None:
        """Send a command of a subscription; see `Link.say`."""
        if self._connection is None:
            raise redis_errors.ConnectionError(f"no subscription at {self.server}")
        await self._wire.send(pack(args))

    async def _exchange(self, command: bytes | None, seconds: float) -> Any:
        if self._deadline is not None:
            raise RuntimeError("a link carries one call at a time; borrow another link")
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self.abandon()
            self._loop = loop
        self._aborted = self._expired = False
        self._deadline = deadline = loop.time() + seconds
        try:
            connection = self._connection
            if command is not None and connection is not None and self._is_spoilt(connection):
                # Noticed before anything was sent, so nothing can have been applied.
                self._release()
                connection = None
            if connection is None:
                connection = await self._open(loop)
                self._deadline = deadline = loop.time() + seconds
            timer = self._timer
            if timer is None or timer.when() > deadline:
                self._watch(loop, deadline)
            if command is not None:
                await self._wire.send(command)
            return await self._wire.receive()
        except redis_errors.ResponseError as error:
            if self._aborted or self._expired:
                raise self._interruption(seconds) from None
            if classify(error) is Fault.RETRY:
                # A demoted master or a moved slot: only a new connect finds the right server.
                self._release()
            raise
        except BaseException as error:
            self._release()
            if (self._expired or self._aborted) and not isinstance(error, asyncio.CancelledError):
                raise self._interruption(seconds) from None
            raise
        finally:
            self._deadline = None
            if self._aborted or self._expired:
                self._release()

    async def close(self) -> None:
        """Close the connection; a later call opens another."""
        self.abort()

    def abort(self) -> None:
        """Close the connection at once; a call in flight ends with a `ConnectionError`."""
        if self._loop is None or self._loop.is_closed():
            self.abandon()
            return
        if self._deadline is None:
            self._release()
        else:
            self._aborted = True
            if self._opening is not None:
                if not self._opening.expired():
                    self._opening.reschedule(self._loop.time())
            elif self._connection is not None:
                compat.abort(self._connection)

    def abandon(self) -> None:
        """Forget a connection whose loop is closed or belongs to the parent of a fork."""
        connection, self._connection = self._connection, None
        self._loop = self._timer = self._deadline = self._opening = None
        if connection is not None:
            compat.abandon(connection)

    async def _open(self, loop: asyncio.AbstractEventLoop) -> AbstractConnection:
        self._opening = limit = asyncio.timeout_at(loop.time() + self._timeout)
        try:
            async with limit:
                connection = await self._dialer.dial(self._timeout)
        except TimeoutError:
            raise redis_errors.TimeoutError(
                f"no connection to {self.server} within {self._timeout:g} s"
            ) from None
        finally:
            self._opening = None
        self._connection = connection
        self._wire = wire_of(connection)
        return connection

    def _is_spoilt(self, connection: AbstractConnection) -> bool:
        # What nobody asked for would be read as the reply to the next call.
        return compat.is_lost(connection) or self._wire.unread

    def _watch(self, loop: asyncio.AbstractEventLoop, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(deadline, self._look, loop, deadline)

    def _look(self, loop: asyncio.AbstractEventLoop, planned: float) -> None:
        self._timer = None
        if self._deadline is None or self._connection is None:
            return
        now = loop.time()
        if now < self._deadline:
            self._watch(loop, self._deadline)
        elif now > planned + _LATE:
            self._watch(loop, now + _LATE)
        else:
            self._expired = True
            compat.abort(self._connection)

    def _release(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        connection, self._connection = self._connection, None
        if connection is not None:
            compat.release(connection)

    def _interruption(self, seconds: float) -> redis_errors.RedisError:
        if self._aborted:
            return redis_errors.ConnectionError(f"the connection to {self.server} was closed here")
        return redis_errors.TimeoutError(f"no reply from {self.server} within {seconds:g} s")
