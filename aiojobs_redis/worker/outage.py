"""A pause between two tries while Redis is away, and one log line at each change of state."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from typing import TYPE_CHECKING

from aiojobs_redis._redis.faults import Fault, classify

if TYPE_CHECKING:
    from aiojobs_redis.worker.stopping import Stopping

__all__ = ["Outage"]

_log = logging.getLogger("aiojobs_redis.worker")

_FIRST, _LONGEST = 0.05, 2.0


class Outage:
    """What one loop of a worker does about errors of Redis.

    Args:
        what: What cannot be done meanwhile, for the log.
        server: Name of the server, free of secrets.
        stopping: Ends a pause.
    """

    def __init__(self, what: str, server: str, stopping: Stopping) -> None:
        self._what = what
        self._server = server
        self._stopping = stopping
        self._since: float | None = None
        self._pause = _FIRST

    @property
    def on(self) -> bool:
        """Whether the last try failed."""
        return self._since is not None

    async def pause(self, error: BaseException) -> None:
        """Wait before the next try; twice as long each time, up to 2 s, with jitter."""
        if self._since is None:
            self._since = asyncio.get_running_loop().time()
            level = logging.WARNING if classify(error) is Fault.RETRY else logging.ERROR
            _log.log(level, "Redis at %s: cannot %s: %s", self._server, self._what, error)
        seconds = self._pause * random.uniform(0.5, 1)  # noqa: S311 - jitter
        self._pause = min(self._pause * 2, _LONGEST)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.hurry.wait()
                # In a hurry the pauses are short, not none.
                await asyncio.sleep(_FIRST)

    def over(self) -> None:
        """Note that a try succeeded."""
        if self._since is not None:
            seconds = asyncio.get_running_loop().time() - self._since
            self._since, self._pause = None, _FIRST
            _log.warning(
                "Redis at %s: can %s again after %.1f s", self._server, self._what, seconds
            )
