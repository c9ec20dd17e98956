"""A queue that is destroyed leaves nothing, and is not destroyed by accident."""

from __future__ import annotations

import asyncio

import pytest

from aiojobs_redis import JobStateError, Queue, Unique, Worker, current_job
from tests.support.raw import dump, raw


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
        with pytest.raises(JobStateError, match=r"1 running jobs: .* force=True"):
            await queue.destroy()
        assert (await queue.counts()).unfinished == before.unfinished
        await queue.destroy(force=True)
        assert (await queue.counts()).unfinished == 0
        go.set()
        worker.stop()
    # What the worker still sent has brought nothing back.
    assert await dump(queue) == {}
    assert await raw(queue, "EXISTS", *queue.store.keys.values()) == 0
