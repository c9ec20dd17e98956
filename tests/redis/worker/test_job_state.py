"""The state of a job survives its attempts, however they end."""

from __future__ import annotations

import asyncio
import datetime
from typing import Any

import pytest

from aiojobs_redis import (
    ArgumentsInvalid,
    Cancel,
    Fail,
    Fixed,
    JobNotFound,
    JobState,
    LeaseLost,
    PayloadTooLarge,
    Queue,
    Retry,
    Snooze,
    Worker,
    current_job,
)
from tests.support.gauge import Gauge
from tests.support.raw import raw
from tests.support.scripts import Scripts
from tests.support.stealing import steal
from tests.support.waiting import wait_until


@pytest.mark.behaviour("T63")
@pytest.mark.parametrize("end", [ValueError("x"), Retry(0), Snooze(0), TimeoutError()])
async def test_the_next_attempt_begins_with_the_state_of_the_last(
    queue: Queue, end: Exception
) -> None:
    seen: list[dict[str, Any]] = []

    @queue.task(attempts=9, backoff=Fixed(0))
    async def work() -> int:
        state = current_job().state
        seen.append(dict(state))
        state["page"] = state.get("page", 0) + 1
        if state["page"] < 4:
            raise end
        return int(state["page"])

    async with Worker(queue):
        job = await work.enqueue()
        assert await job.result(10) == 4

    assert seen == [{}, {"page": 1}, {"page": 2}, {"page": 3}]
    info = await job.info()
    assert info is not None
    assert info.attempt == (1 if isinstance(end, Snooze) else 4)


@pytest.mark.behaviour("T63")
@pytest.mark.parametrize("end", [Fail("x"), Cancel("x")])
async def test_a_replay_of_what_did_not_complete_goes_on_with_its_state(
    queue: Queue, end: Exception
) -> None:
    @queue.task
    async def work() -> list[int]:
        job = current_job()
        job.state["tries"] = job.state.get("tries", 0) + 1
        if job.generation == 1:
            raise end
        return [job.generation, job.state["tries"]]

    async with Worker(queue):
        job = await work.enqueue()

        async def ended() -> bool:
            state = await job.state()
            return state is not None and state.finished

        await wait_until(ended, "the job to end")
        await job.retry()
        assert await job.result(10) == [2, 2]
        await job.retry()
        assert await job.result(10) == [3, 1], "what completed starts anew"


@pytest.mark.behaviour("T63")
async def test_a_saved_state_survives_a_crash(queue: Queue, other: Scripts) -> None:
    gauge = Gauge()
    seen: list[dict[str, Any]] = []

    @queue.task(lease=2)
    async def work() -> None:
        job = current_job()
        seen.append(dict(job.state))
        job.state["saved"] = True
        await job.save()
        await job.save()
        job.state["lost"] = True
        await gauge.pass_through()

    async with Worker(queue, concurrency=1) as worker:
        job = await work.enqueue()
        await wait_until(lambda: gauge.now == 1, "the job to run")
        assert await job.saved_state() == {"saved": True}
        worker.pause()
        await steal(other, job.id)
        await wait_until(lambda: not worker.runs(), "the stale run to end", timeout=15)
        gauge.open()
        await other.expire_lease(job.id)
        worker.resume()
        await job.result(15)

    assert seen == [{}, {"saved": True}]


@pytest.mark.requirement("B27")
@pytest.mark.behaviour("T63")
async def test_a_job_that_is_handed_back_keeps_its_state(queue: Queue) -> None:
    gauge = Gauge()

    @queue.task
    async def work() -> Any:
        state = current_job().state
        if "begun" in state:
            return state["begun"]
        state["begun"] = [1, "two", None]
        await gauge.pass_through()
        return "ran to its end"

    job = await work.enqueue()
    async with Worker(queue) as worker:
        await wait_until(lambda: gauge.now == 1, "the job to run")
        worker.stop(grace=0)
    assert await job.state() is JobState.QUEUED
    async with Worker(queue):
        assert await job.result(10) == [1, "two", None]


@pytest.mark.requirement("D30")
@pytest.mark.behaviour("F3", "T39")
async def test_a_stale_worker_saves_no_state(queue: Queue, other: Scripts) -> None:
    gauge, told = Gauge(), list[bool]()

    @queue.task(lease=2)
    async def work() -> None:
        job = current_job()
        await gauge.pass_through()
        job.state["stale"] = True
        try:
            await job.save()
        except (LeaseLost, asyncio.CancelledError):
            told.append(True)
        raise ValueError("after it was lost")

    async with Worker(queue, concurrency=1) as worker:
        job = await work.enqueue()
        await wait_until(lambda: gauge.now == 1, "the job to run")
        worker.pause()
        await steal(other, job.id)
        gauge.open()
        await wait_until(lambda: not worker.runs(), "the run to end")

    assert told == [True]
    assert await job.saved_state() == {}


async def test_a_state_that_is_only_looked_at_costs_nothing(queue: Queue) -> None:
    @queue.task(attempts=2, backoff=Fixed(0))
    async def work() -> None:
        assert current_job().state == {}
        if current_job().attempt == 1:
            raise ValueError("once")

    async with Worker(queue):
        job = await work.enqueue()
        await job.result(10)

    assert not await raw(queue, "EXISTS", queue.store.keys["extras"])


async def test_a_state_can_be_emptied(queue: Queue) -> None:
    @queue.task(attempts=3, backoff=Fixed(0))
    async def work() -> dict[str, Any]:
        job = current_job()
        if job.attempt == 1:
            job.state.update(a=1, at=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC))
        elif job.attempt == 2:
            job.state.clear()
        else:
            return job.state
        raise ValueError("again")

    async with Worker(queue):
        job = await work.enqueue()
        assert await job.result(10) == {}


WRONG: list[tuple[dict[Any, Any], type[Exception], str]] = [
    ({"a": object()}, ArgumentsInvalid, "cannot be saved: values of type object"),
    ({1: "a"}, ArgumentsInvalid, "keys that are texts"),
    ({"a": "x" * 1_100_000}, PayloadTooLarge, "1100.* bytes encoded, the limit is 1048576"),
]


@pytest.mark.parametrize(("wrong", "kind", "text"), WRONG)
async def test_what_cannot_be_saved_is_refused_and_the_last_one_stays(
    queue: Queue,
    wrong: dict[Any, Any],
    kind: type[Exception],
    text: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    @queue.task(attempts=2, backoff=Fixed(0))
    async def work() -> dict[str, Any]:
        job = current_job()
        if job.attempt == 2:
            return job.state
        job.state["good"] = 1
        await job.save()
        job.state.update(wrong)
        with pytest.raises(kind, match=text):
            await job.save()
        raise ValueError("again")

    async with Worker(queue):
        job = await work.enqueue()
        assert await job.result(10) == {"good": 1}

    assert f"job {job.id}: its state cannot be saved, the one before stays" in caplog.text


async def test_there_is_no_state_of_a_job_that_is_not_there(queue: Queue) -> None:
    for read in (queue.job("x").saved_state, queue.job("x").steps):
        with pytest.raises(JobNotFound, match="no record of job x"):
            await read()


@pytest.mark.corrupts
async def test_a_damaged_state_makes_the_job_dead(queue: Queue) -> None:
    ran = 0

    @queue.task(attempts=2, backoff=Fixed(0.2))
    async def work() -> None:
        nonlocal ran
        ran += 1
        current_job().state["a"] = 1
        raise ValueError("again")

    async with Worker(queue):
        job = await work.enqueue()

        async def saved() -> bool:
            return await job.state() is JobState.RETRYING

        await wait_until(saved, "the job to wait")
        await raw(queue, "HSET", queue.store.keys["extras"], f"s{job.id}", b"1,1,\xc1")
        await job.promote()

        async def dead() -> bool:
            return await job.state() is JobState.DEAD

        await wait_until(dead, "the job to be dead")

    info = await job.info()
    assert info is not None
    assert ran == 1
    assert info.errors[-1].type == "PayloadRejected"
    assert f"the stored state of job {job.id} does not decode" in info.errors[-1].message
