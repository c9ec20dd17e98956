"""A job whose task a worker does not know waits for one that does."""

from __future__ import annotations

import asyncio
import logging

import pytest

from aiojobs_redis import JobState, Queue, Worker
from tests.support.waiting import wait_until


def another_application(queue: Queue, url: str) -> Queue:
    """Return the same queue as an application sees it that has other code."""
    return Queue(queue.name, url=url, namespace="test")


@pytest.mark.requirement("B3")
async def test_an_unknown_task_is_parked_and_named(
    queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    @queue.task
    async def send_email() -> str:
        return "known"

    async with Worker(queue, concurrency=1):
        job, other = await queue.enqueue("send_mail", 1, a=2), await send_email.enqueue()
        assert await other.result(10) == "known"
        await wait_until(lambda: _is(queue, job.id, JobState.BLOCKED), "the job to be parked")

    (record,) = [entry for entry in caplog.records if "TaskNotRegistered" in entry.message]
    assert record.levelno == logging.ERROR
    assert job.id in record.message
    assert "'send_mail'" in record.message
    assert "send_email" in record.message, "the nearest task that it knows"
    info = await job.info()
    assert info is not None
    assert (info.attempt, info.lost_deliveries, info.task) == (1, 0, "send_mail")


@pytest.mark.requirement("B3")
@pytest.mark.requirement("R7")
async def test_a_worker_that_knows_the_task_adopts_the_job_beside_one_that_does_not(
    queue: Queue, server_url: str
) -> None:
    other = another_application(queue, server_url)

    @other.task
    async def newer(number: int) -> int:
        return number

    async with Worker(queue):
        jobs = [await queue.enqueue("newer", number) for number in range(5)]
        await wait_until(lambda: _are_blocked(queue, 5), "the jobs to be parked")
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with Worker(other):
            values = [await job.result(10) for job in jobs]
        spent = loop.time() - began

    assert values == [0, 1, 2, 3, 4]
    assert spent < 5
    infos = await queue.infos([job.id for job in jobs])
    assert {(info.attempt, info.lost_deliveries) for info in infos} == {(1, 0)}


@pytest.mark.requirement("B3")
async def test_more_parked_jobs_than_slots_are_adopted(queue: Queue, server_url: str) -> None:
    other = another_application(queue, server_url)
    order: list[int] = []

    @other.task
    async def newer(number: int) -> None:
        order.append(number)

    async with Worker(queue):
        for number in range(20):
            await queue.enqueue("newer", number)
        await wait_until(lambda: _are_blocked(queue, 20), "the jobs to be parked")
        async with Worker(other, concurrency=2):
            await wait_until(lambda: len(order) == 20, "all to run", timeout=20)

    assert sorted(order) == list(range(20))


@pytest.mark.requirement("B3")
async def test_a_parked_job_keeps_its_place(queue: Queue, server_url: str) -> None:
    other = another_application(queue, server_url)
    order: list[str] = []

    @other.task
    async def newer(name: str) -> None:
        order.append(name)

    for name, priority in (("low", 0), ("low 2", 0), ("high", 5)):
        await queue.enqueue("newer", name, priority=priority)
    await Worker(queue, concurrency=1).run(burst=True)
    assert (await queue.counts()).blocked == 3
    async with Worker(other, concurrency=3):
        await wait_until(lambda: len(order) == 3, "all to run", timeout=10)

    assert order == ["high", "low", "low 2"]


@pytest.mark.requirement("B3")
async def test_a_parked_job_can_be_cancelled(queue: Queue) -> None:
    job = await queue.enqueue("nobody_knows")
    await Worker(queue).run(burst=True)
    assert await job.cancel()

    counts = await queue.counts()
    assert (counts.blocked, counts.cancelled) == (0, 1)


async def _is(queue: Queue, id: str, state: JobState) -> bool:
    return await queue.job(id).state() is state


async def _are_blocked(queue: Queue, number: int) -> bool:
    return (await queue.counts()).blocked == number


@pytest.mark.requirement("B3")
async def test_a_job_that_may_start_once_runs_once_a_worker_knows_it(
    queue: Queue, server_url: str
) -> None:
    other = another_application(queue, server_url)

    @other.task
    async def newer(number: int) -> int:
        return number

    job = await queue.enqueue("newer", 7, max_starts=1)
    async with Worker(queue):
        await wait_until(lambda: _are_blocked(queue, 1), "the job to be parked")
    info = await job.info()
    async with Worker(other):
        assert await job.result(10) == 7

    assert info is not None
    assert info.started_at is None
