"""The hook of failed attempts: once each, and only where Redis has accepted the outcome."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

import pytest

from aiojobs_redis import (
    Cancel,
    ConfigInvalid,
    Failure,
    Fixed,
    JobCancelled,
    JobFailed,
    Queue,
    Snooze,
    Worker,
    current_job,
)
from tests.support.gauge import Gauge
from tests.support.waiting import wait_until


@pytest.mark.requirement("B39")
@pytest.mark.requirement("D19")
async def test_each_failed_attempt_is_told_once_and_each_death(queue: Queue) -> None:
    told: list[Failure] = []
    snoozed: list[str] = []

    @queue.task(attempts=3, backoff=Fixed(0))
    async def fails() -> None:
        raise ValueError(f"attempt {current_job().attempt}")

    @queue.task
    async def ends(how: str) -> None:
        if how == "snooze" and not snoozed:
            snoozed.append(how)
            raise Snooze(delay=0.05)
        if how == "cancel":
            raise Cancel("no need")

    async with Worker(queue, on_failure=told.append):
        fine = [await ends.enqueue(how) for how in ("return", "cancel", "snooze")]
        await fine[0].result(10)
        await fine[2].result(10)
        bad = await fails.enqueue()
        with pytest.raises(JobFailed):
            await bad.result(10)
        wrong = await queue.enqueue("ends", 17)
        with pytest.raises(JobFailed, match="ArgumentsInvalid"):
            await wrong.result(10)
        await wait_until(lambda: len(told) == 4, "all to be told")

    failures = [(f.job.id, f.job.attempt, type(f.error).__name__, f.dead) for f in told]
    assert failures == [
        (bad.id, 1, "ValueError", False),
        (bad.id, 2, "ValueError", False),
        (bad.id, 3, "ValueError", True),
        (wrong.id, 1, "ArgumentsInvalid", True),
    ]
    assert str(told[2].error) == "attempt 3"
    assert (await queue.counts()).dead == 2


async def test_an_async_hook_has_ended_before_the_worker_has(queue: Queue) -> None:
    told: list[str] = []

    async def slow(failure: Failure) -> None:
        await asyncio.sleep(0.2)
        told.append(failure.job.id)

    @queue.task(attempts=1)
    async def fails() -> None:
        raise ValueError

    jobs = [await fails.enqueue() for _ in range(3)]
    await Worker(queue, on_failure=slow).run(burst=True)

    assert sorted(told) == sorted(job.id for job in jobs)


async def test_an_error_of_the_hook_is_logged_and_harms_nobody(
    queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: Failure) -> None:
        raise RuntimeError("plain")

    async def broken_too(_: Failure) -> None:
        raise RuntimeError("async")

    @queue.task(attempts=1)
    async def fails() -> None:
        raise ValueError

    for hook in (broken, broken_too):
        job = await fails.enqueue()
        with caplog.at_level(logging.ERROR, "aiojobs_redis.worker"):
            await Worker(queue, on_failure=hook).run(burst=True)
        [record] = [r for r in caplog.records if r.levelno == logging.ERROR]
        assert record.getMessage() == f"on_failure raised for job {job.id}"
        assert record.exc_info is not None
        caplog.clear()


async def test_an_attempt_whose_lease_was_lost_is_not_told(queue: Queue) -> None:
    told: list[Failure] = []
    ended = asyncio.Event()

    async def begin_anew() -> None:
        await queue.destroy(force=True)
        await queue.enqueue("ends")

    @queue.task(attempts=1)
    async def fails() -> None:
        # The job is not there any more when its death is reported, and the queue is.
        begun = asyncio.ensure_future(begin_anew())
        with suppress(asyncio.CancelledError):
            # Its worker may hear of the loss, and cancel it, before it ends by itself.
            await asyncio.shield(begun)
        await begun
        raise ValueError

    @queue.task
    async def ends() -> None:
        ended.set()

    await fails.enqueue()
    async with Worker(queue, on_failure=told.append):
        await asyncio.wait_for(ended.wait(), 30)

    assert told == []


@pytest.mark.parametrize("attempts", [1, 3])
async def test_an_attempt_whose_job_was_cancelled_is_not_told(queue: Queue, attempts: int) -> None:
    told: list[Failure] = []
    gauge = Gauge()

    @queue.task(attempts=attempts, backoff=Fixed(0))
    async def cleans_up_badly() -> None:
        try:
            await gauge.pass_through()
        except asyncio.CancelledError:
            raise ValueError("the clean-up failed") from None

    @queue.task(attempts=1)
    async def fails() -> None:
        raise KeyError

    async with Worker(queue, on_failure=told.append):
        job = await cleans_up_badly.enqueue()
        await wait_until(lambda: gauge.now == 1, "it to run")
        await job.cancel()
        with pytest.raises(JobCancelled):
            await job.result(10)
        other = await fails.enqueue()
        await wait_until(lambda: told, "the one that failed to be told")
    assert [failure.job.id for failure in told] == [other.id]


async def test_an_attempt_for_one_delivery_that_was_cut_off_is_told_without_an_error(
    queue: Queue,
) -> None:
    told: list[Failure] = []

    @queue.task(delivery="at_most_once")
    async def hang() -> None:
        await asyncio.Event().wait()

    job = await hang.enqueue()
    async with Worker(queue, on_failure=told.append) as worker:
        await wait_until(lambda: len(worker.runs()) == 1, "it to run")
        worker.stop(grace=0)

    assert [(f.job.id, f.error, f.dead) for f in told] == [(job.id, None, True)]


def test_what_cannot_be_called_is_no_hook(queue_name: str) -> None:
    with pytest.raises(ConfigInvalid, match="on_failure must be a callable of a Failure"):
        Worker(Queue(queue_name, url="memory://x"), on_failure="name")  # type: ignore[arg-type]
