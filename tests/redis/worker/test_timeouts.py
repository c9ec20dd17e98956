"""An attempt that outruns its timeout is cancelled and counts as a failure."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from aiojobs_redis import Fixed, JobCancelled, JobFailed, JobState, Queue, Worker, current_job
from aiojobs_redis.context import JobContext
from tests.support.waiting import wait_until

# Timeouts under 5 s have a timer each; longer ones are looked for four times a second.
SHORT, LONG = 0.2, 5.0


@pytest.mark.requirement("B10")
@pytest.mark.requirement("D6")
@pytest.mark.parametrize("timeout", [SHORT, LONG])
async def test_an_attempt_past_its_timeout_is_cancelled_and_retried(
    queue: Queue, timeout: float
) -> None:
    ends: list[float] = []
    told: list[bool] = []

    @queue.task(attempts=2, backoff=Fixed(0), timeout=timeout)
    async def slow() -> int:
        told.append(current_job().timed_out)
        if current_job().attempt == 2:
            return 2
        began = time.monotonic()
        try:
            await asyncio.sleep(60)
        finally:
            told.append(current_job().timed_out)
            await asyncio.sleep(0)
            ends.append(time.monotonic() - began)
        return 1

    async with Worker(queue):
        job = await slow.enqueue()
        assert await job.result(20) == 2

    info = await job.info()
    assert info is not None
    (error,) = info.errors
    assert (error.type, error.message) == (
        "TimeoutError",
        f"the attempt ran longer than {timeout:g} s",
    )
    (spent,) = ends
    assert timeout - 0.01 <= spent <= timeout + 2
    assert told == [False, True, False]
    assert info.attempt == 2


@pytest.mark.requirement("B10")
async def test_the_last_attempt_past_its_timeout_is_dead(queue: Queue) -> None:
    @queue.task(attempts=2, backoff=Fixed(0), timeout=0.05)
    async def slow() -> None:
        await asyncio.sleep(60)

    async with Worker(queue):
        job = await slow.enqueue()
        with pytest.raises(JobFailed, match=r"TimeoutError: the attempt ran longer than 0\.05 s"):
            await job.result(10)

    info = await job.info()
    assert info is not None
    assert (info.attempt, len(info.errors)) == (2, 2)


@pytest.mark.requirement("B10")
async def test_a_timeout_of_a_job_wins_over_that_of_its_task(queue: Queue) -> None:
    @queue.task(attempts=1, timeout=0.01)
    async def slow() -> str:
        await asyncio.sleep(0.2)
        return "in time"

    async with Worker(queue):
        unlimited = await slow.options(timeout=None).enqueue()
        generous = await slow.options(timeout=30).enqueue()
        strict = await slow.enqueue()
        assert await unlimited.result(10) == "in time"
        assert await generous.result(10) == "in time"
        with pytest.raises(JobFailed):
            await strict.result(10)


@pytest.mark.requirement("B10")
async def test_a_timeout_of_the_task_itself_is_an_error_like_any_other(queue: Queue) -> None:
    @queue.task(attempts=1)
    async def impatient() -> None:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(60)

    async with Worker(queue):
        job = await impatient.enqueue()
        with pytest.raises(JobFailed) as caught:
            await job.result(10)

    assert caught.value.error_type == "TimeoutError"
    assert "asyncio.sleep(60)" in caught.value.traceback


@pytest.mark.requirement("B10")
async def test_a_job_past_its_timeout_frees_its_slot(queue: Queue) -> None:
    @queue.task(attempts=1, timeout=0.05)
    async def slow() -> None:
        await asyncio.sleep(60)

    @queue.task
    async def quick() -> str:
        return "ran"

    async with Worker(queue, concurrency=1):
        await slow.enqueue()
        assert await (await quick.enqueue()).result(10) == "ran"


@pytest.mark.requirement("B10")
async def test_a_result_given_while_being_cancelled_counts(queue: Queue) -> None:
    @queue.task(attempts=1, timeout=0.05)
    async def saving() -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "saved"
        return "done"

    async with Worker(queue):
        assert await (await saving.enqueue()).result(10) == "saved"


@pytest.mark.requirement("B10")
async def test_a_timeout_does_not_interrupt_the_clean_up_of_a_cancelled_job(
    queue: Queue,
) -> None:
    begun, out_of_time = asyncio.Event(), asyncio.Event()
    interrupted: list[str] = []

    @queue.task(timeout=2)
    async def work() -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(2.1, out_of_time.set)
        begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            interrupted.append("by the cancellation")
            try:
                await out_of_time.wait()
            except asyncio.CancelledError:
                interrupted.append("by the timeout")
            raise

    async with Worker(queue):
        job = await work.enqueue()
        await asyncio.wait_for(begun.wait(), 10)
        assert await job.cancel("enough")
        with pytest.raises(JobCancelled, match="enough"):
            await job.result(20)

    assert out_of_time.is_set()
    assert interrupted == ["by the cancellation"]


@pytest.mark.requirement("B10")
async def test_a_thread_past_its_timeout_is_given_up_and_told(queue: Queue) -> None:
    told, let_go = threading.Event(), threading.Event()

    @queue.task(attempts=1, timeout=0.1)
    def slow() -> None:
        job = current_job()
        while not job.cancelled and not let_go.is_set():
            let_go.wait(0.005)
        told.set()

    async with Worker(queue):
        job = await slow.enqueue()
        with pytest.raises(JobFailed, match="TimeoutError"):
            await job.result(10)
        assert await asyncio.to_thread(told.wait, 10)
    let_go.set()

    assert await job.state() is JobState.DEAD


@pytest.mark.requirement("D6")
async def test_a_cancellation_leaves_one_alone_that_unwinds_from_its_timeout(queue: Queue) -> None:
    unwinding, done = asyncio.Event(), asyncio.Event()
    jobs: list[JobContext] = []
    ends: list[str] = []

    @queue.task(timeout=SHORT, attempts=2)
    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            jobs.append(current_job())
            unwinding.set()
            try:
                await done.wait()
                ends.append("in peace")
            except asyncio.CancelledError:
                ends.append("interrupted")

    async with Worker(queue):
        job = await slow.enqueue()
        await unwinding.wait()
        assert await job.cancel("enough")
        await wait_until(lambda: jobs[0].cancel_reason == "enough", "the worker to be told", 20)
        done.set()
        with pytest.raises(JobCancelled, match="enough"):
            await job.result(10)

    assert ends == ["in peace"]
