"""Workers are killed at random while thousands of jobs run: none is lost, none is left over."""

from __future__ import annotations

import random
import time
from collections import Counter

import pytest

from aiojobs_redis import JobState, Queue
from tests.support.invariants import faults
from tests.support.snapshots import snapshot, sync_client
from tests.support.waiting import wait_until
from tests.support.worker_process import WorkerHost

JOBS, PROCESSES, SLOTS = 3000, 3, 20
KILL_EVERY = 0.5
KILL_FOR = 12.0


@pytest.mark.slow
@pytest.mark.requirement("U14")
@pytest.mark.requirement("U18")
@pytest.mark.requirement("R14")
async def test_a_kill_storm_loses_nothing(queue: Queue, host: WorkerHost, real_url: str) -> None:
    chance = random.Random(7)
    jobs = await queue.enqueue_many(
        # A job may be hit more than twice by chance alone; a pill is not what is tested here.
        [
            queue.bind("brief", lease=1, max_deliveries=100, id=f"job-{number}")
            for number in range(JOBS)
        ]
    )
    workers = [host.start(concurrency=SLOTS) for _ in range(PROCESSES)]
    await host.wait_for("started", 1)
    kills = 0
    began = last = time.monotonic()

    async def all_completed() -> bool:
        nonlocal kills, last
        now = time.monotonic()
        if now - last > KILL_EVERY and now - began < KILL_FOR:
            last = now
            kills += 1
            place = chance.randrange(PROCESSES)
            workers[place].kill()
            workers[place] = host.start(concurrency=SLOTS)
        return (await queue.counts()).completed == JOBS

    await wait_until(all_completed, "all jobs to complete", timeout=80)
    host.end()

    counts = await queue.counts()
    assert (counts.completed, counts.running, counts.unfinished, counts.dead) == (JOBS, 0, 0, 0)
    ids = [job.id for job in jobs]
    assert set((await queue.states(ids)).values()) == {JobState.COMPLETED}
    copy = snapshot(sync_client(real_url), "test", queue.name)
    assert copy is not None
    assert faults(copy) == []
    runs = Counter(line.job for line in host.journal("started"))
    assert set(runs) == set(ids)
    assert kills > 2
    # What ran twice was in a slot of a process that was killed.
    assert sum(runs.values()) - JOBS <= kills * SLOTS
