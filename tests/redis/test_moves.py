"""A waiting job gets another time or another priority, and any other is left as it is."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from aiojobs_redis import (
    ConfigInvalid,
    Fixed,
    Job,
    JobNotFound,
    JobState,
    JobStateError,
    Queue,
    Worker,
)
from tests.support.raw import dump
from tests.support.waiting import wait_until


@pytest.mark.behaviour("T22")
async def test_a_promoted_job_runs_now_and_at_its_priority(queue: Queue) -> None:
    order: list[str] = []

    @queue.task
    async def work(name: str) -> None:
        order.append(name)

    first = await work.options(delay=3600, priority=5).enqueue("promoted")
    await work.options(priority=1).enqueue("low")
    await work.options(priority=9).enqueue("high")
    await first.promote()

    assert await first.state() is JobState.QUEUED
    async with Worker(queue, concurrency=1):
        await first.result(20)
        await wait_until(lambda: len(order) == 3, "all to run")
    assert order == ["high", "promoted", "low"]


@pytest.mark.behaviour("T22")
async def test_a_retrying_job_may_be_promoted(queue: Queue) -> None:
    @queue.task(attempts=2, backoff=Fixed(3600))
    async def flaky() -> int:
        runs.append(len(runs))
        if len(runs) == 1:
            raise ValueError
        return len(runs)

    runs: list[int] = []
    job = await flaky.enqueue()
    async with Worker(queue):

        async def retrying() -> bool:
            return await job.state() is JobState.RETRYING

        await wait_until(retrying, "the first attempt to fail")
        await job.promote()
        assert await job.result(20) == 2


@pytest.mark.behaviour("T23")
async def test_a_time_is_changed_in_place(queue: Queue) -> None:
    @queue.task
    async def work() -> None: ...

    job = await work.options(delay=3600).enqueue()
    await job.reschedule(delay=7200)
    later = await job.info()
    at = datetime.now(UTC) + timedelta(hours=5)
    await job.reschedule(at=at)
    latest = await job.info()

    assert later is not None
    assert latest is not None
    assert timedelta(seconds=7190) < later.run_at - later.enqueued_at < timedelta(seconds=7210)
    assert abs(latest.run_at - at) < timedelta(milliseconds=2)
    assert await job.state() is JobState.SCHEDULED
    async with Worker(queue):
        await job.reschedule(delay=0.2)
        await job.result(20)
    ran = await job.info()
    assert ran is not None
    assert ran.started_at is not None
    assert ran.started_at >= ran.run_at


@pytest.mark.behaviour("T23")
async def test_a_priority_is_changed_in_place_and_lasts(queue: Queue) -> None:
    order: list[str] = []

    @queue.task
    async def work(name: str) -> None:
        order.append(name)

    old = await work.options(priority=3).enqueue("old")
    await work.enqueue("other")
    new = await work.enqueue("new")
    late = await work.options(delay=3600, priority=8).enqueue("late")
    await new.reprioritise(3)
    await old.reprioritise(0)
    await late.reprioritise(0)
    await late.promote()
    infos = await queue.infos([old.id, new.id, late.id])

    assert [info.priority for info in infos] == [0, 3, 0]
    async with Worker(queue, concurrency=1):
        await wait_until(lambda: len(order) == 4, "all to run")
    # Equal priorities keep the order of arrival, whatever they were before.
    assert order == ["new", "old", "other", "late"]


@pytest.mark.requirement("B20")
@pytest.mark.behaviour("T22")
@pytest.mark.behaviour("T23")
async def test_a_wrong_state_is_refused_and_nothing_changes(queue: Queue) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()

    @queue.task
    async def work() -> None:
        started.set()
        await go_on.wait()

    async def refuse(job: Job[None], state: str, *, queued: bool = False) -> None:
        before = await dump(queue) if queued else None
        for move in (job.promote(), job.reschedule(delay=1)):
            with pytest.raises(JobStateError, match=f"it is {state}"):
                await move
        if queued:
            assert await dump(queue) == before
            return
        with pytest.raises(JobStateError, match=f"it is {state}"):
            await job.reprioritise(4)

    job = await work.enqueue()
    await refuse(job, "queued", queued=True)
    async with Worker(queue):
        await asyncio.wait_for(started.wait(), 20)
        await refuse(job, "running")
        go_on.set()
        await job.result(20)
    await refuse(job, "completed")
    with pytest.raises(JobNotFound):
        await queue.job("nobody").promote()


@pytest.mark.behaviour("T23")
async def test_a_wrong_time_or_priority_is_refused_before_redis_is_asked(queue: Queue) -> None:
    job = queue.job("x")
    with pytest.raises(ConfigInvalid, match="delay or at"):
        await job.reschedule()
    with pytest.raises(ConfigInvalid, match="delay or at"):
        await job.reschedule(delay=1, at=datetime.now(UTC))
    with pytest.raises(ConfigInvalid, match="delay"):
        await job.reschedule(delay=-1)
    with pytest.raises(ConfigInvalid, match="1024"):
        await job.reprioritise(1024)
