"""A queue that is destroyed leaves nothing, and is not destroyed by accident."""

from __future__ import annotations

import asyncio

import pytest

from aiojobs_redis import Job, JobStateError, Queue, Unique, Worker, current_job
from tests.support.raw import dump, raw
from tests.support.waiting import wait_until


@pytest.mark.requirement("U16", "P21")
@pytest.mark.behaviour("T55")
async def test_a_queue_with_running_jobs_is_destroyed_by_force_only_and_leaves_no_key(
    queue: Queue,
) -> None:
    started, go = asyncio.Event(), asyncio.Event()

    @queue.task
    async def work(number: int = 0) -> int:
        await current_job().log(f"number {number}")
        await current_job().step("once", int)
        if number == 1:
            started.set()
            await go.wait()
        return number

    await queue.schedule("often", work.bind(5), every=3600)
    await queue.limit(concurrency=5, key="*")
    await queue.enqueue(work, 2, delay=60, key="k", unique=Unique("one"))
    first = await work.enqueue(0)
    await queue.enqueue(work, 3, depends_on=[first], delay=60)
    async with Worker(queue) as worker:
        await first.result(10)
        await work.enqueue(1)
        await asyncio.wait_for(started.wait(), 10)
        before = await queue.counts()
        with pytest.raises(JobStateError, match=r"1 running and 2 waiting jobs: .* force=True"):
            await queue.destroy()
        assert (await queue.counts()).unfinished == before.unfinished
        await queue.destroy(force=True)
        assert (await queue.counts()).unfinished == 0
        go.set()
        worker.stop()
    # What the worker still sent has brought nothing back.
    assert await dump(queue) == {}
    assert await raw(queue, "EXISTS", *queue.store.keys.values()) == 0


@pytest.mark.requirement("P21")
@pytest.mark.parametrize("state", ["queued", "scheduled", "blocked", "retrying"])
async def test_a_queue_whose_jobs_wait_to_run_is_destroyed_by_force_only(
    queue: Queue, state: str
) -> None:
    @queue.task(backoff=[600])
    async def fail() -> None:
        raise ValueError

    waiting = 1
    job = await fail.options(delay=60 if state in {"scheduled", "blocked"} else 0).enqueue()
    if state == "blocked":
        job, waiting = await fail.options(depends_on=[job]).enqueue(), 2
    if state == "retrying":
        async with Worker(queue):
            await wait_until(lambda: in_state(job, state), "the first attempt to fail")
    assert await job.state() == state

    with pytest.raises(JobStateError, match=f"0 running and {waiting} waiting jobs: .* force=True"):
        await queue.destroy()
    assert await job.state() == state
    await queue.destroy(force=True)

    assert await dump(queue) == {}


async def in_state(job: Job[None], state: str) -> bool:
    return await job.state() == state


async def test_a_queue_whose_jobs_have_all_ended_needs_no_force(queue: Queue) -> None:
    @queue.task(attempts=1)
    async def work(text: str = "") -> None:
        if text:
            raise ValueError(text)

    done, dead = await work.enqueue(), await work.enqueue("no")
    await Worker(queue).run(burst=True)
    dropped = await work.options(delay=60).enqueue()
    await dropped.cancel()
    await queue.schedule("often", work.bind(), every=3600)
    assert [await job.state() for job in (done, dead, dropped)] == [
        "completed",
        "dead",
        "cancelled",
    ]

    await queue.destroy()

    assert await dump(queue) == {}
