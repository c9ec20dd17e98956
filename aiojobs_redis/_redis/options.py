"""Connection settings: which of them are the user's and which are ours.

Whatever a URL or a brought client says, the settings that the protocol of the queue relies on are
set explicitly here and never left to a default of redis-py: in particular no retries, because a
reply that was lost must surface for the operation ids to resolve it.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

import redis
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.retry import Retry as SyncRetry

from aiojobs_redis._redis.compat import is_fake
from aiojobs_redis.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redis.asyncio.connection import AbstractConnection

__all__ = ["async_options", "driver_options", "sync_class", "sync_options", "users_own"]

# Settings of the user that we replace, or that belong to one client object and cannot be shared.
_REPLACED: Final = frozenset(
    {
        "connection_class",
        "connection_pool",
        "decode_responses",
        "encoder_class",
        "encoding",
        "encoding_errors",
        "event_dispatcher",
        "health_check_interval",
        "himport_registry",
        "legacy_responses",
        "lib_name",
        "lib_version",
        "max_connections",
        "parser_class",
        "protocol",
        "response_callbacks",
        "retry",
        "retry_on_error",
        "retry_on_timeout",
        "socket_connect_timeout",
        "socket_timeout",
        "timeout",
    }
)
_REPLACED_FAMILIES: Final = ("maint_", "maintenance_", "orig_", "oss_cluster_")

_SYNC_CLASSES: Final[Mapping[type[Any], type[Any]]] = {
    Connection: redis.Connection,
    SSLConnection: redis.SSLConnection,
    UnixDomainSocketConnection: redis.UnixDomainSocketConnection,
}


def users_own(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that stay the user's: address, credentials, TLS, keep-alive."""
    return {
        name: value
        for name, value in options.items()
        if name not in _REPLACED and not name.startswith(_REPLACED_FAMILIES)
    }


def async_options(timeout: float) -> dict[str, Any]:
    """Return our settings for a connection on an event loop.

    Args:
        timeout: Seconds to connect. Replies have no timeout of redis-py's, which would cost a task
            or two timers a command; the link watches over them with one timer of its own.
    """
    return {**_common(timeout), "retry": Retry(NoBackoff(), 0), "socket_timeout": None}


def sync_options(timeout: float) -> dict[str, Any]:
    """Return our settings for a blocking connection; `timeout` in seconds holds for each step."""
    return {**_common(timeout), "retry": SyncRetry(NoBackoff(), 0), "socket_timeout": timeout}


def driver_options(connection_class: type[AbstractConnection]) -> Mapping[str, Any]:
    """Return what a connection tells the server of its library, as in ``CLIENT LIST``.

    Where it is not given, redis-py reads the metadata of its own package for each connection, which
    takes ten times as long as the rest of it. Empty for a class of the user's own.
    """
    return _driver() if sync_class(connection_class) is not None else {}


def sync_class(connection_class: type[AbstractConnection]) -> type[Any] | None:
    """Return the blocking class of the same kind, or None for a class of the user's own."""
    if is_fake(connection_class):
        from fakeredis import FakeRedisConnection

        return FakeRedisConnection
    return _SYNC_CLASSES.get(connection_class)


@cache
def _driver() -> Mapping[str, Any]:
    try:
        from redis.driver_info import DriverInfo
    except ImportError:
        # Before redis-py 7.
        return {}
    return {"driver_info": DriverInfo().add_upstream_driver("aiojobs-redis", VERSION)}


def _common(timeout: float) -> dict[str, Any]:
    return {
        "decode_responses": False,
        "health_check_interval": 0,
        "protocol": 2,
        "socket_connect_timeout": timeout,
    }
