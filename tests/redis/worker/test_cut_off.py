"""What becomes of a started attempt that its worker gives up or that a caller cancels."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Literal

import pytest

from aiojobs_redis import Failure, Fixed, JobCancelled, JobFailed, JobState, Queue, Worker
from tests.support import process_tasks
from tests.support.waiting import wait_until

# What becomes of processes is the worker's business: one kind of server is enough.
on_one_server = pytest.mark.parametrize("server_url", ["valkey"], indirect=True)

FICKLE = """
import os
from pathlib import Path
from aiojobs_redis.worker import place

if place.in_child and not Path({first!r}).exists():
    Path({first!r}).touch()
    os._exit(3)

def work() -> str:
    return "done"
"""


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


async def passing(job: Any, call_next: Any) -> Any:
    return await call_next(job)


@on_one_server
@pytest.mark.parametrize("middleware", [[], [passing]])
async def test_what_waits_for_a_process_has_not_begun(
    queue: Queue, tmp_path: Path, middleware: list[Any]
) -> None:
    hold = queue.task(executor="process", delivery="at_most_once")(process_tasks.wait_for)
    worker = Worker(queue, processes=1, concurrency=3, middleware=middleware)
    running = asyncio.create_task(worker.run())
    held = await hold.enqueue(str(tmp_path / "held"), str(tmp_path / "gate"))
    await wait_until((tmp_path / "held").exists, "the first to begin", 30)
    others = [str(tmp_path / name) for name in ("second", "third")]
    waiting = [await hold.enqueue(path, str(tmp_path / "gate")) for path in others]
    await wait_until(lambda: _running(queue, 3), "all to be claimed")

    worker.stop(grace=0)
    await asyncio.wait_for(running, 30)

    assert await held.state() is JobState.DEAD
    for job in waiting:
        info = await job.info()
        assert info is not None
        assert (info.state, info.attempt, info.lost_deliveries) == (JobState.QUEUED, 1, 0)
    assert not any(Path(path).exists() for path in others)


@pytest.mark.parametrize("begun", [False, True])
async def test_what_waits_for_company_has_not_begun(queue: Queue, begun: bool) -> None:
    called = asyncio.Event()

    @queue.batch_task(size=2 if begun else 5, wait=60, delivery="at_most_once")
    async def hold(items: list[int]) -> None:
        called.set()
        await asyncio.Event().wait()

    jobs = await queue.enqueue_many([hold.bind(number) for number in range(2)])
    worker = Worker(queue)
    running = asyncio.create_task(worker.run())
    if begun:
        await asyncio.wait_for(called.wait(), 10)
    else:
        await wait_until(lambda: _running(queue, 2), "both to be claimed")

    worker.stop(grace=0)
    await asyncio.wait_for(running, 30)

    states = [await job.state() for job in jobs]
    assert states == [JobState.DEAD if begun else JobState.QUEUED] * 2
    assert called.is_set() is begun


async def _running(queue: Queue, count: int) -> bool:
    return (await queue.counts()).running == count


@on_one_server
@pytest.mark.parametrize("middleware", [[], [passing]])
async def test_a_process_that_dies_is_followed_by_no_other_attempt(
    queue: Queue, middleware: list[Any]
) -> None:
    die = queue.task(executor="process", attempts=5, backoff=Fixed(0), delivery="at_most_once")(
        process_tasks.die
    )
    told: list[Failure] = []

    async with Worker(queue, processes=1, middleware=middleware, on_failure=told.append):
        job = await die.enqueue("SIGKILL")
        with pytest.raises(JobFailed) as caught:
            await job.result(30)

    assert caught.value.error_type == "abandoned"
    assert "was killed by signal 9 (SIGKILL)" in caught.value.message
    info = await job.info()
    assert info is not None
    assert (len(info.errors), info.attempt) == (1, 1)
    assert [(type(failure.error).__name__, failure.dead) for failure in told] == [
        ("ProcessDied", True)
    ]


@on_one_server
async def test_a_process_that_dies_before_the_task_begins_costs_an_attempt_only(
    queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tmp_path / "first"
    (tmp_path / "fickle_tasks.py").write_text(FICKLE.format(first=str(first)))
    monkeypatch.syspath_prepend(tmp_path)
    import fickle_tasks  # type: ignore[import-not-found]

    work = queue.task(executor="process", attempts=2, backoff=Fixed(0), delivery="at_most_once")(
        fickle_tasks.work
    )

    async with Worker(queue, processes=1):
        job = await work.enqueue()
        assert await job.result(30) == "done"

    assert first.exists()
    info = await job.info()
    assert info is not None
    assert [error.type for error in info.errors] == ["ProcessDied"]


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
