"""A pause between two tries while Redis is away, and one log line at each change of state.

The loops of a worker notice an outage one after the other; the first of them reports it, and the
first of them that gets through again reports its end (not one that had no need of Redis
meanwhile). What is not an outage (a refused command, a damaged key) concerns one loop, which
reports it by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING

from aiojobs_redis._redis.faults import Fault, classify
from aiojobs_redis.errors import QueueUnavailable
from aiojobs_redis.guarded_log import GuardedLog

if TYPE_CHECKING:
    from aiojobs_redis.queue import Queue
    from aiojobs_redis.worker.stopping import Stopping

__all__ = ["Outage", "connect"]

_log = GuardedLog("aiojobs_redis.worker")

_FIRST, _LONGEST = 0.05, 2.0


class Outage:
    """What one loop of a worker does about errors of Redis.

    Args:
        what: What cannot be done meanwhile, for the log.
        server: Name of the server, free of secrets.
        stopping: Ends a pause, and knows which servers are away.
    """

    def __init__(self, what: str, server: str, stopping: Stopping) -> None:
        self._what = what
        self._server = server
        self._stopping = stopping
        self._refused = False
        self._away = False
        self._pause = _FIRST

    async def pause(self, error: BaseException) -> None:
        """Wait before the next try; twice as long each time, up to 2 s, with jitter."""
        away = self._stopping.away
        if classify(error) is not Fault.RETRY:
            if not self._refused:
                _log.error("Redis at %s: cannot %s: %s", self._server, self._what, error)
            self._refused = True
            await self._wait()
            return
        self._away = True
        if self._server not in away:
            away[self._server] = asyncio.get_running_loop().time()
            _log.warning(
                "Redis at %s is away (cannot %s: %s); trying again until it is back",
                self._server,
                self._what,
                error,
            )
        await self._wait()

    async def _wait(self) -> None:
        seconds = self._pause * random.uniform(0.5, 1)  # noqa: S311 - jitter
        self._pause = min(self._pause * 2, _LONGEST)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.hurry.wait()
                # In a hurry the pauses are short, not none.
                await asyncio.sleep(_FIRST)

    def over(self) -> None:
        """Note that a try succeeded."""
        self._pause = _FIRST
        if self._refused:
            self._refused = False
            _log.warning("Redis at %s: can %s again", self._server, self._what)
        if not self._away:
            return
        self._away = False
        since = self._stopping.away.pop(self._server, None)
        if since is not None:
            seconds = asyncio.get_running_loop().time() - since
            _log.warning("Redis at %s is back after %.1f s", self._server, seconds)


async def connect(queue: Queue, stopping: Stopping) -> None:
    """Connect a queue as soon as its server is there, unless the worker is asked to stop.

    Raises:
        QueueUnavailable: Redis refused this client.
    """
    outage = Outage("connect", queue.store.server.label, stopping)
    while not stopping.asked.is_set():
        try:
            await queue.connect()
        except QueueUnavailable as error:
            cause = error.__cause__
            if cause is None or classify(cause) is not Fault.RETRY:
                raise
            await outage.pause(cause)
        else:
            outage.over()
            return
