"""Tells other queues of the jobs that were ended here without a worker.

It goes on beside whoever ended the job, who waits for it a moment: what a program leaves undone
when it ends is told by whoever calls that queue next.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from aiojobs_redis._redis.abroad import hand_over
from aiojobs_redis.errors import AiojobsError

if TYPE_CHECKING:
    from aiojobs_redis._redis.store import Store

__all__ = ["Courier"]

_log = logging.getLogger("aiojobs_redis.claim")

_PATIENCE = 1.0
"""Seconds that a caller waits, and that pass after a failure before the next attempt."""


class Courier:
    """Hands over, in one event loop, one call at a time.

    Args:
        store: The queue whose jobs have ended.
        who: Names the caller.
    """

    def __init__(self, store: Store, who: str) -> None:
        self._store = store
        self._who = who
        self._wanted = self._failing = False
        self._not_before = 0.0
        self._way: asyncio.Task[None] | None = None

    def send(self) -> None:
        """Hand over, beside the caller."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._not_before:
            # Whoever calls next is told that it is still to be done.
            return
        self._wanted = True
        if self._way is None or self._way.done():
            self._way = loop.create_task(self._send(), name="aiojobs-courier")

    async def wait(self) -> None:
        """Wait until what was to be handed over is, for a second at most; it goes on after that."""
        if self._way is not None and not self._way.done():
            await asyncio.wait([self._way], timeout=_PATIENCE)

    async def _send(self) -> None:
        while self._wanted:
            self._wanted = False
            try:
                await hand_over(self._store, self._who)
            except AiojobsError as error:
                self._not_before = asyncio.get_running_loop().time() + _PATIENCE
                if not self._failing:
                    _log.warning(
                        "queue %s cannot tell another queue of jobs that ended: %s",
                        self._store.queue,
                        error,
                    )
                self._failing = True
                return
            self._failing = False
