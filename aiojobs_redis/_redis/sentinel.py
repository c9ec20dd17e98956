"""Finds the master that Redis Sentinel names at the time of each connect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redis import exceptions as redis_errors

from aiojobs_redis._redis import compat
from aiojobs_redis._redis.options import (
    async_options,
    driver_options,
    sync_class,
    sync_options,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from redis.asyncio.connection import AbstractConnection

__all__ = ["Sentinels"]


class Sentinels:
    """Asks Sentinels in turn; the one that answered last is asked first.

    Args:
        service: Name of the master in the Sentinels' configuration.
        connection_class: redis-py's class of asyncio connections to a Sentinel.
        sentinels: The settings of each Sentinel: address, credentials, TLS.
    """

    def __init__(
        self,
        service: str,
        connection_class: type[AbstractConnection],
        sentinels: Sequence[Mapping[str, Any]],
    ) -> None:
        self._service = service
        self._class = connection_class
        driver = driver_options(connection_class)
        self._sentinels: list[Mapping[str, Any]] = [
            {**driver, **settings} for settings in sentinels
        ]

    async def find(self, timeout: float) -> Mapping[str, Any]:
        """Return host and port of the master.

        Args:
            timeout: Seconds for the whole search; a Sentinel that hangs gets its share of them.

        Raises:
            redis.exceptions.ConnectionError: No Sentinel answered, or none knows the master.
        """
        share = timeout / (len(self._sentinels) + 1)
        for options in self._sentinels:
            connection: Any = self._class(**{**options, **async_options(share)})
            connection.socket_timeout = share
            try:
                await connection.connect()
                await connection.send_command(*self._question(), check_health=False)
                reply = await connection.read_response()
            except (redis_errors.RedisError, OSError):
                continue
            finally:
                compat.release(connection)
            if reply:
                return self._found(options, reply)
        raise self._nobody()

    def find_sync(self, timeout: float) -> Mapping[str, Any]:
        """Do the same from a thread."""
        kind = sync_class(self._class)
        if kind is None:
            raise self._nobody()
        share = timeout / (len(self._sentinels) + 1)
        for options in self._sentinels:
            connection = kind(**{**options, **sync_options(share)})
            try:
                connection.connect()
                connection.send_command(*self._question(), check_health=False)
                reply = connection.read_response()
            except (redis_errors.RedisError, OSError):
                continue
            finally:
                connection.disconnect()
            if reply:
                return self._found(options, reply)
        raise self._nobody()

    def close(self) -> None:
        """End the use of the server by this process: nothing is held."""

    def _question(self) -> tuple[str, ...]:
        return ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._service)

    def _found(self, options: Mapping[str, Any], reply: list[bytes]) -> dict[str, Any]:
        # Replaced, not changed in place: a thread may be walking through the list.
        self._sentinels = [options, *(other for other in self._sentinels if other is not options)]
        return {"host": reply[0].decode(), "port": int(reply[1])}

    def _nobody(self) -> redis_errors.ConnectionError:
        return redis_errors.ConnectionError(
            f"none of {len(self._sentinels)} Sentinels names a master for {self._service!r}"
        )
