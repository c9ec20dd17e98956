"""Delays and instants: never early by the server's clock, in time on an idle worker, in order."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from aiojobs_redis import Job, JobInfo, JobState, Queue, Worker, current_job
from tests.support.raw import raw
from tests.support.waiting import wait_until

IN_TIME = timedelta(seconds=0.5)
"""Half the period of the look that would find a due job without being woken."""


async def info_of(job: Job[Any]) -> JobInfo:
    info = await job.info()
    assert info is not None
    return info


async def server_time(queue: Queue) -> datetime:
    seconds, micros = await raw(queue, "TIME")
    return datetime.fromtimestamp(int(seconds) + int(micros) / 1e6, UTC)


async def idle(queue: Queue) -> None:
    """Return once a worker of this process waits for the bell, with the queue's duties taken."""

    async def led() -> bool:
        return bool(await raw(queue, "HEXISTS", queue.store.keys["meta"], "leader"))

    await wait_until(led, "a worker that leads")


@pytest.mark.requirement("B9")
@pytest.mark.requirement("D4")
@pytest.mark.behaviour("T17")
async def test_no_delayed_job_is_ever_early_by_the_servers_clock(queue: Queue) -> None:
    @queue.task
    async def work() -> None: ...

    delays = [0.0004, 0.001, 0.0333, 0.1, 0.25, 0.4999]
    now = await server_time(queue)
    calls = [work.options(delay=delay).bind() for delay in delays]
    calls += [work.options(delay=timedelta(seconds=delay)).bind() for delay in delays]
    calls += [work.options(at=now + timedelta(seconds=delay)).bind() for delay in delays]
    async with Worker(queue, concurrency=50):
        jobs = [await queue.enqueue_call(call) for call in calls]
        await asyncio.gather(*(job.result(20) for job in jobs))
    infos = [await info_of(job) for job in jobs]
    for delay, info in zip(delays * 2, infos, strict=False):
        assert info.run_at >= info.enqueued_at + timedelta(seconds=delay)
    for delay, info in zip(delays, infos[-len(delays) :], strict=True):
        assert info.run_at >= now + timedelta(seconds=delay)
    for info in infos:
        assert info.started_at is not None
        assert info.started_at >= info.run_at


@pytest.mark.behaviour("T17")
@pytest.mark.requirement("B9")
async def test_delay_zero_and_an_instant_in_the_past_go_straight_to_ready(queue: Queue) -> None:
    past = datetime.now(UTC) - timedelta(days=400)
    jobs = [
        await queue.enqueue("work", delay=0),
        await queue.enqueue("work", delay=timedelta(0)),
        await queue.enqueue("work", at=past),
        await queue.enqueue("work", at=datetime(1960, 1, 1, tzinfo=UTC)),
    ]
    assert [await job.state() for job in jobs] == [JobState.QUEUED] * 4
    assert await raw(queue, "EXISTS", queue.store.keys["scheduled"]) == 0


@pytest.mark.requirement("D4")
async def test_the_zone_of_an_instant_does_not_matter(queue: Queue) -> None:
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    jobs = [
        await queue.enqueue("work", at=soon.astimezone(ZoneInfo(zone)))
        for zone in ("UTC", "Asia/Kolkata", "America/New_York")
    ]
    for job in jobs:
        info = await info_of(job)
        assert (info.state, info.run_at) == (JobState.SCHEDULED, soon)


@pytest.mark.behaviour("T19")
async def test_a_short_delay_after_a_long_one_wakes_the_idle_worker_in_time(queue: Queue) -> None:
    @queue.task
    async def work() -> None: ...

    async with Worker(queue):
        await work.options(delay=60).enqueue()
        await idle(queue)
        for _ in range(3):
            job = await work.options(delay=0.2).enqueue()
            await job.result(10)
            info = await info_of(job)
            assert info.started_at is not None
            assert timedelta(0) <= info.started_at - info.run_at < IN_TIME


async def test_a_long_delay_after_a_short_one_does_not_put_the_short_one_off(queue: Queue) -> None:
    @queue.task
    async def work() -> None: ...

    async with Worker(queue):
        await idle_after(queue, work)
        job = await work.options(delay=0.2).enqueue()
        await work.options(delay=60).enqueue()
        await job.result(10)
        info = await info_of(job)
        assert info.started_at is not None
        assert timedelta(0) <= info.started_at - info.run_at < IN_TIME


async def idle_after(queue: Queue, task: Any) -> None:
    await (await task.enqueue()).result(10)
    await idle(queue)


@pytest.mark.behaviour("T18")
async def test_jobs_of_one_due_time_leave_in_the_order_of_their_enqueue(queue: Queue) -> None:
    order: list[int] = []

    @queue.task
    async def work(number: int) -> None:
        order.append(number)

    # Whoever is enqueued when it is due already is ready before those that wait for a claim.
    due = await server_time(queue) + timedelta(seconds=2)
    jobs: list[Job[Any]] = []
    for first in range(0, 200, 50):
        jobs += await queue.enqueue_many(
            work.options(at=due).bind(n) for n in range(first, first + 40)
        )
        jobs += await asyncio.gather(
            *(work.options(at=due).enqueue(n) for n in range(first + 40, first + 50))
        )
    async with Worker(queue, concurrency=1):
        await jobs[-1].result(20)
    assert order == list(range(200))


@pytest.mark.behaviour("T18")
async def test_several_workers_keep_the_order_of_the_due_times(queue: Queue) -> None:
    fences: dict[int, int] = {}

    @queue.task
    async def work(number: int) -> None:
        fences[number] = current_job().fencing_token

    start = await server_time(queue) + timedelta(seconds=0.3)
    # Enqueued from the last to the first, 4 ms apart.
    jobs = await queue.enqueue_many(
        work.options(at=start + timedelta(milliseconds=4 * n)).bind(n) for n in reversed(range(100))
    )
    async with Worker(queue, concurrency=1), Worker(queue, concurrency=1), Worker(queue):
        await asyncio.gather(*(job.result(20) for job in jobs))
    assert sorted(fences, key=fences.__getitem__) == list(range(100))


@pytest.mark.behaviour("T21")
async def test_what_falls_due_in_a_paused_queue_runs_after_the_resumption(queue: Queue) -> None:
    runs: list[int] = []

    @queue.task
    async def work(number: int) -> None:
        runs.append(number)

    await queue.pause()
    jobs = [await work.options(delay=0.05).enqueue(n) for n in range(3)]

    async def ready() -> bool:
        return (await queue.counts()).queued == 3

    async with Worker(queue):
        await wait_until(ready, "the jobs to be due")
        assert runs == []
        await queue.resume()
        await asyncio.gather(*(job.result(10) for job in jobs))
    assert sorted(runs) == [0, 1, 2]


async def test_a_delay_of_a_century_is_kept_exactly(queue: Queue) -> None:
    job = await queue.enqueue("work", delay=timedelta(days=365 * 100))
    info = await info_of(job)
    assert info.run_at - info.enqueued_at == timedelta(days=365 * 100)
    assert info.state is JobState.SCHEDULED
