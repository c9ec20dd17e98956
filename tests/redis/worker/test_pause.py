"""While a queue or a worker is paused nothing starts; what runs finishes and nothing is lost."""

from __future__ import annotations

import asyncio
import time

import pytest

from aiojobs_redis import JobState, Queue, Worker
from aiojobs_redis.worker import duties
from tests.support.gauge import Gauge
from tests.support.waiting import wait_until


async def beats_passed() -> None:
    """Wait until every worker has had its second in which it looks for jobs by itself."""
    end = time.monotonic() + 1.3
    await wait_until(lambda: time.monotonic() > end, "a beat of every worker")


@pytest.mark.requirement("B29")
@pytest.mark.behaviour("T31")
async def test_a_paused_queue_starts_nothing_and_finishes_what_runs(queue: Queue) -> None:
    gauge = Gauge()

    @queue.task
    async def held(number: int) -> int:
        await gauge.pass_through()
        return number

    jobs = await queue.enqueue_many([held.bind(number) for number in range(5)])
    async with Worker(queue, concurrency=2), Worker(queue, concurrency=1):
        await wait_until(lambda: gauge.now == 3, "three to run")
        assert await queue.pause()
        assert not await queue.pause(), "it was paused already"
        gauge.open()
        assert [await job.result(10) for job in jobs[:3]] == [0, 1, 2]
        late = await held.enqueue(5)
        await beats_passed()
        counts = await queue.counts()
        assert (counts.queued, counts.running, counts.paused) == (3, 0, True)
        assert gauge.entered == 3
        assert await queue.resume()
        assert not await queue.resume(), "it was resumed already"
        assert [await job.result(10) for job in (*jobs[3:], late)] == [3, 4, 5]


@pytest.mark.behaviour("T31")
async def test_a_resumption_wakes_an_idle_worker_at_once(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No beat finds the jobs: what runs was rung for.
    monkeypatch.setattr(duties, "_INTERVAL", 600.0)

    @queue.task
    async def quick() -> str:
        return "ran"

    async with Worker(queue):
        await (await quick.enqueue()).result(10)
        for _ in range(2):
            await queue.pause()
            job = await quick.enqueue()
            assert await job.state() is JobState.QUEUED
            await queue.resume()
            assert await job.result(10) == "ran"


@pytest.mark.behaviour("T21")
async def test_delayed_jobs_become_queued_while_paused_and_run_after(queue: Queue) -> None:
    @queue.task
    async def quick() -> str:
        return "ran"

    await queue.enqueue("unknown", delay=3600)
    await queue.pause()
    async with Worker(queue):
        job = await quick.options(delay=0.1).enqueue()
        await wait_until(lambda: _is(queue, job.id, JobState.QUEUED), "the job to fall due")
        await beats_passed()
        assert await job.state() is JobState.QUEUED
        await queue.resume()
        assert await job.result(10) == "ran"


@pytest.mark.requirement("B29")
@pytest.mark.behaviour("T31")
async def test_a_paused_worker_leaves_the_jobs_to_others(queue: Queue) -> None:
    @queue.task
    async def noted(number: int) -> int:
        return number

    paused, active = Worker(queue), Worker(queue)
    paused.pause()
    async with paused:
        job = await noted.enqueue(1)
        await beats_passed()
        assert await job.state() is JobState.QUEUED
        async with active:
            assert await job.result(10) == 1
        info = await job.info()
        assert info is not None
        assert info.worker == active.id
        second = await noted.enqueue(2)
        paused.resume()
        assert await second.result(10) == 2
        info = await second.info()
        assert info is not None
        assert info.worker == paused.id


@pytest.mark.behaviour("T31")
async def test_a_paused_worker_finishes_and_renews_what_it_runs(queue: Queue) -> None:
    gauge = Gauge()

    @queue.task(lease=1.2)
    async def held() -> str:
        await gauge.pass_through()
        return "done"

    async with Worker(queue) as worker:
        job = await held.enqueue()
        await wait_until(lambda: gauge.now == 1, "the job to run")
        worker.pause()
        await beats_passed()
        gauge.open()
        assert await job.result(10) == "done"

    info = await job.info()
    assert info is not None
    assert info.lost_deliveries == 0


@pytest.mark.behaviour("T31")
async def test_a_paused_worker_stops_at_once(queue: Queue) -> None:
    @queue.task
    async def quick() -> None:
        pass

    worker = Worker(queue)
    worker.pause()
    async with asyncio.timeout(5):
        async with worker:
            await quick.enqueue()

    assert (await queue.counts()).queued == 1


@pytest.mark.behaviour("T31")
async def test_burst_on_a_paused_queue_ends(queue: Queue) -> None:
    @queue.task
    async def quick() -> None:
        pass

    await quick.enqueue()
    await queue.pause()
    async with asyncio.timeout(5):
        await Worker(queue).run(burst=True)

    assert (await queue.counts()).queued == 1


async def _is(queue: Queue, id: str, state: JobState) -> bool:
    return await queue.job(id).state() is state
