"""The one periodic loop that all duties of a worker share."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from typing import TYPE_CHECKING

from aiojobs_redis._redis.faults import FAULTS
from aiojobs_redis.errors import QueueUnavailable
from aiojobs_redis.printing import log_error
from aiojobs_redis.worker.outage import Outage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiojobs_redis.worker.stopping import Stopping

__all__ = ["Loop"]

_log = logging.getLogger("aiojobs_redis.worker")


class Loop:
    """Does one thing again and again, until the worker stops.

    Args:
        what: What it does, for the log.
        action: Does it once and returns the seconds until the next time, None for the interval.
        interval: Seconds between two times, give or take a tenth.
        server: Name of the server, free of secrets.
        stopping: How far the worker is on its way to the end.
        to_the_end: Whether it goes on while the worker drains.
    """

    def __init__(
        self,
        what: str,
        action: Callable[[], Awaitable[float | None]],
        *,
        interval: float,
        server: str,
        stopping: Stopping,
        to_the_end: bool = False,
    ) -> None:
        self._what = what
        self._action = action
        self._interval = interval
        self._end = stopping.ended if to_the_end else stopping.asked
        self._outage = Outage(what, server, stopping)
        self._sooner = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    def plan(self, seconds: float) -> None:
        """Do it the next time in so many seconds, if not before."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._sooner.set)

    async def run(self) -> None:
        """Run until the worker stops. An error is logged and met by a pause; it ends nothing."""
        while not self._end.is_set():
            self._sooner.clear()
            try:
                seconds = await self._action()
                self._outage.over()
            except (*FAULTS, QueueUnavailable) as error:
                await self._outage.pause(error)
                continue
            except Exception as error:
                log_error(_log, error, "cannot %s; trying again", self._what)
                seconds = None
            if seconds is None:
                seconds = self._interval * random.uniform(0.9, 1.1)  # noqa: S311 - jitter
            if seconds > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await self._sooner.wait()

    def stop(self) -> None:
        """Wake the loop so that it sees that the worker stops."""
        if self._timer is not None:
            self._timer.cancel()
        self._sooner.set()
