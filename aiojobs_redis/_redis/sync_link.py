"""One blocking connection to Redis, for a thread.

As with a link, whatever interrupts a call closes the connection, and nothing is sent twice.
"""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING, Any

from redis import exceptions as redis_errors

from aiojobs_redis._redis import compat
from aiojobs_redis._redis.faults import Fault, classify
from aiojobs_redis._redis.packing import pack

if TYPE_CHECKING:
    from aiojobs_redis._redis.dialer import Dialer
    from aiojobs_redis._redis.packing import Argument

__all__ = ["DirectSyncLink"]


class DirectSyncLink:
    """A blocking link to a single server, found anew at each connect.

    Args:
        dialer: Opens the connections.
        timeout: Seconds for each step: find, connect, send, and each read of the reply.
    """

    __slots__ = ("__weakref__", "_connection", "_dialer", "_timeout")

    def __init__(self, dialer: Dialer, timeout: float) -> None:
        self._dialer = dialer
        self._timeout = timeout
        self._connection: Any = None
        _links.add(self)

    @property
    def server(self) -> str:
        """Name of the server for messages, free of secrets."""
        return self._dialer.label

    def call(self, *args: Argument) -> Any:
        """Send one command and return its reply; see `SyncLink.call`."""
        try:
            connection = self._connection
            if connection is None:
                self._connection = connection = self._dialer.dial_sync(self._timeout)
            connection.send_packed_command([pack(args)], check_health=False)
            return connection.read_response()
        except redis_errors.ResponseError as error:
            if classify(error) is Fault.RETRY:
                self.close()
            raise
        except BaseException:
            self.close()
            raise

    def set_timeout(self, timeout: float) -> None:
        """Set the seconds for each step from now on; see `SyncLink.set_timeout`."""
        if timeout != self._timeout:
            self._timeout = timeout
            if self._connection is not None:
                compat.set_timeout(self._connection, timeout)

    def close(self) -> None:
        """Close the connection; a later call opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()


_links: weakref.WeakSet[DirectSyncLink] = weakref.WeakSet()


def _forget_links_of_parent() -> None:
    for link in list(_links):
        # redis-py shuts a socket down only in the process that opened it.
        link.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_links_of_parent)
