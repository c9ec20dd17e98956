"""Whether a worker has done all that there is to do now: when a burst is over.

It is when one look finds all of this, and nothing has moved from one place to another meanwhile:

    lanes      each waits, no exchange is on its way, and no reply tells of anything that is due
    beats      each queue has been heard of: before the first one a leader knows of no tick
    handovers  nothing is to be told to another queue, where it becomes a job, or on its way there
    schedules  the leader has fired what is overdue
    counts     no queue has jobs that are queued, running or retrying

The counts of several queues are not of one moment: a job of the last one may have added to the
first one after that was counted. So what moves jobs is counted before and after.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from aiojobs_redis.errors import QueueUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from aiojobs_redis.worker.crew import Crew
    from aiojobs_redis.worker.lane import Lane

__all__ = ["Burst"]

_LOOK = 0.05


class Burst:
    """Looks whether there is anything left to do.

    Args:
        lanes: The lanes of the worker.
        crew: What runs beside them.
    """

    def __init__(self, lanes: Sequence[Lane], crew: Crew) -> None:
        self._lanes = lanes
        self._crew = crew

    async def wait(self) -> None:
        """Return when there is nothing left to do."""
        while True:
            for lane in self._lanes:
                await lane.idle.wait()
            if await self.over():
                return
            await anyio.sleep(_LOOK)

    async def over(self, done: Callable[[], Awaitable[bool]] | None = None) -> bool:
        """Look once.

        Args:
            done: Looks whether the queues have nothing left, in the place of their counts.
        """
        moved = self._moved()
        if not self._still() or not await (done or self._counts_say_so)():
            return False
        # Looked at after them: an exchange that they do not tell of may have come back meanwhile.
        due = [lane for lane in self._lanes if lane.due_now()]
        for lane in due:
            lane.ring()
        return not due and self._still() and self._moved() == moved

    def _still(self) -> bool:
        still = all(lane.idle.is_set() and not lane.active for lane in self._lanes)
        return still and self._crew.still

    def _moved(self) -> tuple[int, ...]:
        return (self._crew.words, *(lane.exchanges for lane in self._lanes))

    async def _counts_say_so(self) -> bool:
        try:
            every = [await lane.queue.counts() for lane in self._lanes]
        except QueueUnavailable:
            # The lanes wait for Redis and say so; an outage is not an end.
            return False
        return not any(
            (0 if counts.paused else counts.queued) or counts.running or counts.retrying
            for counts in every
        )
