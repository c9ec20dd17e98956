"""What becomes of a started attempt that its worker gives up or that a caller cancels."""

from __future__ import annotations

import asyncio
from typing import Literal

import pytest

from aiojobs_redis import JobCancelled, JobFailed, JobState, Queue, Worker


@pytest.mark.parametrize("delivery", ["at_least_once", "at_most_once"])
async def test_past_the_grace_a_job_runs_again_unless_it_is_delivered_at_most_once(
    queue: Queue, delivery: Literal["at_least_once", "at_most_once"]
) -> None:
    begun = asyncio.Event()
    runs: list[int] = []

    @queue.task(delivery=delivery)
    async def cut() -> int:
        runs.append(1)
        begun.set()
        if len(runs) == 1:
            await asyncio.Event().wait()
        return len(runs)

    worker = Worker(queue)
    running = asyncio.create_task(worker.run())
    job = await cut.enqueue()
    await asyncio.wait_for(begun.wait(), 10)
    worker.stop(grace=0)
    await asyncio.wait_for(running, 20)

    async with Worker(queue):
        if delivery == "at_least_once":
            assert await job.result(10) == 2
            return
        with pytest.raises(JobFailed) as caught:
            await job.result(10)
    assert caught.value.error_type == "abandoned"
    assert len(runs) == 1


async def test_a_job_that_was_claimed_but_not_started_is_handed_back_even_if_at_most_once(
    queue: Queue,
) -> None:
    @queue.task(delivery="at_most_once")
    async def once() -> str:
        return "done"

    job = await once.enqueue()
    worker = Worker(queue)
    worker.stop()
    await worker.run()

    assert await job.state() == JobState.QUEUED
    async with Worker(queue):
        assert await job.result(10) == "done"


@pytest.mark.behaviour("T66")
async def test_the_reason_of_a_cancellation_of_a_running_job_reaches_who_waits(
    queue: Queue,
) -> None:
    begun = asyncio.Event()

    @queue.task(lease=0.6)
    async def endless() -> None:
        begun.set()
        await asyncio.Event().wait()

    async with Worker(queue):
        job = await endless.enqueue()
        await asyncio.wait_for(begun.wait(), 10)
        assert await job.cancel("the order was withdrawn")
        with pytest.raises(JobCancelled, match="the order was withdrawn"):
            await job.result(20)

    info = await job.info()
    assert info is not None
    assert [error.message for error in info.errors] == ["the order was withdrawn"]
