"""The few things that redis-py and asyncio offer no public way for, kept in one place.

Each works with redis-py 6, 7 and 8, for TCP, TLS, unix sockets and fakeredis, under asyncio's own
loop and uvloop.
"""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from redis.exceptions import ResponseError

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from collections.abc import Callable, Iterator

    from redis.asyncio.cluster import ClusterNode, RedisCluster
    from redis.asyncio.connection import AbstractConnection

__all__ = [
    "abandon",
    "abandon_cluster",
    "abort",
    "abort_cluster",
    "has_buffered",
    "is_fake",
    "is_lost",
    "release",
    "release_cluster",
    "set_timeout",
    "streams",
]


def is_fake(connection_class: type[Any]) -> bool:
    """Whether connections of this class talk to fakeredis."""
    return any(
        base.__module__.partition(".")[0] == "fakeredis" for base in connection_class.__mro__
    )


def streams(
    connection: AbstractConnection,
) -> tuple[StreamReader, StreamWriter, Callable[[str], Exception]] | None:
    """Return the streams of an open connection and what makes exceptions of its error replies.

    None for fakeredis, which has none, and for a class of somebody else, which may do more with
    what it sends and reads.
    """
    if type(connection).__module__.partition(".")[0] != "redis":
        return None
    parser: Any = connection._parser
    reader: Any = connection._reader
    writer: Any = connection._writer
    return reader, writer, parser.parse_error


def is_lost(connection: AbstractConnection) -> bool:
    """Whether the other side is known to have closed an idle connection."""
    reader: Any = connection._reader
    return reader is None or reader.at_eof() or getattr(reader, "_exception", None) is not None


def has_buffered(reader: StreamReader) -> bool:
    """Whether a stream holds bytes that nobody has read."""
    stream: Any = reader
    return bool(stream._buffer)


def abort(connection: AbstractConnection) -> None:
    """Close a connection at once, without waiting and without flushing.

    A call that waits for a reply on it fails in one of the next turns of the loop.
    """
    if is_fake(type(connection)):
        _abort_fake(connection)
    elif connection._writer is not None:
        connection._writer.transport.abort()


def release(connection: AbstractConnection) -> None:
    """Close a connection on which no call waits, so that it can be forgotten."""
    abort(connection)
    # redis-py warns of a connection that is collected with its streams still set.
    connection._reader = connection._writer = None


def abandon(connection: AbstractConnection) -> None:
    """Give up a connection whose loop is closed or belongs to the parent of a fork.

    The loop must not be touched: it raises when closed, and in a fork it would take the parent's
    sockets out of the selector that both share. So only this process's file descriptor goes.
    """
    writer = connection._writer
    connection._reader = connection._writer = None
    transport: Any = getattr(writer, "transport", None)
    if transport is None or transport.is_closing():
        return
    tls = getattr(transport, "_ssl_protocol", None)
    if tls is not None:
        transport._closed = True
        transport = tls._transport
    sock = getattr(transport, "_sock", None)
    if sock is None:
        # uvloop closes through its loop when it collects the transport: better never collected.
        _kept.append(transport)
        return
    # Marked as closed, or the collector would close it through the loop.
    transport._closing = True
    transport._sock = None
    with contextlib.suppress(OSError):
        sock.close()


def set_timeout(connection: Any, timeout: float) -> None:
    """Set the seconds for each step of an open blocking connection."""
    if not is_fake(type(connection)) and connection._sock is not None:
        connection._sock.settimeout(timeout)


def abort_cluster(client: RedisCluster) -> None:
    """Close all connections of a cluster client at once; a call in flight fails."""
    for connection in _connections(client):
        abort(connection)


def release_cluster(client: RedisCluster) -> None:
    """Close a cluster client on which no call waits, so that it can be forgotten."""
    for connection in _connections(client):
        release(connection)
    client._initialize = True


def abandon_cluster(client: RedisCluster) -> None:
    """Give up a cluster client whose loop is closed or belongs to the parent of a fork."""
    for connection in _connections(client):
        abandon(connection)
    client._initialize = True


_kept: list[object] = []


def _connections(client: RedisCluster) -> Iterator[AbstractConnection]:
    manager = client.nodes_manager
    # redis-py 6 has no list of the nodes that it was given.
    given: list[ClusterNode] = getattr(client, "startup_nodes", [])
    nodes = [*manager.nodes_cache.values(), *manager.startup_nodes.values(), *given]
    # Not a set of nodes: two objects for one address are equal, each with its own connections.
    for node in {id(node): node for node in nodes}.values():
        yield from node._connections


def _abort_fake(connection: Any) -> None:
    sock = connection._sock
    if sock is None:
        return
    if not sock._blocked:
        # Who waits for a message hears nothing of a close otherwise.
        sock.put_response(ResponseError("UNBLOCKED closed here"))
        return
    # A blocked command of a client that is gone must not go on to take an element.
    sock._unblock_reason = b"error"
    with sock._server.lock:
        sock._db.wake_all()
