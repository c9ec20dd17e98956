"""A job is held by a lease that its worker renews, however long it runs and whatever it blocks."""

from __future__ import annotations

import asyncio
import logging
import threading
import time

import pytest

from aiojobs_redis import LeaseLost, Queue, Worker, current_job
from tests.support.gauge import Gauge
from tests.support.waiting import wait_until

LEASE = 0.6


@pytest.mark.requirement("P23")
@pytest.mark.requirement("D12")
@pytest.mark.behaviour("T38")
@pytest.mark.parametrize("number", [1, 30])
async def test_jobs_of_five_leases_run_once(queue: Queue, number: int) -> None:
    gauge = Gauge()

    @queue.task(lease=LEASE, attempts=1)
    async def long() -> int:
        with gauge.inside():
            await asyncio.sleep(5 * LEASE)
        return current_job().lost_deliveries

    jobs = await queue.enqueue_many([long.bind() for _ in range(number)])
    async with Worker(queue, concurrency=number), Worker(queue, concurrency=number):
        assert [await job.result(30) for job in jobs] == [0] * number

    assert gauge.entered == number


@pytest.mark.requirement("P23")
@pytest.mark.requirement("U17")
async def test_jobs_that_have_not_started_leave_a_loop_that_hangs_for_good(
    real_queue: Queue, real_url: str
) -> None:
    hanging, let_go = threading.Event(), threading.Event()

    def hang() -> None:
        async def run() -> None:
            queue = Queue(real_queue.name, url=real_url, namespace=real_queue.namespace)

            @queue.task(name="work", lease=LEASE, timeout=LEASE, attempts=1)
            async def work(_: int) -> None:
                # The first thing that the loop does once it runs again.
                asyncio.get_running_loop().call_soon(worker.stop, 0)
                hanging.set()
                let_go.wait(30)

            worker = Worker(queue, concurrency=16)
            await worker.run()
            await queue.close()

        asyncio.run(run())

    done: list[int] = []

    @real_queue.task(lease=LEASE, timeout=LEASE, attempts=1)
    async def work(number: int) -> None:
        done.append(number)

    await real_queue.enqueue_many([work.bind(number) for number in range(16)])
    thread = threading.Thread(target=hang)
    thread.start()
    await wait_until(hanging.is_set, "the first of sixteen jobs to hang the loop of all")
    try:
        async with Worker(real_queue, concurrency=16):
            await wait_until(lambda: set(done) == set(range(16)), "another worker to run them", 15)
    finally:
        let_go.set()
        await asyncio.to_thread(thread.join)


@pytest.mark.requirement("P23")
@pytest.mark.behaviour("T38")
async def test_a_job_that_blocks_the_loop_keeps_its_lease_and_is_named(
    queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    runs: list[int] = []

    @queue.task(lease=LEASE, attempts=1)
    async def blocking() -> int:
        runs.append(1)
        time.sleep(5 * LEASE)
        return current_job().lost_deliveries

    async with Worker(queue), Worker(queue):
        job = await blocking.enqueue()
        assert await job.result(30) == 0

    assert len(runs) == 1
    blocked = [record for record in caplog.records if "has been blocked" in record.message]
    assert blocked
    assert all(record.levelno == logging.WARNING for record in blocked)
    assert f"job {job.id} of task blocking" in blocked[0].message
    assert "time.sleep(5 * LEASE)" in blocked[0].message
    assert any("runs again" in record.message for record in caplog.records)


@pytest.mark.requirement("P23")
async def test_jobs_beside_one_that_blocks_the_loop_keep_their_leases(queue: Queue) -> None:
    gauge = Gauge()

    @queue.task(lease=LEASE, attempts=1)
    async def beside() -> int:
        await gauge.pass_through()
        return current_job().lost_deliveries

    @queue.task(lease=LEASE, attempts=1)
    async def blocking() -> int:
        time.sleep(3 * LEASE)
        gauge.open()
        return current_job().lost_deliveries

    async with Worker(queue, concurrency=10):
        jobs = [await beside.enqueue() for _ in range(5)]
        await wait_until(lambda: gauge.now == 5, "the others to run")
        jobs += [await blocking.enqueue(), await beside.enqueue()]
        assert [await job.result(30) for job in jobs] == [0] * 7

    assert gauge.entered == 6


@pytest.mark.requirement("P23")
async def test_jobs_of_one_claim_are_held_before_the_first_of_them_starts(queue: Queue) -> None:
    link = queue.store.server.sync_link(5)
    assert link is not None
    left: list[float] = []

    @queue.task(lease=LEASE)
    async def blocking() -> None:
        if left:
            return
        time.sleep(3 * LEASE)
        seconds, microseconds = link.call("TIME")
        now = int(seconds) + int(microseconds) / 1e6
        leases = link.call("ZRANGE", queue.store.keys["leases"], 0, -1, "WITHSCORES")
        left.extend(float(deadline) / 1000 - now for deadline in leases[1::2])

    await queue.pause()
    jobs = [await blocking.enqueue() for _ in range(5)]
    async with Worker(queue, concurrency=5):
        await queue.resume()
        for job in jobs:
            await job.result(20)

    assert len(left) == 5
    assert min(left) > 0
    link.close()


async def test_a_thread_of_five_leases_runs_once(queue: Queue) -> None:
    runs: list[int] = []

    @queue.task(lease=LEASE, attempts=1)
    def long() -> int:
        runs.append(1)
        time.sleep(5 * LEASE)
        return current_job().lost_deliveries

    async with Worker(queue), Worker(queue):
        assert await (await long.enqueue()).result(30) == 0

    assert len(runs) == 1


@pytest.mark.requirement("D13")
async def test_a_task_may_extend_its_own_lease(queue: Queue) -> None:
    gauge = Gauge()

    @queue.task(lease=LEASE)
    async def careful() -> None:
        await current_job().extend(600)
        await gauge.pass_through()

    async with Worker(queue):
        job = await careful.enqueue()
        await wait_until(lambda: gauge.now == 1, "the job to run")
        end = await lease_end(queue, job.id)
        assert 590 < end - time.time() < 610
        gauge.open()
        await job.result(10)


@pytest.mark.requirement("D13")
@pytest.mark.behaviour("T39")
async def test_a_lease_that_is_lost_cannot_be_extended(queue: Queue) -> None:
    caught: list[BaseException] = []

    @queue.task(lease=60)
    async def careful() -> None:
        try:
            async with queue.store.server.borrow() as link:
                await link.call("HDEL", queue.store.keys["runs"], current_job().id)
            await current_job().extend(600)
        except BaseException as error:
            caught.append(error)
            raise

    async with Worker(queue):
        # Where a renewal of the worker comes first, it cancels the task: then it is another's turn.
        while not any(isinstance(error, LeaseLost) for error in caught):
            assert len(caught) < 10
            ended = len(caught) + 1
            await careful.enqueue()
            await wait_until(lambda: len(caught) == ended, "the task to be told")  # noqa: B023
    await queue.destroy(force=True)


@pytest.mark.requirement("D13")
@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
async def test_a_wrong_extension_is_refused(queue: Queue, seconds: float) -> None:
    @queue.task
    async def careless() -> str:
        try:
            await current_job().extend(seconds)
        except ValueError as error:
            return str(error)
        return ""

    async with Worker(queue):
        assert "seconds must be from 0.001" in await (await careless.enqueue()).result(10)


async def lease_end(queue: Queue, id: str) -> float:
    async with queue.store.server.borrow() as link:
        return float(await link.call("ZSCORE", queue.store.keys["leases"], id)) / 1000


@pytest.mark.requirement("R1")
@pytest.mark.parametrize("why", ["timeout", "cancel"])
async def test_one_that_unwinds_for_longer_than_its_lease_is_interrupted_when_it_is_lost(
    queue: Queue, why: str
) -> None:
    began, told = asyncio.Event(), list[bool]()

    @queue.task(timeout=1, lease=1, attempts=1)
    async def slow() -> None:
        began.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            try:
                await asyncio.sleep(60)
            finally:
                told.append(current_job().lease_lost.is_set())

    async with Worker(queue, concurrency=1):
        job = await slow.enqueue()
        await began.wait()
        if why == "cancel":
            assert await job.cancel()
        await wait_until(lambda: told, "the task to be told that its lease is lost", 20)

    assert told == [True]
