"""The lifespan of a worker: before the first job, after the last, and what its failures do."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import anyio
import pytest

from aiojobs_redis import ConfigInvalid, JobState, LifespanFailed, Queue, Worker
from tests.support.waiting import wait_until


async def test_it_opens_before_the_first_job_and_closes_after_the_last(queue: Queue) -> None:
    story: list[str] = []

    @queue.task
    async def work(number: int) -> None:
        await asyncio.sleep(0.01)
        story.append("job")

    @asynccontextmanager
    async def lifespan(worker: Worker) -> AsyncIterator[None]:
        story.append(f"open {len(worker.queues)}")
        await asyncio.sleep(0.05)
        story.append("opened")
        yield
        # Nothing of a job is left by now, its completion included.
        story.append(f"close {(await queue.counts()).completed}")

    jobs = await queue.enqueue_many([work.bind(number) for number in range(5)])
    await Worker(queue, lifespan=lifespan).run(burst=True)

    assert story == ["open 1", "opened", *["job"] * 5, "close 5"]
    assert [await job.state() for job in jobs] == [JobState.COMPLETED] * 5


async def test_a_stop_lets_jobs_end_before_it_closes(queue: Queue) -> None:
    story: list[str] = []
    gate = asyncio.Event()

    @queue.task
    async def hold() -> None:
        story.append("start")
        await gate.wait()
        story.append("end")

    async def lifespan(worker: Worker) -> AsyncIterator[str]:
        yield "an async generator function will do"
        story.append("close")

    await hold.enqueue()
    async with Worker(queue, lifespan=lifespan) as worker:  # type: ignore[arg-type]
        await wait_until(lambda: story == ["start"], "the job to run")
        worker.stop(grace=10)
        gate.set()
    assert story == ["start", "end", "close"]


async def test_a_failure_while_it_opens_starts_no_job_and_says_why(queue: Queue) -> None:
    @queue.task
    async def work() -> None: ...

    @asynccontextmanager
    async def lifespan(worker: Worker) -> AsyncIterator[None]:
        if worker.queues:
            raise ConnectionError("the database refuses")
        yield

    job = await work.enqueue()
    with pytest.raises(LifespanFailed, match="while it opened; no job was started: Conn") as caught:
        await Worker(queue, lifespan=lifespan).run()
    assert isinstance(caught.value.__cause__, ConnectionError)
    assert await job.state() is JobState.QUEUED
    assert await queue.workers() == []


async def test_a_failure_in_its_background_stops_the_worker_in_good_order(queue: Queue) -> None:
    fail, gate = asyncio.Event(), asyncio.Event()

    @queue.task
    async def hold() -> str:
        fail.set()
        await gate.wait()
        return "finished"

    async def background() -> None:
        await fail.wait()
        raise OSError("the listener died")

    @asynccontextmanager
    async def lifespan(worker: Worker) -> AsyncIterator[None]:
        async with anyio.create_task_group() as group:
            group.start_soon(background)
            yield
            group.cancel_scope.cancel()

    job = await hold.enqueue()
    worker = Worker(queue, lifespan=lifespan)
    running = asyncio.create_task(worker.run())
    await wait_until(lambda: worker._stopping.asked.is_set(), "the worker to stop")
    gate.set()
    with pytest.raises(LifespanFailed, match="while jobs ran; the worker was stopped"):
        await running
    assert await job.result(1) == "finished"


async def test_a_failure_while_it_closes_is_logged(
    queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    @asynccontextmanager
    async def lifespan(worker: Worker) -> AsyncIterator[None]:
        yield
        raise OSError("the pool does not close")

    with caplog.at_level(logging.ERROR, "aiojobs_redis.worker"):
        await Worker(queue, lifespan=lifespan).run(burst=True)
    [record] = [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert record.getMessage() == "the lifespan failed while it closed"
    assert record.exc_info is not None
    assert "the pool does not close" in str(record.exc_info[1])


async def test_one_that_does_not_close_is_cut_off(
    queue: Queue, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aiojobs_redis.worker.worker._CLOSE", 0.1)
    met: list[str] = []
    opened = asyncio.Event()

    @asynccontextmanager
    async def lifespan(worker: Worker) -> AsyncIterator[None]:
        opened.set()
        yield
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            met.append("cancelled")
            raise

    with caplog.at_level(logging.ERROR, "aiojobs_redis.worker"):
        async with Worker(queue, lifespan=lifespan) as worker:
            await asyncio.wait_for(opened.wait(), 10)
            await wait_until(lambda: worker._lanes[0].idle.is_set(), "the worker to work")
            worker.stop(grace=0)
    assert met == ["cancelled"]
    assert "the lifespan does not close within 0.1 s; it is cancelled" in caplog.text


@pytest.mark.parametrize("way", ["stop", "cancel"])
async def test_a_stop_while_it_opens_cancels_it(queue: Queue, way: str) -> None:
    story: list[str] = []

    @asynccontextmanager
    async def lifespan(worker: Worker) -> AsyncIterator[None]:
        try:
            story.append("opening")
            await asyncio.Event().wait()
            yield
        finally:
            story.append("cleaned up")

    worker = Worker(queue, lifespan=lifespan)
    running = asyncio.create_task(worker.run())
    await wait_until(lambda: story == ["opening"], "it to open")
    if way == "stop":
        worker.stop()
        await asyncio.wait_for(running, 10)
    else:
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(running, 10)
    assert story == ["opening", "cleaned up"]


async def test_what_it_sets_in_its_context_is_its_own(queue: Queue) -> None:
    name: ContextVar[str] = ContextVar("name", default="nobody")
    seen: list[str] = []

    @queue.task
    async def work() -> str:
        return name.get()

    @asynccontextmanager
    async def lifespan(worker: Worker) -> AsyncIterator[None]:
        name.set("lifespan")
        yield
        seen.append(name.get())

    async with Worker(queue, lifespan=lifespan):
        assert await (await work.enqueue()).result(10) == "nobody"
    assert seen == ["lifespan"]


async def test_what_is_no_lifespan_is_refused(queue: Queue) -> None:
    async def returns(worker: Worker) -> None: ...

    def returns_nothing(worker: Worker) -> Any: ...

    for bad in ("name", returns):
        with pytest.raises(ConfigInvalid, match="lifespan must be an async function of the worker"):
            Worker(queue, lifespan=bad)  # type: ignore[arg-type]
    with pytest.raises(LifespanFailed, match="returned None, not an async context manager"):
        await Worker(queue, lifespan=returns_nothing).run()
