"""Finished jobs run again under their own id, as their next generation, with their history."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from aiojobs_redis import (
    Fail,
    Fixed,
    JobNotFound,
    JobState,
    JobStateError,
    Queue,
    Worker,
    current_job,
)
from aiojobs_redis._redis.inspector import Inspector, Walked
from aiojobs_redis.job import JobInfo
from tests.support.gauge import Gauge
from tests.support.waiting import wait_until


async def record(queue: Queue, id: str) -> JobInfo:
    info = await queue.job(id).info()
    assert info is not None
    return info


@pytest.mark.requirement("B30")
@pytest.mark.requirement("R12")
@pytest.mark.behaviour("T15")
async def test_a_dead_job_is_replayed_with_fresh_attempts_and_its_history(queue: Queue) -> None:
    attempts: list[int] = []
    mended: list[bool] = []

    @queue.task(attempts=2, backoff=Fixed(0))
    async def send(to: str) -> str:
        attempts.append(current_job().attempt)
        if not mended:
            raise ValueError("unreachable")
        return to

    job = await send.options(priority=7).enqueue("a@b.c")
    await Worker(queue).run(burst=True)
    (letter,) = await queue.dead_letters()
    assert (letter.id, letter.args, letter.attempt) == (job.id, ["a@b.c"], 2)
    assert letter.errors[-1].type == "ValueError"
    assert letter.finished_at is not None

    await queue.replay(job.id)
    again = await record(queue, job.id)
    assert (again.state, again.generation, again.attempt) == (JobState.QUEUED, 2, 1)
    assert (again.priority, again.args, len(again.errors)) == (7, ["a@b.c"], 2)
    await Worker(queue).run(burst=True)
    assert attempts == [1, 2, 1, 2], "fresh attempts, all spent"
    assert len((await record(queue, job.id)).errors) == 4

    mended.append(True)
    await queue.replay(job.id)
    async with Worker(queue):
        assert await job.result(10) == "a@b.c"
    done = await record(queue, job.id)
    assert (done.state, done.generation, done.attempt) == (JobState.COMPLETED, 3, 1)
    assert len(done.errors) == 4
    assert await queue.dead_letters() == []


@pytest.mark.behaviour("T15")
async def test_a_completed_job_is_run_again(queue: Queue) -> None:
    runs: list[int] = []

    @queue.task
    async def counting() -> int:
        runs.append(1)
        return len(runs)

    async with Worker(queue):
        job = await counting.enqueue()
        assert await job.result(10) == 1
        await job.retry()
        assert await job.result(10) == 2

    assert (await record(queue, job.id)).generation == 2
    assert (await queue.counts()).completed == 1


@pytest.mark.behaviour("T15")
async def test_a_cancelled_job_is_run_again(queue: Queue) -> None:
    @queue.task
    async def quick() -> str:
        return "ran"

    job = await quick.enqueue()
    assert await job.cancel()
    await job.retry()
    async with Worker(queue):
        assert await job.result(10) == "ran"


@pytest.mark.behaviour("T15")
async def test_a_double_replay_is_refused_and_runs_once(queue: Queue) -> None:
    runs: list[int] = []

    @queue.task(attempts=1)
    async def failing() -> None:
        runs.append(1)
        raise ValueError("as planned")

    job = await failing.enqueue()
    await Worker(queue).run(burst=True)
    answers = await asyncio.gather(*(job.retry() for _ in range(5)), return_exceptions=True)
    await Worker(queue).run(burst=True)

    assert [type(answer) for answer in answers if answer is not None] == [JobStateError] * 4
    assert len(runs) == 2
    assert (await record(queue, job.id)).generation == 2


@pytest.mark.behaviour("T15")
@pytest.mark.requirement("B20")
async def test_what_has_not_finished_cannot_be_replayed_and_is_as_it_was(queue: Queue) -> None:
    gauge = Gauge()

    @queue.task(backoff=Fixed(3600))
    async def task(kind: str) -> None:
        if kind == "retrying":
            raise ValueError("as planned")
        await gauge.pass_through()

    running, retrying = await task.enqueue("running"), await task.enqueue("retrying")
    async with Worker(queue, concurrency=2):
        blocked = await queue.enqueue("unknown")
        await wait_until(lambda: _are(queue, 1, 1), "one to run, one to wait", timeout=10)
        scheduled = await task.options(delay=3600).enqueue("scheduled")
        states = [JobState.RUNNING, JobState.RETRYING, JobState.BLOCKED, JobState.SCHEDULED]
        for job, state in zip((running, retrying, blocked, scheduled), states, strict=True):
            with pytest.raises(JobStateError, match="Nothing was changed"):
                await job.retry()
            info = await record(queue, job.id)
            assert (info.state, info.generation) == (state, 1)
        gauge.open()


@pytest.mark.behaviour("T15")
async def test_a_job_that_never_was_cannot_be_replayed(queue: Queue) -> None:
    with pytest.raises(JobNotFound):
        await queue.replay("never")


@pytest.mark.requirement("R12")
@pytest.mark.requirement("D18")
@pytest.mark.behaviour("T16")
async def test_all_dead_jobs_are_replayed_by_task_and_error(queue: Queue) -> None:
    @queue.task(attempts=1)
    async def one(kind: str) -> None:
        raise {"value": ValueError, "key": KeyError}[kind]("as planned")

    @queue.task(attempts=1)
    async def other() -> None:
        raise Fail("for good")

    await one.enqueue("value")
    await queue.enqueue_many([one.bind("key"), one.bind("key"), other.bind()])
    await Worker(queue).run(burst=True)
    assert (await queue.counts()).dead == 4

    assert len(await queue.dead_letters(task="one")) == 3
    assert len(await queue.dead_letters(error="KeyError", limit=1)) == 1
    assert await queue.replay_all(error="KeyError") == 2
    assert await queue.replay_all(task="other") == 1
    counts = await queue.counts()
    assert (counts.dead, counts.queued) == (1, 3)
    assert await queue.replay_all() == 1
    assert await queue.replay_all() == 0


async def test_what_somebody_else_has_replayed_meanwhile_does_not_run_again(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[int] = []
    walk = Inspector.walk

    @queue.task(attempts=1)
    async def charge() -> None:
        runs.append(1)
        if len(runs) == 1:
            raise Fail("no paper")

    job = await charge.enqueue()
    await Worker(queue).run(burst=True)

    async def read_late(
        self: Inspector, state: JobState, *, last: int | None
    ) -> AsyncIterator[Walked]:
        async for walked in walk(self, state, last=last):
            await job.retry()
            await Worker(queue).run(burst=True)
            yield walked

    monkeypatch.setattr(Inspector, "walk", read_late)
    assert await queue.replay_all() == 0
    await Worker(queue).run(burst=True)

    assert len(runs) == 2


@pytest.mark.behaviour("T16")
@pytest.mark.requirement("B29")
async def test_a_replay_on_a_paused_queue_waits_for_its_resumption(queue: Queue) -> None:
    runs: list[int] = []

    @queue.task(attempts=1)
    async def noted(number: int) -> None:
        runs.append(number)
        if len(runs) <= 300:
            raise ValueError("as planned")

    await queue.enqueue_many([noted.bind(number) for number in range(300)])
    await Worker(queue).run(burst=True)
    await queue.pause()
    assert await queue.replay_all() == 300
    async with Worker(queue):
        beats = time.monotonic() + 1.5
        await wait_until(lambda: time.monotonic() > beats, "a beat to have passed")
        assert (await queue.counts()).queued == 300
        await queue.resume()
        await wait_until(lambda: len(runs) == 600, "all to run", timeout=20)

    assert runs[300:] == runs[:300], "in the order in which they died"
    assert (await queue.counts()).completed == 300


@pytest.mark.requirement("D30")
async def test_the_fencing_token_grows_over_a_replay(queue: Queue) -> None:
    tokens: list[int] = []

    @queue.task(attempts=2, backoff=Fixed(0))
    async def failing() -> None:
        tokens.append(current_job().fencing_token)
        raise ValueError("as planned")

    job = await failing.enqueue()
    await Worker(queue).run(burst=True)
    await job.retry()
    await Worker(queue).run(burst=True)

    assert len(tokens) == 4
    assert tokens == sorted(set(tokens))


async def _are(queue: Queue, running: int, retrying: int) -> bool:
    counts = await queue.counts()
    return (counts.running, counts.retrying, counts.blocked) == (running, retrying, 1)
