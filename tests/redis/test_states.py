"""State and place of a job never differ, at any moment of whatever jobs go through."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from aiojobs_redis import Cancel, Fail, Job, JobState, Queue, Retry, Snooze, Worker, current_job
from tests.support.invariants import faults
from tests.support.snapshots import Snapshot, snapshot, sync_client

FOLLOWS = {
    "": "qs",
    "s": "qrx",
    "q": "rx",
    "r": "qstcdx",
    "t": "qrx",
    "c": "",
    "d": "",
    "x": "",
}
"""The states that may follow each; a claim may take a due job in the script that makes it ready."""


@pytest.fixture
def reader(server_url: str) -> Iterator[redis.Redis]:
    client = sync_client(server_url)
    yield client
    client.close()


def later_states(state: str) -> set[str]:
    """Return what a job may be in when it is looked at again, any number of steps later."""
    found: set[str] = set()
    pending = list(FOLLOWS[state])
    while pending:
        step = pending.pop()
        if step not in found:
            found.add(step)
            pending += FOLLOWS[step]
    return found


@pytest.mark.requirement("U1")
@pytest.mark.requirement("R5")
@pytest.mark.requirement("D7")
@pytest.mark.requirement("P7")
@pytest.mark.requirement("P8")
async def test_at_every_moment_each_job_is_in_the_one_place_of_its_state(
    queue: Queue, reader: redis.Redis
) -> None:
    dice = random.Random(7)
    seen: defaultdict[bytes, str] = defaultdict(str)
    looks = 0

    @queue.task(attempts=3, backoff=[0.01, 0])
    async def work(fate: str) -> str:
        attempt = current_job().attempt
        await asyncio.sleep(0.001)
        match fate:
            case "fail once" if attempt == 1:
                raise ValueError(fate)
            case "fail":
                raise ValueError(fate)
            case "retry" if attempt < 3:
                raise Retry(delay=0.01)
            case "snooze" if dice.random() < 0.7:
                raise Snooze(delay=0.005)
            case "give up":
                raise Fail(fate)
            case "cancel":
                raise Cancel(fate)
            case _:
                return fate

    def look() -> Snapshot:
        nonlocal looks
        looks += 1
        copy = snapshot(reader, "test", queue.name)
        assert copy is not None
        assert faults(copy) == []
        for job in copy.hashes["jobs"]:
            state, before = copy.state(job), seen[job]
            assert state == before or state in later_states(before), (job, before, state)
            seen[job] = state
        return copy

    fates = ["fail once", "fail", "retry", "snooze", "give up", "cancel", "return", "be cancelled"]
    jobs: list[tuple[str, Job[str]]] = []
    async with Worker(queue, concurrency=5), Worker(queue, concurrency=3):
        for number in range(160):
            fate = fates[number % len(fates)]
            delay = dice.choice([0, 0, 0.01, 0.03])
            priority = dice.randint(-3, 3)
            jobs.append((fate, await work.options(delay=delay, priority=priority).enqueue(fate)))
            if fate == "be cancelled":
                await jobs[-1][1].cancel(fate)
            look()
        while (await queue.counts()).unfinished:
            look()
            await asyncio.sleep(0)
    copy = look()
    assert looks > 160
    ends = {fate: {copy.state(job.id.encode()) for f, job in jobs if f == fate} for fate in fates}
    assert ends.pop("be cancelled") <= {"x", "c"}
    assert ends == {
        "fail once": {"c"},
        "fail": {"d"},
        "retry": {"c"},
        "snooze": {"c"},
        "give up": {"d"},
        "cancel": {"x"},
        "return": {"c"},
    }
    assert set(await queue.states([job.id for _, job in jobs])) == {job.id for _, job in jobs}
    counts = await queue.counts()
    assert counts.completed + counts.dead + counts.cancelled == len(jobs)


@pytest.mark.requirement("D6")
async def test_each_task_has_a_time_limit_of_its_own(queue: Queue) -> None:
    @queue.task(timeout=0.1, attempts=1)
    async def short() -> None:
        await asyncio.sleep(60)

    @queue.task(timeout=None)
    async def none() -> str:
        await asyncio.sleep(0.3)
        return "none"

    @queue.task
    async def usual() -> str:
        await asyncio.sleep(0.3)
        return "usual"

    jobs: list[Job[Any]] = [await short.enqueue(), await none.enqueue(), await usual.enqueue()]
    tight = await usual.options(timeout=0.05, attempts=1).enqueue()
    async with Worker(queue):
        results = await asyncio.gather(*(job.result(15) for job in jobs), return_exceptions=True)
        assert results[1:] == ["none", "usual"]
        assert "Timeout" in str(results[0])
        for job in (jobs[0], tight):
            with pytest.raises(Exception, match="Timeout"):
                await job.result(15)
            assert await job.state() is JobState.DEAD
