"""When the thread that renews leases has to beat sooner, as told by what starts."""

from __future__ import annotations

import asyncio
from typing import Any

from aiojobs_redis._redis.store import Claim
from aiojobs_redis.worker import clock
from aiojobs_redis.worker.heartbeat import Heartbeat
from aiojobs_redis.worker.run import Run

LEASE_MS = 6000
PERIOD = LEASE_MS / 3000


def claimed(age: float) -> Run:
    """Return a run whose claim was sent so many seconds ago."""
    lane: Any = None
    return Run(lane, Claim(b"id", b",elpx5rsqz,l%d\n" % LEASE_MS, 1), "0", clock.now() - age)


async def test_a_lease_that_is_old_when_its_job_starts_is_renewed_at_once() -> None:
    heartbeat, woken = Heartbeat([], asyncio.get_running_loop()), asyncio.Event()
    heartbeat.on_shorter = woken.set

    def wakes(age: float) -> bool:
        woken.clear()
        heartbeat.shorten(claimed(age))
        return woken.is_set()

    assert wakes(0), "the first of its length makes it beat more often"
    assert not wakes(0)
    assert not wakes(0.4 * PERIOD)
    assert wakes(0.6 * PERIOD)
