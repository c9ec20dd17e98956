"""When a burst is over: what the queue counts, and what its lanes have heard since."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aiojobs_redis import Queue
from aiojobs_redis.worker.burst import Burst
from aiojobs_redis.worker.crew import Crew
from aiojobs_redis.worker.lane import Lane


class Told(Lane):
    """A lane whose exchange comes back while the counts of its queue are on their way."""

    def __init__(self, queue: Queue, heard: dict[str, Any]) -> None:
        self.queue = self  # type: ignore[assignment]
        self.idle = asyncio.Event()
        self.idle.set()
        self.rung = False
        self.exchanges = 1
        self._queue, self._heard, self._before = queue, heard, {"due": False, "active": 0}

    async def counts(self) -> Any:
        counts = await self._queue.counts()
        self._before = self._heard
        self.exchanges += self._heard["exchanged"]
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


class Beside(Crew):
    """What runs beside a lane: still or not, and telling other queues something or not."""

    def __init__(self, *, still: bool = True, speaks: bool = False) -> None:
        self._still, self._words, self._speaks = still, 0, speaks

    @property
    def still(self) -> bool:
        return self._still

    @property
    def words(self) -> int:
        self._words += self._speaks
        return self._words


NOTHING = {"due": False, "active": 0, "flying": False, "exchanged": False}


@pytest.mark.parametrize(
    ("heard", "over"),
    [
        ({}, True),
        ({"due": True}, False),
        ({"active": 1}, False),
        ({"flying": True}, False),
        ({"exchanged": True}, False),
    ],
    ids=str,
)
async def test_a_burst_is_not_over_for_what_was_heard_after_the_counts(
    heard: dict[str, Any], over: bool
) -> None:
    async with Queue("burst", "memory://burst") as queue:
        lane = Told(queue, NOTHING | heard)

        assert await Burst([lane], Beside()).over() is over
        assert lane.rung is bool(heard.get("due"))


@pytest.mark.parametrize(
    "beside", [Beside(still=False), Beside(speaks=True)], ids=["busy", "speaks"]
)
async def test_a_burst_is_not_over_while_other_queues_are_told(beside: Crew) -> None:
    async with Queue("burst", "memory://burst") as queue:
        assert not await Burst([Told(queue, NOTHING)], beside).over()
