"""Opens connections to one server, on an event loop and blocking, from one set of options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from redis import exceptions as redis_errors

from aiojobs_redis._redis import compat
from aiojobs_redis._redis.direct_link import DirectLink
from aiojobs_redis._redis.options import (
    async_options,
    driver_options,
    sync_class,
    sync_options,
)
from aiojobs_redis._redis.sync_link import DirectSyncLink

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redis.asyncio.connection import AbstractConnection

    from aiojobs_redis._redis.link import Link, SyncLink

__all__ = ["Dialer", "Endpoint", "Locator"]


class Endpoint(Protocol):
    """A Redis, whatever its topology, that hands out links."""

    @property
    def label(self) -> str:
        """Name for messages, free of secrets."""
        ...

    @property
    def in_memory(self) -> bool:
        """Whether it is fakeredis, which knows no shebang line of scripts."""
        ...

    @property
    def is_cluster(self) -> bool:
        """Whether it is a Cluster."""
        ...

    def link(self, timeout: float) -> Link:
        """Make a link; nothing is sent yet."""
        ...

    def sync_link(self, timeout: float) -> SyncLink | None:
        """Make a blocking link, or None where the settings cannot be carried over."""
        ...

    def close(self) -> None:
        """End the use of the server by this process."""
        ...


class Locator(Protocol):
    """Finds, at each connect, where the server is by then."""

    async def find(self, timeout: float) -> Mapping[str, Any]:
        """Return the settings of the address, within `timeout` seconds."""
        ...

    def find_sync(self, timeout: float) -> Mapping[str, Any]:
        """Do the same from a thread."""
        ...

    def close(self) -> None:
        """End the use of the server by this process."""
        ...


class Dialer:
    """Opens connections to a single server.

    Args:
        label: Name for messages, free of secrets.
        connection_class: redis-py's class of asyncio connections.
        options: The user's settings for it.
        locator: Finds the address where it may change; None where it stands in `options`.

    Raises:
        TypeError: `options` has a name that the class does not know.
    """

    def __init__(
        self,
        label: str,
        connection_class: type[AbstractConnection],
        options: Mapping[str, Any],
        locator: Locator | None = None,
    ) -> None:
        self.label = label
        self.in_memory = compat.is_fake(connection_class)
        self.is_cluster = False
        self._class = connection_class
        self._sync_class = sync_class(connection_class)
        self._options = {**driver_options(connection_class), **options}
        self._locator = locator
        connection_class(**{**self._options, **async_options(1.0)})

    async def dial(self, timeout: float) -> AbstractConnection:
        """Open a connection, `timeout` seconds a step."""
        address = {} if self._locator is None else await self._locator.find(timeout)
        connection: Any = self._class(**{**self._options, **address, **async_options(timeout)})
        try:
            await connection.connect()
        except BaseException:
            compat.release(connection)
            raise
        opened: AbstractConnection = connection
        return opened

    def dial_sync(self, timeout: float) -> Any:
        """Open a blocking connection, `timeout` seconds a step."""
        if self._sync_class is None:
            raise redis_errors.ConnectionError(f"no blocking connection to {self.label}")
        address = {} if self._locator is None else self._locator.find_sync(timeout)
        connection = self._sync_class(**{**self._options, **address, **sync_options(timeout)})
        connection.connect()
        return connection

    def link(self, timeout: float) -> DirectLink:
        """Make a link; nothing is sent yet."""
        return DirectLink(self, timeout)

    def sync_link(self, timeout: float) -> DirectSyncLink | None:
        """Make a blocking link, or None for a connection class of the user's own."""
        # A connect callback may be a coroutine function or expect an asyncio connection.
        if self._sync_class is None or self._options.get("redis_connect_func") is not None:
            return None
        return DirectSyncLink(self, timeout)

    def close(self) -> None:
        """End the use of the server by this process."""
        if self._locator is not None:
            self._locator.close()
