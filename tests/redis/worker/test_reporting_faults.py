"""Reports while Redis is slow, loses replies, or is away: nothing of them is lost or doubled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from aiojobs_redis import Job, JobState, Queue, Worker, current_job
from aiojobs_redis.emitted import MOST_EVENTS
from tests.support.proxy import Proxy, runs_script
from tests.support.servers import ServerProcess
from tests.support.waiting import wait_until

is_jot = runs_script("jot")


@pytest.fixture
async def proxy(valkey_server: ServerProcess) -> AsyncIterator[Proxy]:
    """A proxy before the server."""
    async with Proxy(valkey_server.socket) as proxy:
        yield proxy


@pytest.fixture
async def queue(proxy: Proxy) -> AsyncIterator[Queue]:
    """A queue behind the proxy."""
    queue = Queue("reports", url=proxy.url, namespace="test")
    yield queue
    proxy.refusing = False
    await queue.destroy(force=True)
    await queue.close()


async def emitted(job: Job[Any]) -> list[Any]:
    """Return what a job that ends has emitted."""
    async with asyncio.timeout(30):
        return [event.data async for event in job.events(types=["emitted"])]


class Held:
    """Holds the calls that write reports, before they are carried out."""

    def __init__(self, proxy: Proxy) -> None:
        self.there = asyncio.Event()
        self.gate = asyncio.Event()
        proxy.before = self._before

    async def _before(self, words: list[bytes]) -> None:
        if is_jot(words):
            self.there.set()
            await self.gate.wait()


@pytest.mark.requirement("B12")
async def test_a_completion_waits_for_reports_that_are_on_their_way(
    queue: Queue, proxy: Proxy
) -> None:
    held = Held(proxy)

    @queue.task
    async def work() -> str:
        # Not awaited: it is on its way when the task ends.
        _ = current_job().progress(1)
        await held.there.wait()
        return "done"

    async with Worker(queue) as worker:
        job = await work.enqueue()
        await wait_until(lambda: any(run.closing for run in worker.runs()), "the task to end")
        assert await job.state() is JobState.RUNNING
        held.gate.set()
        assert await job.result(10) == "done"
        progress = await job.progress()

    assert progress is not None
    assert progress.done == 1


@pytest.mark.behaviour("F26")
async def test_a_report_whose_reply_is_lost_is_written_once(queue: Queue, proxy: Proxy) -> None:
    @queue.task
    async def work() -> None:
        job = current_job()
        for number in range(5):
            proxy.drop_reply_of(is_jot)
            await job.log(f"line {number}")
            proxy.drop_reply_of(is_jot)
            await job.step(f"step {number}", lambda: 1)

    async with Worker(queue):
        job = await work.enqueue()
        await job.result(20)
        assert [line.text for line in await job.logs()] == [f"line {n}" for n in range(5)]
        assert await job.steps() == {f"step {number}": 1 for number in range(5)}

    assert len(list(filter(is_jot, proxy.seen))) >= 10


@pytest.mark.behaviour("F26")
async def test_an_event_whose_reply_is_lost_is_told_once(queue: Queue, proxy: Proxy) -> None:
    @queue.task
    async def work() -> None:
        job = current_job()
        for number in range(5):
            proxy.drop_reply_of(is_jot)
            await job.emit("number", number)
            _ = job.log("beside it")
            proxy.drop_reply_of(is_jot)
            await job.step(f"step {number}", lambda: 1)

    async with Worker(queue):
        job = await work.enqueue()
        await job.result(20)
        assert await emitted(job) == list(range(5))
        assert len(await job.logs()) == 5

    assert len(list(filter(is_jot, proxy.seen))) >= 10


@pytest.mark.requirement("U17")
async def test_a_task_that_emits_waits_over_an_outage_and_loses_nothing(
    queue: Queue, proxy: Proxy
) -> None:
    crowded = asyncio.Event()

    @queue.task(attempts=1)
    async def work() -> None:
        job = current_job()
        await job.emit("number", 0)
        proxy.refusing = True
        proxy.cut()
        for number in range(1, 1_500):
            if number == MOST_EVENTS:
                crowded.set()
            await job.emit("number", number)

    async with Worker(queue):
        job = await work.enqueue()
        await asyncio.wait_for(crowded.wait(), 20)
        proxy.refusing = False
        await job.result(20)
        assert await emitted(job) == list(range(1_500))


@pytest.mark.requirement("U17")
async def test_whoever_follows_a_job_goes_on_after_an_outage(queue: Queue, proxy: Proxy) -> None:
    gate = asyncio.Event()

    @queue.task
    async def work() -> None:
        await current_job().emit("number", 0)
        await gate.wait()
        await current_job().emit("number", 1)

    async with Worker(queue):
        job = await work.enqueue()
        seen: list[str] = []
        async with asyncio.timeout(30):
            async for event in job.events():
                seen.append(event.type)
                if seen[-1] == "emitted" and not gate.is_set():
                    proxy.cut()
                    gate.set()
    assert seen == ["enqueued", "started", "emitted", "emitted", "completed"]


@pytest.mark.requirement("U17")
@pytest.mark.behaviour("T44")
async def test_reports_of_an_outage_arrive_after_it(
    queue: Queue, proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    said = asyncio.Event()

    @queue.task(attempts=1)
    async def work() -> int:
        job = current_job()
        await job.log("before")
        proxy.refusing = True
        proxy.cut()
        for number in range(50):
            await job.log(f"{number}")
            await job.progress(number)
        said.set()
        return await job.step("after", lambda: 7)

    async with Worker(queue):
        job = await work.enqueue()
        await asyncio.wait_for(said.wait(), 20)
        proxy.refusing = False
        assert await job.result(20) == 7
        progress, lines = await job.progress(), await job.logs()

    assert progress is not None
    assert progress.done == 49
    assert [line.text for line in lines] == ["before", *[f"{n}" for n in range(50)]]


async def test_a_worker_stops_in_time_though_reports_cannot_be_written(
    queue: Queue, proxy: Proxy
) -> None:
    held = Held(proxy)

    @queue.task
    async def work() -> None:
        _ = current_job().progress(1)
        await held.there.wait()

    loop = asyncio.get_running_loop()
    async with Worker(queue) as worker:
        job = await work.enqueue()
        await wait_until(lambda: any(run.closing for run in worker.runs()), "the task to end")
        began = loop.time()
        worker.stop(grace=0.1)
    took = loop.time() - began
    held.gate.set()

    assert took < 8
    assert await job.state() is JobState.COMPLETED, "only what it reported was given up"
    assert await job.progress() is None
