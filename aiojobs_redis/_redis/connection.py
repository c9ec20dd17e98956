"""One Redis as this process sees it.

A server hands out dedicated links (for what blocks or must not wait) and lends shared ones (for
producers), a bounded number of connections however many queues use it. Links belong to the event
loop they were made on and to the process: another loop and a forked child get their own.
"""

from __future__ import annotations

import asyncio
import os
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from aiojobs_redis._redis.brought import Client, endpoint_of_client
from aiojobs_redis._redis.mailbox import Mailbox
from aiojobs_redis._redis.per_loop import PerLoop, take_closed
from aiojobs_redis._redis.pool import Borrowed, LinkPool
from aiojobs_redis._redis.url import endpoint_of, resolve_url

if TYPE_CHECKING:
    from aiojobs_redis._redis.dialer import Endpoint
    from aiojobs_redis._redis.link import Link, SyncLink

__all__ = ["Client", "Server"]

_TIMEOUT: Final = 5.0
_SHARED_LINKS: Final = 8


class Server:
    """One Redis, Sentinel-guarded Redis or Cluster, embedded or in memory.

    Made by `shared`, `from_url` or `from_client`. Making one connects to nothing.

    Attributes:
        stores: The queues on it that this process has at hand, by namespace and name.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._pools: dict[asyncio.AbstractEventLoop, LinkPool] = {}
        self._mailboxes = PerLoop(lambda: Mailbox(self.link))
        self._users = 1
        self._url: str | None = None
        self.stores: weakref.WeakValueDictionary[tuple[str, str], Any] = (
            weakref.WeakValueDictionary()
        )
        _servers.add(self)

    @classmethod
    def from_url(cls, url: str | None = None) -> Server:
        """Make a server of its own.

        Args:
            url: Where it is; None means the environment's AIOJOBS_REDIS_URL, then REDIS_URL, then
                redis://localhost:6379/0.

        Raises:
            ConfigInvalid: The URL cannot be understood, or what its scheme needs is not installed.
        """
        return cls(endpoint_of(resolve_url(url)))

    @classmethod
    def from_client(cls, client: Client) -> Server:
        """Make a server from the settings of a client, which is neither used nor closed.

        Raises:
            ConfigInvalid: It is not an asyncio client of redis-py.
        """
        return cls(endpoint_of_client(client))

    @classmethod
    def shared(cls, url: str | None = None) -> Server:
        """Return the process's one server of that URL, so that many queues share its links.

        Each call is to be matched by one `close`.

        Raises:
            ConfigInvalid: See `from_url`.
        """
        resolved = resolve_url(url)
        server = _shared.get(resolved)
        if server is None:
            server = _shared[resolved] = cls.from_url(resolved)
            server._url = resolved
        else:
            server._users += 1
        return server

    def __repr__(self) -> str:
        return f"Server({self.label!r})"

    @property
    def label(self) -> str:
        """Name of the server for messages, free of secrets."""
        return self._endpoint.label

    @property
    def in_memory(self) -> bool:
        """Whether it is fakeredis, which knows no shebang line of scripts."""
        return self._endpoint.in_memory

    @property
    def is_cluster(self) -> bool:
        """Whether keys of two queues can be on two servers, so that no command takes both."""
        return self._endpoint.is_cluster

    def link(self, timeout: float = _TIMEOUT) -> Link:
        """Make a dedicated link; it connects at its first call.

        Args:
            timeout: Seconds for a connect and for a reply.
        """
        return self._endpoint.link(timeout)

    def sync_link(self, timeout: float) -> SyncLink | None:
        """Make a blocking link for a thread; it connects at its first call.

        Args:
            timeout: Seconds for each step of a call.

        Returns:
            The link, or None when a brought client has a connection class or callback of its own,
            which cannot be carried over.
        """
        return self._endpoint.sync_link(timeout)

    def borrow(self) -> Borrowed:
        """Lend a shared link for the time of an ``async with``, first come first served."""
        return Borrowed(self.pool())

    def pool(self) -> LinkPool:
        """Return what lends the shared links of the running loop."""
        loop = asyncio.get_running_loop()
        pool = self._pools.get(loop)
        if pool is None:
            self._forget_closed_loops()
            pool = self._pools[loop] = LinkPool(self.link, _SHARED_LINKS)
        return pool

    def mailbox(self) -> Mailbox:
        """Return what listens for messages on the running loop."""
        return self._mailboxes.get()

    async def close(self) -> None:
        """End one use; the last one closes the shared links of this loop.

        An embedded server with a folder ends with its last user. Dedicated links are closed by
        their owners. A closed server connects again when it is used again.
        """
        self._users -= 1
        if self._users > 0:
            return
        if self._url is not None and _shared.get(self._url) is self:
            del _shared[self._url]
        self._forget_closed_loops()
        self.close_links()
        # Links of other loops still need the server.
        if not self._pools:
            # Not in the loop's own threads, all of which jobs may hold for ever.
            with ThreadPoolExecutor(1) as thread:
                await asyncio.get_running_loop().run_in_executor(thread, self._endpoint.close)

    def close_links(self) -> None:
        """Close the shared links of the running loop; who needs one there connects again."""
        pool = self._pools.pop(asyncio.get_running_loop(), None)
        if pool is not None:
            pool.abort()

    def _forget_closed_loops(self) -> None:
        for pool in take_closed(self._pools):
            pool.abort()

    def abandon(self) -> None:
        """Forget the links of all loops, in the child of a fork: they are the parent's."""
        self._pools.clear()


_shared: dict[str, Server] = {}
_servers: weakref.WeakSet[Server] = weakref.WeakSet()


def _forget_loops_of_parent() -> None:
    for server in list(_servers):
        server.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_loops_of_parent)
