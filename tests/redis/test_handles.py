"""What a handle tells of its job, at each point of the job's life, and what cancelling does."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aiojobs_redis import (
    Fail,
    Fixed,
    Job,
    JobCancelled,
    JobFailed,
    JobInfo,
    JobNotFound,
    JobState,
    JobStateError,
    Queue,
    Worker,
    current_job,
)
from tests.support.raw import raw
from tests.support.waiting import wait_until


async def info_of(job: Job[Any]) -> JobInfo:
    info = await job.info()
    assert info is not None
    return info


async def reaches(job: Job[Any], state: JobState) -> None:
    async def there() -> bool:
        return await job.state() is state

    await wait_until(there, f"{job} to be {state}", 10)


@pytest.mark.requirement("B18")
async def test_a_job_that_never_was_has_neither_state_nor_record(queue: Queue) -> None:
    job = queue.job("nobody")
    assert not job.created
    assert await job.state() is None
    assert await job.info() is None
    assert not await job.cancel()
    with pytest.raises(JobNotFound, match="nobody"):
        await job.result(5)
    with pytest.raises(JobNotFound, match="nobody"):
        await job.retry()
    await queue.enqueue("work", id="somebody")
    assert await queue.states(["nobody", "somebody"]) == {
        "nobody": None,
        "somebody": JobState.QUEUED,
    }
    assert await job.info() is None


@pytest.mark.requirement("R4")
@pytest.mark.requirement("B24")
async def test_the_record_of_a_job_fills_as_it_goes_from_enqueue_to_result(queue: Queue) -> None:
    started, go = asyncio.Event(), asyncio.Event()

    @queue.task
    async def work(text: str, *, number: int) -> str:
        started.set()
        await go.wait()
        return text * number

    before = datetime.now(UTC) - timedelta(seconds=1)
    job = await work.options(id="x", priority=5, attempts=4, headers={"a": "b"}).enqueue(
        "ab", number=2
    )
    waiting = await info_of(job)
    assert waiting == JobInfo(
        id="x",
        task="work",
        queue=queue.name,
        state=JobState.QUEUED,
        priority=5,
        args=["ab"],
        kwargs={"number": 2},
        headers={"a": "b"},
        attempt=1,
        attempts=4,
        lost_deliveries=0,
        generation=1,
        worker=None,
        enqueued_at=waiting.enqueued_at,
        run_at=waiting.enqueued_at,
        started_at=None,
        finished_at=None,
        progress=None,
        errors=[],
    )
    assert before < waiting.enqueued_at < datetime.now(UTC) + timedelta(seconds=1)
    async with Worker(queue) as worker:
        await asyncio.wait_for(started.wait(), 10)
        running = await info_of(job)
        assert (running.state, running.worker, running.attempt) == ("running", worker.id, 1)
        assert running.started_at is not None
        assert running.finished_at is None
        go.set()
        assert await job.result(10) == "abab"
    done = await info_of(job)
    assert (done.state, done.worker, done.attempt) == ("completed", worker.id, 1)
    assert (done.args, done.kwargs, done.headers) == (["ab"], {"number": 2}, {"a": "b"})
    assert done.started_at == running.started_at
    assert done.finished_at is not None
    assert waiting.enqueued_at == done.enqueued_at <= running.started_at <= done.finished_at


@pytest.mark.requirement("R5")
@pytest.mark.requirement("D7")
@pytest.mark.requirement("U1")
async def test_a_failing_job_is_retrying_between_attempts_and_dead_after_the_last(
    queue: Queue,
) -> None:
    seen: list[JobState | None] = []
    attempts: list[int] = []

    @queue.task(attempts=2, backoff=[0.3])
    async def work() -> None:
        attempts.append(current_job().attempt)
        seen.append(await queue.job("x").state())
        raise ValueError("no")

    job = await work.options(id="x", delay=0.2).enqueue()
    seen.append(await job.state())
    async with Worker(queue):
        await reaches(job, JobState.RETRYING)
        seen.append(await job.state())
        with pytest.raises(JobFailed):
            await job.result(10)
        seen.append(await job.state())
    assert seen == ["scheduled", "running", "retrying", "running", "dead"]
    assert attempts == [1, 2]


@pytest.mark.requirement("R11")
@pytest.mark.requirement("B21")
async def test_the_error_of_each_attempt_is_kept_and_seen_while_it_still_retries(
    queue: Queue,
) -> None:
    @queue.task(attempts=3, backoff=Fixed(0.3))
    async def work() -> None:
        raise ValueError(f"no {current_job().attempt}")

    job = await work.enqueue()
    async with Worker(queue):
        await reaches(job, JobState.RETRYING)
        [first] = (await info_of(job)).errors
        assert (first.type, first.message, first.attempt) == ("ValueError", "no 1", 1)
        with pytest.raises(JobFailed) as caught:
            await job.result(10)
    failed = caught.value
    assert (failed.job_id, failed.error_type, failed.message) == (job.id, "ValueError", "no 3")
    assert "in work" in failed.traceback
    assert 'raise ValueError(f"no' in failed.traceback
    info = await info_of(job)
    assert [error.message for error in info.errors] == ["no 1", "no 2", "no 3"]
    assert [error.attempt for error in info.errors] == [1, 2, 3]
    assert all("ValueError: no" in error.traceback for error in info.errors)
    moments = [error.at for error in info.errors]
    assert moments == sorted(moments)
    assert info.attempt == 3


@pytest.mark.requirement("B21")
async def test_recorded_errors_are_bounded_in_number_and_size(queue: Queue) -> None:
    @queue.task(attempts=13, backoff=[0])
    async def work() -> None:
        raise ValueError(f"{current_job().attempt} " + "x" * 100_000)

    job = await work.enqueue()
    async with Worker(queue):
        with pytest.raises(JobFailed):
            await job.result(20)
    errors = (await info_of(job)).errors
    assert [error.attempt for error in errors] == list(range(4, 14))
    assert {len(error.message) for error in errors} == {4096}
    assert max(len(error.traceback) for error in errors) <= 32 * 1024


@pytest.mark.requirement("P19")
async def test_the_states_of_many_jobs_take_one_round_trip(real_queue: Queue) -> None:
    jobs = await real_queue.enqueue_many([real_queue.bind("work", n) for n in range(900)])
    later = await real_queue.enqueue("work", delay=60)
    ids = [*(job.id for job in jobs), later.id, "nobody"]
    await real_queue.states(ids[:1])
    await raw(real_queue, "CONFIG", "RESETSTAT")
    states = await real_queue.states(ids)
    stats = (await raw(real_queue, "INFO", "commandstats")).decode()
    assert re.findall(r"cmdstat_evalsha:calls=(\d+)", stats) == ["1"]
    assert list(states) == ids
    assert list(states.values()) == [JobState.QUEUED] * 900 + [JobState.SCHEDULED, None]


@pytest.mark.behaviour("T26")
async def test_counts_are_right_whatever_the_priority_and_while_paused(queue: Queue) -> None:
    assert await queue.counts() == await queue.counts()
    assert (await queue.counts()).oldest_seconds is None
    for priority in (-1024, 0, 7, 1023):
        await queue.enqueue_many([queue.bind("work", n, priority=priority) for n in range(3)])
    await queue.enqueue("work", delay=60, priority=9)
    for paused in (False, True, False):
        await (queue.pause() if paused else queue.resume())
        counts = await queue.counts()
        assert (counts.queued, counts.scheduled, counts.paused) == (12, 1, paused)
        assert counts.unfinished == 13
        assert counts.oldest_seconds is not None
        assert 0 <= counts.oldest_seconds < 60


@pytest.mark.parametrize("options", [{}, {"delay": 3600}, {"priority": -3}], ids=str)
async def test_a_waiting_job_that_is_cancelled_never_runs(
    queue: Queue, options: dict[str, int]
) -> None:
    runs: list[str] = []

    @queue.task
    async def work(name: str) -> str:
        runs.append(name)
        return name

    job = await queue.enqueue(work, "cancelled", **options)
    assert await job.cancel("not wanted any more")
    assert await job.state() is JobState.CANCELLED
    assert not await job.cancel("twice")
    async with Worker(queue):
        assert await (await work.enqueue("other")).result(10) == "other"
        with pytest.raises(JobCancelled, match="not wanted any more"):
            await job.result(5)
    assert runs == ["other"]
    info = await info_of(job)
    assert info.finished_at is not None
    assert [error.message for error in info.errors] == ["not wanted any more"]


async def test_a_running_job_that_is_cancelled_is_stopped_by_its_worker(queue: Queue) -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    @queue.task(lease=1)
    async def work() -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    job = await work.enqueue()
    async with Worker(queue):
        await asyncio.wait_for(started.wait(), 10)
        assert await job.cancel("enough")
        with pytest.raises(JobCancelled, match="enough"):
            await job.result(20)
        assert ended.is_set()
    assert await job.state() is JobState.CANCELLED


async def test_a_finished_job_cannot_be_cancelled(queue: Queue) -> None:
    @queue.task
    async def work() -> int:
        return 5

    job = await work.enqueue()
    async with Worker(queue):
        await job.result(10)
    assert not await job.cancel()
    assert await job.result(5) == 5


async def test_a_job_runs_again_as_its_next_generation_and_keeps_its_history(queue: Queue) -> None:
    fail = True

    @queue.task(attempts=2, backoff=[0])
    async def work() -> str:
        if fail:
            raise ValueError("no")
        return "yes"

    job = await work.options(id="x", priority=4).enqueue()
    with pytest.raises(JobStateError, match="not finished"):
        await job.retry()
    async with Worker(queue):
        with pytest.raises(JobFailed):
            await job.result(10)
        fail = False
        await job.retry()
        assert await job.result(10) == "yes"
    info = await info_of(job)
    assert (info.state, info.generation, info.attempt, info.priority) == ("completed", 2, 1, 4)
    assert [error.message for error in info.errors] == ["no", "no"]


async def test_a_failure_for_good_is_dead_at_once(queue: Queue) -> None:
    runs: list[int] = []

    @queue.task(attempts=5)
    async def work() -> None:
        runs.append(1)
        raise Fail("no card on file")

    job = await work.enqueue()
    async with Worker(queue):
        with pytest.raises(JobFailed) as caught:
            await job.result(10)
    assert (caught.value.error_type, caught.value.message) == ("Fail", "no card on file")
    assert await job.state() is JobState.DEAD
    assert runs == [1]


def test_the_repr_of_a_handle_names_job_and_queue() -> None:
    queue = Queue("mails", url="memory://")
    assert repr(queue.job("7")) == "<Job 7 of queue mails>"
