"""The forgiver of a queue: keys do not owe turns that jobs of theirs gave up without having run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiojobs_redis.worker.loop import Loop

if TYPE_CHECKING:
    from aiojobs_redis.worker.lane import Lane
    from aiojobs_redis.worker.stopping import Stopping

__all__ = ["Forgiver"]

_MOST = 500
_ROUND = 10.0
# A walk over a million jobs takes two minutes then, and a few percent of the server.
_PAUSE = 0.05


class Forgiver:
    """Looks, on the lane that leads, whether such keys have anything left, a few jobs at a time.

    How far the walk is stands in Redis: the next leader goes on where this one stopped.

    Args:
        lane: The lane.
        stopping: Ends it.
    """

    def __init__(self, lane: Lane, stopping: Stopping) -> None:
        self._lane = lane
        self.loop: Loop = Loop(
            "forgive",
            self._forgive,
            interval=_ROUND,
            server=lane.store.server.label,
            stopping=stopping,
        )

    async def _forgive(self) -> float | None:
        if not self._lane.leads:
            return None
        # Without patience: the next round does as well, and a worker that stops waits for nobody.
        more = await self._lane.store.ask("forgive", _MOST, patience=0)
        return _PAUSE if more else None
