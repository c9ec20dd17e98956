"""Tells other queues of the jobs of this one that they wait for, and asks for what it waits for.

Whoever ends such a job hands it over at once, and asks at once for what a job of its own begins to
wait for; the leader looks after what was left undone, and for jobs that wait for each other.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from aiojobs_redis._redis.abroad import ask_again, hand_over, learn_abroad
from aiojobs_redis._redis.circles import Circles
from aiojobs_redis.errors import AiojobsError
from aiojobs_redis.worker.loop import Loop

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from aiojobs_redis._redis.store import Beat
    from aiojobs_redis.worker.lane import Lane
    from aiojobs_redis.worker.stopping import Stopping

__all__ = ["Handover"]

_ASK = 5.0
_IDLE = 3600.0


class Handover:
    """What a lane says to other queues, and asks of them.

    Args:
        lane: The lane.
        stopping: Ends it, once all that its runs have ended is handed over.

    Attributes:
        words: How often it has begun to tell others, or to ask them.
    """

    def __init__(self, lane: Lane, stopping: Stopping) -> None:
        self._lane = lane
        self._sends = self._asks = False
        self._named: set[str] = set()
        self.words: int = 0
        self._on_the_way = 0
        self._failing = False
        self._next_ask = 0.0
        self._after = b""
        self._circles = Circles()
        self.sending: Loop = Loop(
            "tell other queues of ended jobs",
            self._send,
            interval=_IDLE,
            server=lane.store.server.label,
            stopping=stopping,
            to_the_end=True,
        )
        self.asking: Loop = Loop(
            "ask other queues for jobs",
            self._ask,
            interval=_IDLE,
            server=lane.store.server.label,
            stopping=stopping,
        )
        lane.on_to_send = self.send
        lane.on_to_ask = self.ask

    @property
    def busy(self) -> bool:
        """Whether it has anything to tell or to ask, and can; or does so now."""
        left = self._sends or self._asks or bool(self._named)
        return self._on_the_way > 0 or (left and not self._failing)

    def send(self) -> None:
        """Hand over, now."""
        self._sends = True
        self.sending.plan(0)

    def ask(self, names: Iterable[str]) -> None:
        """Ask for jobs of other queues, now.

        Args:
            names: How they are called among the parents of the job that waits for them.
        """
        self._named.update(names)
        self.asking.plan(0)

    def look(self, beat: Beat) -> None:
        """Take note of what a beat found to do."""
        if not beat.leads:
            return
        if beat.to_send:
            self.send()
        if beat.to_ask and asyncio.get_running_loop().time() >= self._next_ask:
            self._asks = True
            self.asking.plan(0)

    async def finish(self) -> None:
        """Hand over what the last completions have ended.

        Raises:
            QueueUnavailable: Redis did not answer; somebody else will do it.
        """
        await self._send()

    async def _send(self) -> None:
        lane = self._lane
        while self._sends:
            self._sends = False
            try:
                with self._speaking():
                    await hand_over(lane.store, lane.incarnation, lane.transitions.found)
            except BaseException:
                self._sends = True
                raise

    async def _ask(self) -> None:
        store, found = self._lane.store, self._lane.transitions.found
        if self._named:
            names, self._named = sorted(self._named), set()
            try:
                with self._speaking():
                    await learn_abroad(store, names, found)
            except BaseException:
                # The next time, which is no later than that of the leader.
                self._named.update(names)
                raise
        if self._asks:
            now = asyncio.get_running_loop().time()
            self._next_ask = now + _ASK
            failed: AiojobsError | None = None
            with self._speaking():
                try:
                    self._after = await ask_again(store, self._after, found)
                except AiojobsError as error:
                    # One queue that cannot be asked is no reason to let others wait for ever.
                    failed = error
                await self._circles.look(store, now, found)
                if failed is not None:
                    raise failed
            self._asks = False

    @contextlib.contextmanager
    def _speaking(self) -> Generator[None]:
        self.words += 1
        self._on_the_way += 1
        try:
            yield
            self._failing = False
        except BaseException:
            self._failing = True
            raise
        finally:
            self._on_the_way -= 1
