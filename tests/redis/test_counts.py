"""Counts of all states: one call, the truth, and at a cost that does not grow with the queue."""

from __future__ import annotations

import asyncio
import re

import pytest

from aiojobs_redis import JobState, Queue, Worker
from tests.support.raw import raw
from tests.support.waiting import wait_until

STATES = [state.value for state in JobState]


async def commands_of_counts(queue: Queue) -> dict[str, int]:
    """Return how often each command ran for one look at the counts."""
    await queue.counts()
    await raw(queue, "CONFIG", "RESETSTAT")
    await queue.counts()
    stats = (await raw(queue, "INFO", "commandstats")).decode()
    own = {"config|resetstat", "info"}
    found = dict(re.findall(r"cmdstat_([^:]+):calls=(\d+)", stats))
    return {name: int(calls) for name, calls in found.items() if name not in own}


@pytest.mark.requirement("B5")
async def test_each_job_is_counted_in_its_state_and_none_twice(queue: Queue) -> None:
    gate = asyncio.Event()

    @queue.task(attempts=2, backoff=[3600])
    async def work(what: str) -> None:
        if what == "fail":
            raise ValueError(what)
        if what == "wait":
            await gate.wait()

    jobs = [await work.enqueue("return") for _ in range(2)]
    jobs += [await work.options(attempts=1).enqueue("fail") for _ in range(3)]
    jobs += [await work.enqueue("fail") for _ in range(4)]
    jobs += [await work.enqueue("wait")]
    async with Worker(queue, concurrency=20):

        async def ended() -> bool:
            counts = await queue.counts()
            return counts.queued == 0 and counts.running == 1

        await wait_until(ended, "all but one to end", 20)
        await queue.pause()
        jobs += [await work.options(delay=3600).enqueue("later") for _ in range(5)]
        jobs += [await work.options(priority=n).enqueue("next") for n in range(6)]
        jobs += [await work.options(depends_on=[jobs[-1]]).enqueue("after") for _ in range(7)]
        dropped = [await work.enqueue("drop") for _ in range(8)]
        for job in dropped:
            await job.cancel()
        counts = await queue.counts()
        states = await queue.states([job.id for job in jobs + dropped])
        gate.set()

    wanted = {"completed": 2, "dead": 3, "retrying": 4, "running": 1}
    wanted |= {"scheduled": 5, "queued": 6, "blocked": 7, "cancelled": 8}
    assert {state: getattr(counts, state) for state in STATES} == wanted
    assert (counts.workers, counts.paused, counts.unfinished) == (1, True, 23)
    assert sum(wanted.values()) == len(states) == len(jobs) + len(dropped)
    found = list(states.values())
    assert {state.value: found.count(state) for state in JobState} == wanted


@pytest.mark.requirement("B5")
async def test_a_look_at_the_counts_costs_the_same_however_many_jobs_there_are(
    real_queue: Queue,
) -> None:
    await real_queue.enqueue("work", id="first")
    few = await commands_of_counts(real_queue)
    calls = [real_queue.bind("work", number) for number in range(5_000)]
    await real_queue.enqueue_many(calls)

    many = await commands_of_counts(real_queue)

    assert many == few
    assert many["evalsha"] == 1
    assert sum(many.values()) < 25
