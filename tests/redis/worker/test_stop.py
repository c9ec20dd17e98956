"""A worker that is stopped claims nothing more, finishes or hands back, and loses nothing."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from aiojobs_redis import JobState, Queue, Worker, current_job
from aiojobs_redis._redis.link import Link
from aiojobs_redis._redis.store import Exchange
from aiojobs_redis.worker.duties import Beats
from tests.support.gauge import Gauge
from tests.support.waiting import wait_until


@pytest.mark.requirement("P14")
@pytest.mark.behaviour("T42")
async def test_an_idle_worker_stops_within_a_second(queue: Queue) -> None:
    @queue.task
    async def quick() -> None:
        pass

    loop = asyncio.get_running_loop()
    async with Worker(queue, concurrency=50) as worker:
        await (await quick.enqueue()).result(10)
        await wait_until(lambda: not worker.runs(), "the worker to be idle")
        began = loop.time()
    spent = loop.time() - began

    assert spent < 1


async def test_a_worker_leaves_all_its_queues_at_once(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = queue.store.server._url
    queues = [Queue(f"{queue.name}-{n}", url=url, namespace="test") for n in range(3)]
    all_leave, leave = asyncio.Barrier(len(queues)), Beats.leave

    async def together(beats: Beats) -> None:
        # One after the other, each would wait here for those that come after it.
        await all_leave.wait()
        await leave(beats)

    monkeypatch.setattr(Beats, "leave", together)
    async with Worker(queues) as worker:
        await worker.wait_until_ready()

    assert [await each.workers() for each in queues] == [[], [], []]
    for each in queues:
        await each.destroy()


@pytest.mark.requirement("R16")
@pytest.mark.requirement("B27")
@pytest.mark.behaviour("T42")
async def test_running_jobs_finish_and_no_others_start(queue: Queue) -> None:
    gauge = Gauge()

    @queue.task
    async def held(number: int) -> int:
        await gauge.pass_through()
        return number

    jobs = await queue.enqueue_many([held.bind(number) for number in range(6)])
    worker = Worker(queue, concurrency=2)
    running = asyncio.create_task(worker.run())
    await wait_until(lambda: gauge.now == 2, "two to run")
    worker.stop()
    done, _ = await asyncio.wait({running}, timeout=0.3)
    assert not done, "it waits for what runs"
    gauge.open()
    await asyncio.wait_for(running, 10)

    counts = await queue.counts()
    assert (counts.completed, counts.queued, counts.running) == (2, 4, 0)
    assert gauge.entered == 2
    assert [await job.result(5) for job in jobs[:2]] == [0, 1]


@pytest.mark.requirement("B27")
async def test_unstarted_jobs_go_back_to_their_place(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[int] = []

    @queue.task
    async def noted(number: int) -> None:
        order.append(number)

    exchange = queue.store.exchange
    worker = Worker(queue, concurrency=5)
    claimed: list[int] = []

    async def stopping(link: Link, args: Any, **kind: Any) -> Exchange:
        reply = await exchange(link, args, **kind)
        claimed.append(len(reply.claims))
        # The reply is read only after the stop: none of these jobs has started.
        worker.stop()
        return reply

    jobs = await queue.enqueue_many(
        [noted.options(priority=number % 3).bind(number) for number in range(12)]
    )
    monkeypatch.setattr(queue.store, "exchange", stopping)
    await asyncio.wait_for(worker.run(), 10)
    monkeypatch.undo()
    assert claimed[0] == 5
    assert order == []
    assert (await queue.counts()).queued == 12
    await Worker(queue, concurrency=1).run(burst=True)

    assert order == [2, 5, 8, 11, 1, 4, 7, 10, 0, 3, 6, 9]
    infos = await queue.infos([job.id for job in jobs])
    assert {(info.attempt, info.lost_deliveries) for info in infos} == {(1, 0)}


@pytest.mark.requirement("B27")
@pytest.mark.behaviour("T42")
async def test_past_the_grace_jobs_are_handed_back_with_no_attempt_spent(queue: Queue) -> None:
    gauge, order, ends = Gauge(), list[int](), list[str]()

    @queue.task(attempts=1)
    async def held(number: int) -> None:
        order.append(number)
        try:
            await gauge.pass_through()
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise
        finally:
            ends.append("finally")

    jobs = await queue.enqueue_many([held.bind(number) for number in range(4)])
    worker = Worker(queue, concurrency=2)
    running = asyncio.create_task(worker.run())
    await wait_until(lambda: gauge.now == 2, "two to run")
    worker.stop(grace=0.1)
    await asyncio.wait_for(running, 10)

    assert ends == ["cancelled", "finally"] * 2
    assert (await queue.counts()).queued == 4
    gauge.open()
    order.clear()
    await Worker(queue, concurrency=1).run(burst=True)
    assert order == [0, 1, 2, 3], "at their old place"
    infos = await queue.infos([job.id for job in jobs])
    assert {info.state for info in infos} == {JobState.COMPLETED}
    assert {(info.attempt, info.lost_deliveries) for info in infos} == {(1, 0)}
    assert [info.errors for info in infos] == [[]] * 4


@pytest.mark.behaviour("T42")
async def test_leases_are_renewed_while_the_last_jobs_finish(queue: Queue) -> None:
    gauge = Gauge()

    @queue.task(lease=1, attempts=1)
    async def held() -> int:
        await gauge.pass_through()
        return current_job().lost_deliveries

    job = await held.enqueue()
    worker = Worker(queue)
    running = asyncio.create_task(worker.run())
    await wait_until(lambda: gauge.now == 1, "the job to run")
    worker.stop(grace=60)
    async with Worker(queue):
        done, _ = await asyncio.wait({running}, timeout=3)
        assert not done
        gauge.open()
        assert await job.result(10) == 0
    await asyncio.wait_for(running, 10)

    assert gauge.entered == 1


@pytest.mark.behaviour("T42")
async def test_a_second_stop_may_shorten_the_grace(queue: Queue) -> None:
    gauge = Gauge()

    @queue.task
    async def held() -> None:
        await gauge.pass_through()

    await held.enqueue()
    worker = Worker(queue)
    running = asyncio.create_task(worker.run())
    await wait_until(lambda: gauge.now == 1, "the job to run")
    worker.stop(grace=60)
    await wait_until(lambda: gauge.now == 1, "the job to run on")
    worker.stop(grace=0)
    await asyncio.wait_for(running, 10)

    assert (await queue.counts()).queued == 1


async def test_a_stop_from_another_thread_works(queue: Queue) -> None:
    @queue.task
    async def quick() -> None:
        pass

    worker = Worker(queue)
    running = asyncio.create_task(worker.run())
    await (await quick.enqueue()).result(10)
    thread = threading.Thread(target=worker.stop)
    thread.start()
    await asyncio.wait_for(running, 10)
    thread.join()

    assert (await queue.counts()).workers == 0


async def test_a_stop_does_not_wait_for_threads_of_users(queue: Queue) -> None:
    loop, let_go = asyncio.get_running_loop(), threading.Event()
    loop.set_default_executor(ThreadPoolExecutor(2))
    gauge = Gauge()

    @queue.task(attempts=1)
    async def busy() -> None:
        with gauge.inside():
            await asyncio.to_thread(let_go.wait)

    await queue.enqueue_many([busy.bind() for _ in range(4)])
    worker = Worker(queue, concurrency=4)
    running = asyncio.create_task(worker.run())
    await wait_until(lambda: gauge.now == 4, "more jobs to run than there are threads")
    worker.stop(grace=0)
    done, _ = await asyncio.wait({running}, timeout=4)
    let_go.set()
    await running

    assert done
    assert (await queue.counts()).queued == 4


@pytest.mark.requirement("B27")
async def test_a_cancellation_of_run_ends_orderly(queue: Queue) -> None:
    gauge, ends = Gauge(), list[str]()

    @queue.task(attempts=1)
    async def held() -> None:
        try:
            await gauge.pass_through()
        finally:
            ends.append("finally")

    job = await held.enqueue()
    running = asyncio.create_task(Worker(queue).run())
    await wait_until(lambda: gauge.now == 1, "the job to run")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, 10)

    info = await job.info()
    assert info is not None
    assert ends == ["finally"]
    assert (info.state, info.attempt, info.lost_deliveries) == (JobState.QUEUED, 1, 0)
    assert (await queue.counts()).workers == 0


async def test_a_timeout_around_run_ends_it_orderly(queue: Queue) -> None:
    gauge = Gauge()

    @queue.task
    async def held() -> None:
        await gauge.pass_through()

    await held.enqueue()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await Worker(queue).run()

    counts = await queue.counts()
    assert (counts.queued, counts.running) == (1, 0)


@pytest.mark.behaviour("T42")
async def test_a_job_that_ignores_its_cancellation_does_not_hold_up_the_end() -> None:
    queue = Queue("stubborn", url="memory://stubborn")
    gauge = Gauge()

    @queue.task
    async def stubborn() -> None:
        while gauge.entered < 2:
            try:
                await gauge.pass_through()
            except asyncio.CancelledError:
                await asyncio.sleep(0)
                with gauge.inside():
                    await wait_until(lambda: released, "the end of the test", timeout=30)

    released: list[bool] = []
    job = await stubborn.enqueue()
    worker = Worker(queue)
    running = asyncio.create_task(worker.run())
    await wait_until(lambda: gauge.now == 1, "the job to run")
    worker.stop(grace=0)
    await asyncio.wait_for(running, 15)

    assert await job.state() is JobState.QUEUED
    released.append(True)
    await wait_until(lambda: gauge.now == 0, "the job to end")
    await queue.close()


@pytest.mark.requirement("B27")
async def test_a_job_that_completes_within_its_cancellation_is_completed(queue: Queue) -> None:
    gauge = Gauge()

    @queue.task
    async def saving() -> str:
        try:
            await gauge.pass_through()
        except asyncio.CancelledError:
            return "saved"
        return "done"

    job = await saving.enqueue()
    worker = Worker(queue)
    running = asyncio.create_task(worker.run())
    await wait_until(lambda: gauge.now == 1, "the job to run")
    worker.stop(grace=0)
    await asyncio.wait_for(running, 10)

    assert await job.result(5) == "saved"
