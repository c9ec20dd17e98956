"""What a task may raise to say how its attempt ended, and what is made of that."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from aiojobs_redis import (
    Cancel,
    ConfigInvalid,
    Fail,
    Fixed,
    JobCancelled,
    JobFailed,
    JobState,
    Queue,
    Retry,
    Snooze,
    Worker,
    current_job,
)
from tests.support.gauge import Gauge
from tests.support.waiting import wait_until


@pytest.mark.requirement("B22")
@pytest.mark.behaviour("T12")
async def test_fail_runs_a_job_exactly_once(queue: Queue) -> None:
    runs: list[int] = []

    @queue.task(attempts=5, backoff=Fixed(0))
    async def failing() -> None:
        runs.append(1)
        raise Fail("the account is closed")

    job = await failing.enqueue()
    await Worker(queue).run(burst=True)

    with pytest.raises(JobFailed, match="the account is closed"):
        await job.result(5)
    assert len(runs) == 1
    assert await job.state() is JobState.DEAD


@pytest.mark.requirement("B23")
async def test_retry_spends_an_attempt_and_ends_when_none_is_left(queue: Queue) -> None:
    attempts: list[int] = []

    @queue.task(attempts=3, backoff=Fixed(3600))
    async def retrying() -> None:
        attempts.append(current_job().attempt)
        raise Retry(delay=0, reason="busy")

    job = await retrying.enqueue()
    await Worker(queue).run(burst=True)

    info = await job.info()
    assert info is not None
    assert attempts == [1, 2, 3]
    assert info.state is JobState.DEAD
    assert [(error.type, error.message) for error in info.errors] == [("Retry", "busy")] * 3


@pytest.mark.requirement("B23")
async def test_retry_is_not_subject_to_the_error_filters(queue: Queue) -> None:
    @queue.task(attempts=2, retry_on=LookupError, fail_on=Exception)
    async def retrying() -> int:
        if current_job().attempt == 1:
            raise Retry(delay=0)
        return current_job().attempt

    job = await retrying.enqueue()
    await Worker(queue).run(burst=True)

    assert await job.result(5) == 2


@pytest.mark.requirement("B23")
@pytest.mark.behaviour("T63")
async def test_snooze_spends_no_attempt_and_records_no_error(queue: Queue) -> None:
    runs: list[int] = []

    @queue.task(attempts=1)
    async def waiting() -> str:
        runs.append(current_job().attempt)
        if len(runs) < 4:
            raise Snooze(delay=timedelta(milliseconds=20))
        return "ready"

    job = await waiting.enqueue()
    async with Worker(queue):
        assert await job.result(10) == "ready"

    info = await job.info()
    assert info is not None
    assert runs == [1, 1, 1, 1]
    assert (info.attempt, info.errors) == (1, [])


@pytest.mark.requirement("B23")
async def test_a_snoozed_job_is_scheduled_meanwhile(queue: Queue) -> None:
    @queue.task
    async def waiting() -> None:
        raise Snooze(delay=3600)

    job = await waiting.enqueue()
    async with Worker(queue):
        await wait_until(lambda: _is(queue, job.id, JobState.SCHEDULED), "the job to be put off")

    info = await job.info()
    assert info is not None
    assert 3500 < (info.run_at - info.enqueued_at).total_seconds() < 3700


@pytest.mark.behaviour("T63")
async def test_a_job_that_snoozes_for_ever_is_ended_by_its_number_of_starts(queue: Queue) -> None:
    runs: list[str] = []

    @queue.task(attempts=3, backoff=Fixed(0))
    async def polls(name: str) -> None:
        runs.append(name)
        if name == "fails" and runs.count(name) == 2:
            raise ValueError(name)
        raise Snooze(delay=0.01)

    capped = [await polls.options(max_starts=4).enqueue(name) for name in ("waits", "fails")]
    free = await polls.enqueue("free")
    async with Worker(queue):
        for job in capped:
            with pytest.raises(JobFailed, match="started as often as max_starts allows") as ended:
                await job.result(20)
            assert ended.value.error_type == "max_starts"
        await wait_until(lambda: runs.count("free") > 6, "the one without a limit to go on")
        await free.cancel()

    assert (runs.count("waits"), runs.count("fails")) == (4, 4)
    info = await capped[1].info()
    assert info is not None
    assert [(error.type, error.attempt) for error in info.errors] == [
        ("ValueError", 1),
        ("max_starts", 2),
    ]
    runs.clear()
    await capped[0].retry()
    async with Worker(queue):
        with pytest.raises(JobFailed, match="max_starts"):
            await capped[0].result(20)
    assert runs.count("waits") == 4


@pytest.mark.behaviour("T63")
async def test_a_start_that_a_worker_cut_off_counts_too(queue: Queue) -> None:
    begun = asyncio.Event()

    @queue.task
    async def hold() -> None:
        begun.set()
        await asyncio.Event().wait()

    job = await hold.options(max_starts=2, max_deliveries=10).enqueue()
    for _ in range(2):
        [lease] = await queue.claim()
        # It has not begun.
        await lease.release()
        begun.clear()
        async with Worker(queue) as worker:
            await begun.wait()
            worker.stop(grace=0)

    assert await queue.claim() == []

    assert await job.state() is JobState.DEAD
    for bad in (0, -1, 1.5, True):
        with pytest.raises(ConfigInvalid, match="max_starts must be a whole number from 1"):
            await queue.enqueue("work", max_starts=bad)


async def test_cancel_ends_a_job_as_cancelled(queue: Queue) -> None:
    runs: list[int] = []

    @queue.task(attempts=5, backoff=Fixed(0))
    async def pointless() -> None:
        runs.append(1)
        raise Cancel("not needed any more")

    job = await pointless.enqueue()
    await Worker(queue).run(burst=True)

    with pytest.raises(JobCancelled, match="not needed any more"):
        await job.result(5)
    assert len(runs) == 1
    assert (await queue.counts()).cancelled == 1


async def test_a_reason_may_be_an_error(queue: Queue) -> None:
    @queue.task(attempts=3)
    async def ship() -> None:
        reason: Any = LookupError("order 7 is gone")
        raise Cancel(reason)

    reason: Any = ValueError("by mistake")
    later = await ship.options(delay=3600).enqueue()
    assert await later.cancel(reason)
    job = await ship.enqueue()
    await Worker(queue).run(burst=True)

    for one, text in ((job, "order 7 is gone"), (later, "by mistake")):
        info = await one.info()
        assert info is not None
        assert (info.state, info.errors[-1].message) == (JobState.CANCELLED, text)


@pytest.mark.requirement("P10")
@pytest.mark.behaviour("T66")
async def test_a_cancellation_reaches_the_one_running_job_that_is_meant(queue: Queue) -> None:
    gauge, ended = Gauge(), list[int]()

    @queue.task(lease=1.5)
    async def held(number: int) -> int:
        try:
            await gauge.pass_through()
        except asyncio.CancelledError:
            ended.append(number)
            raise
        return number

    jobs = [await held.enqueue(number) for number in range(3)]
    async with Worker(queue):
        await wait_until(lambda: gauge.now == 3, "all to run")
        assert await jobs[1].cancel("by the user")
        await wait_until(lambda: ended == [1], "the second to be interrupted", timeout=10)
        gauge.open()
        with pytest.raises(JobCancelled):
            await jobs[1].result(10)
        assert [await jobs[0].result(10), await jobs[2].result(10)] == [0, 2]

    assert ended == [1]
    assert not await jobs[0].cancel(), "it has finished"


@pytest.mark.parametrize("outcome", [Retry, Snooze])
@pytest.mark.parametrize("delay", [-1, float("nan")])
async def test_an_outcome_with_a_wrong_delay_is_an_error_of_that_job(
    queue: Queue, outcome: type[Retry] | type[Snooze], delay: float
) -> None:
    @queue.task(attempts=1)
    async def confused() -> None:
        raise outcome(delay=delay)

    job = await confused.enqueue()
    await Worker(queue).run(burst=True)

    with pytest.raises(JobFailed, match="ConfigInvalid: delay must be"):
        await job.result(5)


async def _is(queue: Queue, id: str, state: JobState) -> bool:
    return await queue.job(id).state() is state
