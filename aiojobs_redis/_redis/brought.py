"""From a client that the user brought to the server that it talks to.

The client itself is never used and never closed: its connections belong to the user's loop and have
the user's decoding, retries and timeouts. Ours are made from its settings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redis.asyncio.client import Redis
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.connection import Connection, SSLConnection
from redis.asyncio.sentinel import SentinelConnectionPool, SentinelManagedSSLConnection

from aiojobs_redis._redis.cluster import ClusterEndpoint
from aiojobs_redis._redis.dialer import Dialer
from aiojobs_redis._redis.options import users_own
from aiojobs_redis._redis.sentinel import Sentinels
from aiojobs_redis.errors import ConfigInvalid

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

    from aiojobs_redis._redis.dialer import Endpoint

__all__ = ["Client", "endpoint_of_client"]

Client = Redis | RedisCluster

# Set by the cluster client itself from other arguments.
_NOT_OF_CLUSTER = ("driver_info", "host", "port", "redis_connect_func")


def endpoint_of_client(client: Client) -> Endpoint:
    """Take over the settings of a redis-py asyncio client.

    Raises:
        ConfigInvalid: It is not such a client.
    """
    if isinstance(client, RedisCluster):
        return _cluster(client)
    if not isinstance(client, Redis):
        raise ConfigInvalid(
            f"client must be a redis.asyncio.Redis or RedisCluster, got {type(client).__name__}; "
            "for other clients pass a url"
        )
    pool = client.connection_pool
    options = users_own(pool.connection_kwargs)
    if isinstance(pool, SentinelConnectionPool):
        return _sentinel(pool, options)
    kind: type[AbstractConnection] = pool.connection_class
    return Dialer(_label(options), kind, options)


def _label(options: dict[str, Any]) -> str:
    if "path" in options:
        return f"unix://{options['path']}"
    host, port = options.get("host", "localhost"), options.get("port", 6379)
    return f"{host}:{port}/{options.get('db') or 0}"


def _sentinel(pool: SentinelConnectionPool, options: dict[str, Any]) -> Dialer:
    service: str = pool.service_name
    pools = [sentinel.connection_pool for sentinel in pool.sentinel_manager.sentinels]
    settings = [users_own(one.connection_kwargs) for one in pools]
    secure = issubclass(pool.connection_class, SentinelManagedSSLConnection)
    kind: type[AbstractConnection] = SSLConnection if secure else Connection
    where = ",".join(f"{one.get('host')}:{one.get('port')}" for one in settings)
    locator = Sentinels(service, pools[0].connection_class, settings)
    return Dialer(f"{service} at {where}", kind, options, locator=locator)


def _cluster(client: RedisCluster) -> ClusterEndpoint:
    settings = client.connection_kwargs
    options = {
        name: value
        for name, value in users_own(settings).items()
        if name not in _NOT_OF_CLUSTER and value is not None
    }
    if issubclass(settings["connection_class"], SSLConnection):
        options["ssl"] = True
    remap = client.nodes_manager.address_remap
    if remap is not None:
        options["address_remap"] = remap
    nodes = [(node.host, int(node.port)) for node in client.nodes_manager.startup_nodes.values()]
    label = f"cluster {','.join(f'{host}:{port}' for host, port in nodes)}"
    return ClusterEndpoint(label, nodes, options)
