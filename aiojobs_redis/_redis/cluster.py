"""Links to a Redis Cluster, through redis-py's cluster clients.

A link has a client of its own, because only a whole client can be closed under a blocked call. It
follows redirections, which were not applied where they came from, and repeats nothing else.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any, Final

import redis.asyncio.cluster
import redis.cluster
from redis import exceptions as redis_errors
from redis.asyncio.connection import Connection, SSLConnection

from aiojobs_redis._redis import compat
from aiojobs_redis._redis.dialer import Dialer
from aiojobs_redis._redis.faults import Fault, classify
from aiojobs_redis._redis.open_links import enlist
from aiojobs_redis._redis.options import async_options, sync_options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from redis.asyncio.connection import AbstractConnection

    from aiojobs_redis._redis.direct_link import DirectLink
    from aiojobs_redis._redis.packing import Argument

__all__ = ["ClusterEndpoint", "ClusterLink", "ClusterSyncLink"]

# Redirections and discovery need these replies parsed; everything else is handed on as it came.
_PARSED: Final = ("ASKING", "CLUSTER", "COMMAND")
_CLUSTER_ONLY: Final = frozenset({"address_remap", "ssl"})
# Without a key redis-py asks every node, and answers with a dictionary.
_KEYLESS: Final = frozenset({"INFO", "PING", "TIME"})


class ClusterEndpoint:
    """A Redis Cluster, known by some of its nodes.

    Args:
        label: Name for messages, free of secrets.
        nodes: Host and port of the nodes to ask for the topology.
        options: The user's settings, as `redis.asyncio.cluster.RedisCluster` names them.

    Raises:
        TypeError: `options` has a name that the cluster client does not know.
    """

    def __init__(
        self, label: str, nodes: Sequence[tuple[str, int]], options: Mapping[str, Any]
    ) -> None:
        self.label = label
        self.in_memory = False
        self.is_cluster = True
        self._nodes = nodes
        self._options = options

    def client(self, timeout: float) -> redis.asyncio.cluster.RedisCluster:
        """Make an asyncio client that is not connected yet."""
        made = redis.asyncio.cluster.RedisCluster(
            startup_nodes=[redis.asyncio.cluster.ClusterNode(*node) for node in self._nodes],
            **{**self._options, **async_options(timeout)},
        )
        for name in [name for name in made.response_callbacks if not name.startswith(_PARSED)]:
            del made.response_callbacks[name]
        return made

    def sync_client(self, timeout: float) -> Any:
        """Make a blocking client, which connects at once."""
        node: Any = redis.cluster.ClusterNode
        made = redis.cluster.RedisCluster(
            startup_nodes=[node(*address) for address in self._nodes],
            **{**self._options, **sync_options(timeout)},
        )
        made.cluster_response_callbacks.clear()
        return made

    def node_links(self, timeout: float) -> list[DirectLink]:
        """Make a link to each of the known nodes, for what any node does as well: messages."""
        kind: type[AbstractConnection] = SSLConnection if "ssl" in self._options else Connection
        own = {k: v for k, v in self._options.items() if k not in _CLUSTER_ONLY}
        return [
            Dialer(self.label, kind, {**own, "host": host, "port": port}).link(timeout)
            for host, port in self._nodes
        ]

    def link(self, timeout: float) -> ClusterLink:
        """Make a link; nothing is sent yet."""
        return ClusterLink(self, timeout)

    def sync_link(self, timeout: float) -> ClusterSyncLink:
        """Make a blocking link; nothing is sent yet."""
        return ClusterSyncLink(self, timeout)

    def close(self) -> None:
        """End the use of the server by this process."""


class ClusterLink:
    """A link to a Cluster; see `Link`.

    Args:
        endpoint: Makes the clients.
        timeout: Seconds for a connect and for a command with its redirections.
    """

    def __init__(self, endpoint: ClusterEndpoint, timeout: float) -> None:
        self._endpoint = endpoint
        self._timeout = timeout
        self._client: redis.asyncio.cluster.RedisCluster | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listener: DirectLink | None = None
        self._busy = False
        self._aborted = False
        enlist(self)

    @property
    def server(self) -> str:
        """Name of the server for messages, free of secrets."""
        return self._endpoint.label

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop of its connection, None while there is none."""
        return self._loop

    @property
    def connection(self) -> None:
        """Nothing: which connection redis-py takes in a Cluster is not known."""
        return

    async def call(self, *args: Argument, timeout: float | None = None) -> Any:
        """Send one command and return its reply; see `Link.call`."""
        if args[0] == "SUBSCRIBE":
            return await self._subscribe(args)
        if self._busy:
            raise RuntimeError("a link carries one call at a time; borrow another link")
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self.abandon()
            self._loop = loop
        seconds = self._timeout if timeout is None else timeout
        self._busy, self._aborted = True, False
        try:
            if self._client is None:
                self._client = self._endpoint.client(self._timeout)
            async with asyncio.timeout(seconds):
                return await self._client.execute_command(*_words(args), **_targets(args))
        except redis_errors.ResponseError as error:
            if classify(error) is Fault.RETRY:
                self._release()
            raise
        except TimeoutError:
            self._release()
            raise redis_errors.TimeoutError(
                f"no reply from {self.server} within {seconds:g} s"
            ) from None
        except BaseException as error:
            self._release()
            if self._aborted and not isinstance(error, asyncio.CancelledError):
                raise redis_errors.ConnectionError(
                    f"the connection to {self.server} was closed here"
                ) from None
            raise
        finally:
            self._busy = False
            if self._aborted:
                self._release()

    async def follow(self, *args: Argument, timeout: float) -> Any:
        """Refuse: which connection redis-py takes in a Cluster is not known."""
        raise redis_errors.ConnectionError(f"no call can follow another at the {self.server}")

    async def receive(self, timeout: float) -> Any:
        """Return the next message of a subscription; see `Link.receive`."""
        if self._listener is None:
            raise redis_errors.ConnectionError(f"no subscription at {self.server}")
        return await self._listener.receive(timeout)

    async def say(self, *args: Argument) -> None:
        """Send a command of a subscription; see `Link.say`."""
        if self._listener is None:
            raise redis_errors.ConnectionError(f"no subscription at {self.server}")
        await self._listener.say(*args)

    async def close(self) -> None:
        """Close the connections; a later call opens others."""
        self.abort()

    def abort(self) -> None:
        """Close the connections at once; a call in flight ends with a `ConnectionError`."""
        if self._listener is not None:
            self._listener.abort()
        if self._loop is None or self._loop.is_closed():
            self.abandon()
        elif self._busy:
            self._aborted = True
            if self._client is not None:
                compat.abort_cluster(self._client)
        else:
            self._release()

    def abandon(self) -> None:
        """Forget connections whose loop is closed or belongs to the parent of a fork."""
        client, self._client, self._loop, self._busy = self._client, None, None, False
        if client is not None:
            compat.abandon_cluster(client)

    async def _subscribe(self, args: tuple[Argument, ...]) -> Any:
        if self._listener is not None:
            return await self._listener.call(*args)
        for link in self._endpoint.node_links(self._timeout):
            try:
                reply = await link.call(*args)
            except (redis_errors.ConnectionError, redis_errors.TimeoutError):
                continue
            self._listener = link
            return reply
        raise redis_errors.ConnectionError(f"no node of the {self.server} can be reached")

    def _release(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            compat.release_cluster(client)


class ClusterSyncLink:
    """A blocking link to a Cluster; see `SyncLink`.

    Args:
        endpoint: Makes the clients.
        timeout: Seconds for each step of a command.
    """

    def __init__(self, endpoint: ClusterEndpoint, timeout: float) -> None:
        self._endpoint = endpoint
        self._timeout = timeout
        self._client: Any = None
        self._pid = os.getpid()

    @property
    def server(self) -> str:
        """Name of the server for messages, free of secrets."""
        return self._endpoint.label

    def call(self, *args: Argument) -> Any:
        """Send one command and return its reply; see `SyncLink.call`."""
        if self._pid != os.getpid():
            self._client, self._pid = None, os.getpid()
        try:
            if self._client is None:
                self._client = self._endpoint.sync_client(self._timeout)
            return self._client.execute_command(*_words(args), **_targets(args))
        except redis_errors.ResponseError as error:
            if classify(error) is Fault.RETRY:
                self.close()
            raise
        except BaseException:
            self.close()
            raise

    def set_timeout(self, timeout: float) -> None:
        """Set the seconds for each step from now on, with connections of their own."""
        if timeout != self._timeout:
            self.close()
            self._timeout = timeout

    def close(self) -> None:
        """Close the connections; a later call opens others."""
        client, self._client = self._client, None
        if client is not None:
            client.close()


def _words(args: tuple[Argument, ...]) -> tuple[Argument, ...]:
    # The cluster clients route by name, as text, and know "SCRIPT LOAD" but not "SCRIPT".
    name = _text(args[0])
    if name == "SCRIPT":
        return (f"SCRIPT {_text(args[1])}", *args[2:])
    return (name, *args[1:])


def _targets(args: tuple[Argument, ...]) -> dict[str, str]:
    if _text(args[0]) in _KEYLESS:
        return {"target_nodes": redis.cluster.RedisCluster.RANDOM}
    return {}


def _text(word: Argument) -> str:
    return word.decode() if isinstance(word, bytes) else str(word)
