"""The links that all producers of one event loop share, a bounded number of them."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from aiojobs_redis._redis.link import Link

__all__ = ["Borrowed", "LinkPool"]


class LinkPool:
    """Lends links, first come first served.

    Args:
        make: Makes a link.
        limit: The most links at a time; who comes later waits.
    """

    def __init__(self, make: Callable[[], Link], limit: int) -> None:
        self._make = make
        self._limit = limit
        # Last in, first out: a quiet process stays on one connection.
        self._idle: list[Link] = []
        self._links: list[Link] = []
        # Those who wait are handed a link by whoever gives one back, so that nobody overtakes them.
        self._waiting: deque[asyncio.Future[Link]] = deque()

    async def take(self) -> Link:
        """Wait for a turn and return a link; give it back with `put`."""
        if self._idle:
            return self._idle.pop()
        if len(self._links) < self._limit:
            link = self._make()
            self._links.append(link)
            return link
        turn: asyncio.Future[Link] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            return await turn
        except asyncio.CancelledError:
            # Cancelled in the moment in which it was handed one.
            if turn.done() and not turn.cancelled():
                self.put(turn.result())
            raise

    def put(self, link: Link) -> None:
        """Give a link back."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(link)
                return
        self._idle.append(link)

    def abort(self) -> None:
        """Close all links at once; calls in flight fail, later ones connect again."""
        for link in self._links:
            link.abort()


class Borrowed:
    """Context manager around one loan of a link."""

    __slots__ = ("_link", "_pool")

    def __init__(self, pool: LinkPool) -> None:
        self._pool = pool
        self._link: Link | None = None

    async def __aenter__(self) -> Link:
        self._link = link = await self._pool.take()
        return link

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._link is not None:
            self._pool.put(self._link)
