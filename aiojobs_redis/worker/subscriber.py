"""Hears at once what would else wait: that a running job is to be cancelled, a word for the worker.

A connection a server carries the messages for all lanes there, and no command while nobody
cancels; it goes on until the last run has ended. Each message names the lease, so that one which
comes late ends no later attempt. It is a hint that may be lost: the renewal of the lease, 5 s later
at most, tells the same. What was published before it listened, or while its connection was lost, is
asked for by a renewal at once. The message that there is a word has no content: a beat reads it.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from aiojobs_redis.worker.outage import Outage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiojobs_redis.worker.lane import Lane
    from aiojobs_redis.worker.stopping import Stopping

__all__ = ["Subscriber"]

_DIGITS = 10
_SILENCE = 300.0
"""Seconds without a message after which the connection is made anew: it may be half open."""


class Subscriber:
    """Listens for some lanes of one server.

    Args:
        lanes: The lanes.
        on_subscribed: Told each time that it begins to listen.
        stopping: Ends it.
    """

    def __init__(
        self, lanes: Sequence[Lane], on_subscribed: Callable[[], object], stopping: Stopping
    ) -> None:
        self._on_subscribed = on_subscribed
        self._lanes = {lane.store.cancel_channel(lane.worker): lane for lane in lanes}
        self._stopping = stopping
        self._heard = math.inf
        server = lanes[0].store.server
        self._link = server.link()
        self._outage = Outage("listen for cancellations", server.label, stopping)

    async def run(self) -> None:
        """Listen until the last completion is accepted."""
        loop, ended = asyncio.get_running_loop(), self._stopping.ended
        try:
            while not ended.is_set():
                self._heard = math.inf
                try:
                    await self._link.call("SUBSCRIBE", *self._lanes)
                    self._outage.over()
                    self._on_subscribed()
                    while True:
                        self._heard = loop.time()
                        self._hear(await self._link.receive(_SILENCE))
                except Exception as error:
                    # Whatever it is, the renewals tell of cancellations too.
                    silent = loop.time() - self._heard >= _SILENCE
                    if not ended.is_set() and not silent:
                        await self._outage.pause(error)
        finally:
            self._link.abort()

    def stop(self) -> None:
        """End the wait at once."""
        self._link.abort()

    def _hear(self, message: list[bytes]) -> None:
        lane = self._lanes.get(message[1])
        if message[0] != b"message" or lane is None:
            return
        if message[2] == b"beat":
            lane.on_word()
            return
        # What is no message of cancel.lua names no lease that is held here.
        token, _, rest = message[2].partition(b" ")
        size, _, rest = rest.partition(b":")
        length = int(size) if size.isdigit() and len(size) <= _DIGITS else 0
        lane.cancel(rest[:length], token.decode(errors="replace"), rest[length:])
