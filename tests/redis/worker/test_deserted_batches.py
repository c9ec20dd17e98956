"""Jobs that leave the call of their batch, one of them or all."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from aiojobs_redis import Job, JobCancelled, JobContext, JobFailed, LeaseLost, Queue, Worker
from aiojobs_redis.context import current_jobs
from tests.support.scripts import Scripts
from tests.support.stealing import steal
from tests.support.waiting import wait_until

LONG = 30.0


class Hold:
    """A call that lasts until it is cancelled."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()

    async def run(self) -> None:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            self.ended.set()


async def call_off(job: Job[Any]) -> None:
    assert await job.cancel()
    with pytest.raises(JobCancelled):
        await job.result(LONG)


async def test_a_call_that_all_have_left_by_a_timeout_of_middleware_is_cancelled(
    queue: Queue,
) -> None:
    hold, limits = Hold(), list[asyncio.Timeout]()

    @queue.batch_task(size=2, wait=60, attempts=1)
    async def batch(items: list[int]) -> None:
        await hold.run()

    async def limited(job: JobContext, call_next: Any) -> Any:
        async with asyncio.timeout(None) as limit:
            limits.append(limit)
            return await call_next(job)

    async with Worker(queue, middleware=[limited]):
        jobs = await queue.enqueue_many([batch.bind(1), batch.bind(2)])
        await asyncio.wait_for(hold.begun.wait(), LONG)
        now = asyncio.get_running_loop().time()
        limits[0].reschedule(now)
        with pytest.raises(JobFailed, match="TimeoutError"):
            await jobs[0].result(LONG)
        assert not hold.ended.is_set()

        limits[1].reschedule(now)
        with pytest.raises(JobFailed, match="TimeoutError"):
            await jobs[1].result(LONG)
        assert hold.ended.is_set()


async def test_a_call_whose_last_job_is_cancelled_ends_where_the_others_left(queue: Queue) -> None:
    hold = Hold()
    left: list[asyncio.Task[Any]] = []

    @queue.batch_task(size=2, wait=60, attempts=1)
    async def batch(items: list[int]) -> None:
        await hold.run()

    async def impatient(job: JobContext, call_next: Any) -> Any:
        if left:
            return await call_next(job)
        left.append(asyncio.ensure_future(call_next(job)))
        await hold.begun.wait()
        return None

    async with Worker(queue, middleware=[impatient]) as worker:
        jobs = await queue.enqueue_many([batch.bind(1), batch.bind(2)])
        await asyncio.wait_for(hold.begun.wait(), LONG)
        await wait_until(lambda: len(worker.runs()) == 1, "one to have ended", LONG)
        [run] = worker.runs()
        [last] = [job for job in jobs if job.id == run.id]
        assert await last.cancel()
        with pytest.raises(JobCancelled):
            await last.result(LONG)
        assert hold.ended.is_set()


async def test_a_worker_that_ends_ends_the_calls_that_nobody_waits_for(queue: Queue) -> None:
    hold = Hold()
    left: list[asyncio.Task[Any]] = []

    @queue.batch_task(size=2, wait=60)
    async def batch(items: list[int]) -> None:
        await hold.run()

    async def impatient(job: JobContext, call_next: Any) -> Any:
        left.append(asyncio.ensure_future(call_next(job)))
        await hold.begun.wait()
        return None

    async with Worker(queue, middleware=[impatient]):
        for job in await queue.enqueue_many([batch.bind(1), batch.bind(2)]):
            await job.result(LONG)
        assert not hold.ended.is_set()
    assert hold.ended.is_set()
    await asyncio.wait(left, timeout=LONG)
    assert all(task.cancelled() for task in left)


async def test_a_batch_that_has_not_begun_does_not_begin_after_the_worker(queue: Queue) -> None:
    calls: list[int] = []
    left: list[asyncio.Task[Any]] = []

    @queue.batch_task(size=2, wait=0.3)
    async def batch(items: list[int]) -> None:
        calls.append(len(items))

    async def impatient(job: JobContext, call_next: Any) -> Any:
        left.append(asyncio.ensure_future(call_next(job)))
        # It waits for others to join it.
        await asyncio.sleep(0)
        return None

    job = await batch.enqueue(1)
    async with Worker(queue, middleware=[impatient]) as worker:
        await job.result(LONG)
        worker.stop(grace=0)
    await asyncio.wait(left, timeout=LONG)
    assert (calls, [task.cancelled() for task in left]) == ([], [True])


@pytest.mark.parametrize("executor", ["async", "thread"])
@pytest.mark.parametrize("how", ["cancelled", "stolen"])
async def test_what_is_said_of_one_that_has_left_fails_no_other(
    queue: Queue, other: Scripts, how: str, executor: str
) -> None:
    begun, go_on, said = threading.Event(), threading.Event(), list[Any]()

    def hold(items: list[int]) -> list[int]:
        begun.set()
        assert go_on.wait(LONG)
        for job in current_jobs():
            said.extend([job.log("said"), job.progress(1, 1), job.emit("said")])
        return items

    async def hold_async(items: list[int]) -> list[int]:
        begun.set()
        await wait_until(go_on.is_set, "the test", LONG)
        for job in current_jobs():
            await job.log("said")
            await job.progress(1, 1)
            await job.emit("said")
        return items

    function: Any = hold if executor == "thread" else hold_async
    task = queue.batch_task(size=3, wait=60, attempts=1, lease=30, name="hold")(function)
    jobs = await queue.enqueue_many([task.bind(number) for number in range(3)])
    first, *others = jobs
    async with Worker(queue) as worker:
        await wait_until(begun.is_set, "the call to begin", LONG)
        worker.pause()
        if how == "cancelled":
            await call_off(first)
        else:
            await steal(other, first.id)
        go_on.set()
        assert [await job.result(LONG) for job in others] == [1, 2]

    assert await first.progress() is None
    for job in others:
        progress = await job.progress()
        assert progress is not None
        assert progress.fraction == 1
        assert [line.text for line in await job.logs()] == ["said"]
    emitted = await queue.recent_events(types=["emitted"])
    assert sorted(str(event.job) for event in emitted) == sorted(job.id for job in others)


async def test_what_one_that_has_left_would_store_is_refused(queue: Queue) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    @queue.batch_task(size=2, wait=60, attempts=1)
    async def batch(items: list[int]) -> None:
        begun.set()
        await go_on.wait()
        first, second = current_jobs()
        await second.save()
        with pytest.raises(LeaseLost):
            await first.save()

    first, second = await queue.enqueue_many([batch.bind(1), batch.bind(2)])
    async with Worker(queue):
        await asyncio.wait_for(begun.wait(), LONG)
        await call_off(first)
        go_on.set()
        await second.result(LONG)
