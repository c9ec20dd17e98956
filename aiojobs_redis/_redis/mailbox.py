"""Messages of one server for who listens in this process: one connection, none while nobody does.

    opened ── the connection is there: SUBSCRIBE ──▶ asked ── confirmed ──▶ subscribed
      │                                                 └──── refused ────▶ told that none will come
      └── there is none: the first one opens it, and asks for all that are open by then

Each channel is asked for by a command of its own, whose answers come in their order: one that this
user may not hear is refused, and costs the others nothing. A connection that is lost is made anew
while anybody listens; what was sent meanwhile is lost, and whoever listens is to be able to do
without. A channel that was closed is heard, and dropped, until the last one is closed.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from typing import TYPE_CHECKING

from redis import exceptions as redis_errors

from aiojobs_redis._redis.faults import FAULTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiojobs_redis._redis.link import Link

__all__ = ["Mailbox"]

_log = logging.getLogger("aiojobs_redis.mailbox")

_SILENCE = 3600.0
"""Seconds without a message after which the connection is made anew: it may be half open."""


class Mailbox:
    """The subscriptions of one event loop at one server.

    Args:
        make_link: Makes the connection.
    """

    def __init__(self, make_link: Callable[[], Link]) -> None:
        self._make_link = make_link
        self._hear: dict[str, Callable[[bytes], object]] = {}
        self._answered: dict[str, asyncio.Event] = {}
        self._listening: asyncio.Task[None] | None = None
        self._link: Link | None = None
        self._asked: set[str] = set()
        self._unanswered: deque[str] = deque()
        self._down = False

    async def open(self, channel: str, hear: Callable[[bytes], object]) -> None:
        """Listen; return once messages come, or once it is known that none will for now.

        Args:
            channel: Its name.
            hear: Told of each message; it must not raise.
        """
        self._hear[channel] = hear
        answered = self._answered.setdefault(channel, asyncio.Event())
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen(), name="aiojobs-messages")
        elif self._link is not None:
            await self._ask(self._link, channel)
        if not self._down:
            await answered.wait()

    def close(self, channel: str) -> None:
        """Listen no more."""
        del self._hear[channel]
        if not self._hear and self._listening is not None:
            self._listening.cancel()
            self._listening = self._link = None
            self._down = False
            self._answered.clear()

    async def _listen(self) -> None:
        link = self._make_link()
        try:
            while True:
                self._asked.clear()
                self._unanswered.clear()
                # One that was closed meanwhile is not asked for any more.
                self._answered = {channel: self._answered[channel] for channel in self._hear}
                try:
                    await self._connect(link)
                    self._link, self._down = link, False
                    for channel in list(self._hear):
                        await self._ask(link, channel)
                    while True:
                        await self._receive(link)
                except Exception as error:
                    # Whatever it is: whoever listens can do without, and must not wait for it.
                    self._link, self._down = None, True
                    for answered in self._answered.values():
                        answered.set()
                    _log.debug("no messages for now: %s", error)
                    await asyncio.sleep(random.uniform(0.5, 1))  # noqa: S311 - jitter
        finally:
            link.abort()

    async def _connect(self, link: Link) -> None:
        """Ask for the first channel that is not refused."""
        refusal: Exception | None = None
        for channel in list(self._hear):
            self._asked.add(channel)
            try:
                await link.call("SUBSCRIBE", channel)
            except redis_errors.ResponseError as error:
                self._answer(channel)
                refusal = error
            else:
                self._answer(channel)
                return
        if refusal is not None:
            raise refusal

    async def _ask(self, link: Link, channel: str) -> None:
        if channel in self._asked:
            return
        self._asked.add(channel)
        self._unanswered.append(channel)
        try:
            await link.say("SUBSCRIBE", channel)
        except FAULTS as error:
            # Who reads the answers meets with the same, and connects again.
            _log.debug("cannot ask for messages now: %s", error)

    async def _receive(self, link: Link) -> None:
        try:
            message = await link.receive(_SILENCE)
        except redis_errors.ResponseError as error:
            if not self._unanswered:
                raise
            _log.debug("no messages of %s: %s", self._unanswered[0], error)
            self._answer(self._unanswered.popleft())
            return
        channel = message[1].decode(errors="replace")
        if message[0] == b"subscribe" and channel in self._unanswered:
            self._unanswered.remove(channel)
            self._answer(channel)
        elif message[0] == b"message" and channel in self._hear:
            self._hear[channel](message[2])

    def _answer(self, channel: str) -> None:
        if channel in self._answered:
            self._answered[channel].set()
