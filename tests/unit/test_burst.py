"""When a burst is over: what the queue counts, and what its lanes have heard since."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aiojobs_redis import Queue, Worker
from aiojobs_redis.worker.lane import Lane


class Told(Lane):
    """A lane whose exchange comes back while the counts of its queue are on their way."""

    def __init__(self, queue: Queue, heard: dict[str, Any]) -> None:
        self.queue = self  # type: ignore[assignment]
        self.idle = asyncio.Event()
        self.idle.set()
        self.rung = False
        self._queue, self._heard, self._before = queue, heard, {"due": False, "active": 0}

    async def counts(self) -> Any:
        counts = await self._queue.counts()
        self._before = self._heard
        if self._heard["flying"]:
            self.idle.clear()
        return counts

    @property
    def active(self) -> int:
        return int(self._before["active"])

    def due_now(self) -> bool:
        return bool(self._before["due"])

    def ring(self) -> None:
        self.rung = True


@pytest.mark.parametrize(
    ("due", "active", "flying", "over"),
    [
        (False, 0, False, True),
        (True, 0, False, False),
        (False, 1, False, False),
        (False, 0, True, False),
    ],
)
async def test_a_burst_is_not_over_for_what_was_heard_after_the_counts(
    due: bool, active: int, flying: bool, over: bool
) -> None:
    async with Queue("burst", "memory://burst") as queue:
        lane = Told(queue, {"due": due, "active": active, "flying": flying})

        assert await Worker(queue)._done(lane) is over
        assert lane.rung is due
