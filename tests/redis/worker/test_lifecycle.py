"""How a worker starts, ends by itself and lives inside an application's own event loop."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from datetime import UTC, datetime, timedelta

import pytest

from aiojobs_redis import JobState, Queue, Worker
from tests.support.gauge import Gauge
from tests.support.proxy import Proxy
from tests.support.raw import raw
from tests.support.waiting import wait_until


@pytest.mark.behaviour("T01")
async def test_a_job_added_before_any_worker_runs_once(queue: Queue) -> None:
    runs: list[int] = []

    @queue.task
    async def noted(number: int) -> int:
        runs.append(number)
        return number

    job = await noted.enqueue(7)
    assert await job.state() is JobState.QUEUED
    async with Worker(queue), Worker(queue):
        assert await job.result(10) == 7

    assert runs == [7]


async def test_burst_on_an_empty_queue_ends_at_once(queue: Queue) -> None:
    async with asyncio.timeout(5):
        await Worker(queue).run(burst=True)


async def test_burst_runs_what_is_there_and_what_that_adds(queue: Queue) -> None:
    runs: list[int] = []

    @queue.task
    async def adding(depth: int) -> None:
        runs.append(depth)
        if depth:
            await adding.enqueue(depth - 1)

    await adding.enqueue(5)
    await Worker(queue, concurrency=2).run(burst=True)

    assert runs == [5, 4, 3, 2, 1, 0]


@pytest.mark.requirement("U17")
async def test_burst_waits_for_retries(queue: Queue) -> None:
    attempts: list[int] = []

    @queue.task(attempts=3, backoff=[0.1, 0.2])
    async def failing_twice() -> str:
        attempts.append(len(attempts))
        if len(attempts) < 3:
            raise ValueError("not yet")
        return "done"

    job = await failing_twice.enqueue()
    await Worker(queue).run(burst=True)

    assert len(attempts) == 3
    assert await job.result(5) == "done"


async def test_burst_runs_what_is_due_and_leaves_what_is_not(queue: Queue) -> None:
    @queue.task
    async def quick() -> None:
        pass

    due = await quick.options(delay=0.02).enqueue()
    later = await quick.options(delay=60).enqueue()
    await wait_until(lambda: _is_past(due.id, queue), "the first delay to have passed")
    await Worker(queue).run(burst=True)

    assert await due.state() is JobState.COMPLETED
    assert await later.state() is JobState.SCHEDULED


async def test_burst_waits_for_the_jobs_of_other_workers(queue: Queue) -> None:
    gauge = Gauge()

    @queue.task
    async def held() -> None:
        await gauge.pass_through()

    async with Worker(queue, concurrency=1):
        await held.enqueue()
        await wait_until(lambda: gauge.now == 1, "the first worker to run the job")
        burst = asyncio.create_task(Worker(queue).run(burst=True))
        done, _ = await asyncio.wait({burst}, timeout=0.3)
        assert not done
        gauge.open()
        await asyncio.wait_for(burst, 5)


async def test_an_embedded_worker_takes_no_signal_handlers(queue: Queue) -> None:
    handled = (signal.SIGTERM, signal.SIGINT, signal.SIGTSTP, signal.SIGCONT, signal.SIGTTIN)
    before = [signal.getsignal(number) for number in handled]

    @queue.task
    async def quick() -> None:
        pass

    async with Worker(queue):
        await (await quick.enqueue()).result(10)
        during = [signal.getsignal(number) for number in handled]

    assert during == before


async def test_an_embedded_worker_leaves_nothing_running_behind(queue: Queue) -> None:
    @queue.task
    async def quick() -> None:
        pass

    before = asyncio.all_tasks()
    async with Worker(queue):
        await (await quick.enqueue()).result(10)

    left = {task.get_name() for task in asyncio.all_tasks() - before}
    assert {name for name in left if "wait" not in name} == set()


async def test_an_embedded_worker_ends_with_an_error_in_its_block(queue: Queue) -> None:
    @queue.task
    async def quick() -> None:
        pass

    async def serve() -> None:
        async with Worker(queue):
            await (await quick.enqueue()).result(10)
            raise LookupError("of the application")

    with pytest.raises(LookupError):
        await serve()

    assert (await queue.counts()).workers == 0


async def test_a_worker_runs_once(queue: Queue) -> None:
    worker = Worker(queue)
    await worker.run(burst=True)

    with pytest.raises(RuntimeError, match="runs once"):
        await worker.run()


async def test_a_worker_stopped_before_it_runs_ends_at_once(queue: Queue) -> None:
    worker = Worker(queue)
    worker.stop()

    async with asyncio.timeout(5):
        await worker.run()


@pytest.mark.requirement("R8")
@pytest.mark.requirement("B25")
@pytest.mark.behaviour("T59")
async def test_workers_are_listed_while_they_live(queue: Queue, second_queue: Queue) -> None:
    @queue.task
    async def work() -> None: ...

    await queue.enqueue("unknown", delay=60)
    # It is told in milliseconds.
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    async with Worker(queue, concurrency=3, version="1.2") as one, Worker(queue) as two:
        await wait_until(lambda: _are_listed(queue, 2), "both to be listed")
        listed = {info.id: info for info in await queue.workers()}
        now = datetime.now(UTC)
        elsewhere = await second_queue.workers()

    assert set(listed) == {one.id, two.id}
    assert listed[one.id].concurrency == 3
    assert listed[one.id].version == "1.2"
    for info in listed.values():
        assert (info.host, info.pid, info.tasks) == (socket.gethostname(), os.getpid(), ("work",))
        assert before < info.started_at <= now
    assert elsewhere == []
    assert await queue.workers() == []


@pytest.mark.behaviour("T59")
async def test_a_worker_is_listed_again_when_its_connection_is_back(
    real_url: str, queue_name: str
) -> None:
    async with (
        Queue(queue_name, url=real_url, namespace="test") as near,
        Proxy(real_url.removeprefix("unix://")) as proxy,
        Queue(queue_name, url=proxy.url, namespace="test") as far,
    ):
        await near.enqueue("unknown", delay=60)
        async with Worker(far) as worker:
            await wait_until(lambda: _are_listed(near, 1), "the worker to be listed")
            proxy.refusing = True
            proxy.cut()
            # As after a minute in which nothing was heard of it.
            await raw(near, "DEL", near.store.keys["workers"])
            assert await near.workers() == []
            proxy.refusing = False
            await wait_until(lambda: _are_listed(near, 1), "the worker to be back", 20)
            [info] = await near.workers()
            assert info.id == worker.id


async def _are_listed(queue: Queue, number: int) -> bool:
    return len(await queue.workers()) == number


async def _is_past(id: str, queue: Queue) -> bool:
    info = await queue.job(id).info()
    assert info is not None
    return datetime.now(UTC) > info.run_at
