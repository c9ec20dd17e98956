"""A task waits for jobs that it enqueued itself: its attempt ends, and the job runs again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Literal

import pytest

from aiojobs_redis import (
    ConfigInvalid,
    Fail,
    FromParents,
    Job,
    JobFailed,
    JobState,
    Queue,
    Transition,
    Unique,
    WaitFor,
    Worker,
    check_history,
    current_job,
    current_jobs,
)
from aiojobs_redis.dependencies import OnFailure
from aiojobs_redis.worker.failures import Failure
from aiojobs_redis.worker.handover import Handover
from tests.support import process_tasks
from tests.support.raw import raw
from tests.support.waiting import wait_until

LONG = 20.0


def give_parts(queue: Queue) -> None:
    @queue.task
    async def part(number: int) -> int:
        return number

    @queue.task(attempts=1)
    async def broken() -> int:
        raise Fail("no")


@pytest.mark.requirement("B13", "T63")
async def test_a_task_waits_for_what_it_enqueued_and_reads_it(queue: Queue) -> None:
    give_parts(queue)
    attempts: list[tuple[int, int]] = []

    @queue.task(attempts=1)
    async def report(numbers: list[int], done: FromParents[int] = ()) -> int:
        job = current_job()
        attempts.append((job.attempt, len(done)))

        async def begin() -> list[str]:
            calls = [queue.bind("part", number) for number in numbers]
            return [one.id for one in await queue.enqueue_many(calls)]

        ids = await job.step("parts", begin)
        if not done:
            job.state["asked"] = len(ids)
            await job.log("waits")
            raise WaitFor(ids)
        assert [parent.id for parent in await job.parents()] == ids
        return int(job.state["asked"]) * 100 + sum(done)

    job = await report.enqueue([1, 2, 3])
    async with Worker(queue, concurrency=1):
        assert await job.result(LONG) == 306

    assert attempts == [(1, 0), (1, 3)]
    assert [line.text for line in await job.logs()] == ["waits"]
    info = await job.info()
    assert info is not None
    assert not info.errors
    tree = await job.tree()
    assert [one.task for one in tree.parents] == ["part"] * 3


async def test_those_that_have_ended_are_not_waited_for(queue: Queue) -> None:
    give_parts(queue)

    @queue.task
    async def report(id: str) -> int:
        found = await current_job().parents()
        if not found:
            raise WaitFor([queue.job(id)])
        return int(found[0].result())

    first = await queue.enqueue("part", 7)
    async with Worker(queue):
        assert await first.result(LONG) == 7
        job = await report.enqueue(first.id)
        assert await job.result(LONG) == 7


@pytest.mark.requirement("B14")
@pytest.mark.parametrize("where", ["job", "task", "nowhere", "now"])
async def test_what_a_failed_one_means_is_what_the_job_says(queue: Queue, where: str) -> None:
    give_parts(queue)

    @queue.task(on_parent_failure="run" if where == "task" else "fail")
    async def report() -> str:
        found = await current_job().parents()
        if not found:
            raise WaitFor([await queue.enqueue("broken"), await queue.enqueue("part", 2)])
        return " ".join(str(parent.state) for parent in found)

    policies: dict[str, OnFailure] = {"job": "run", "now": "run_now"}
    task = report.options(on_parent_failure=policies[where]) if where in policies else report
    job = await task.enqueue()
    async with Worker(queue):
        if where != "nowhere":
            assert (await job.result(LONG)).startswith("dead ")
        else:
            with pytest.raises(JobFailed, match="on which it depends, is dead"):
                await job.result(LONG)


async def test_a_retry_of_the_one_that_failed_runs_both(queue: Queue) -> None:
    fails = True

    @queue.task(attempts=1)
    async def part() -> int:
        if fails:
            raise ValueError("bad")
        return 5

    @queue.task(attempts=1)
    async def report() -> int:
        async def begin() -> str:
            return (await part.enqueue()).id

        id = await current_job().step("part", begin)
        found = await current_job().parents()
        if not found or found[0].state is not JobState.COMPLETED:
            raise WaitFor([id])
        return int(found[0].result())

    job = await report.enqueue()
    async with Worker(queue):
        with pytest.raises(JobFailed):
            await job.result(LONG)
        (failed,) = await queue.jobs(JobState.DEAD, task="part")
        # By itself it finds the same failed job, and dies of it again.
        await job.retry()
        with pytest.raises(JobFailed, match="on which it depends"):
            await job.result(LONG)
        fails = False
        await queue.job(failed.id).retry()
        assert await job.result(LONG) == 5
    info = await job.info()
    assert info is not None
    assert info.generation == 3


async def test_a_job_that_completed_and_runs_again_enqueues_and_waits_anew(queue: Queue) -> None:
    give_parts(queue)

    @queue.task
    async def report(done: FromParents[int] = ()) -> int:
        if not done:
            raise WaitFor([await queue.enqueue("part", 1)])
        return len(done)

    job = await report.enqueue()
    async with Worker(queue):
        assert await job.result(LONG) == 1
        await job.retry()
        assert await job.result(LONG) == 1
    assert (await queue.counts()).completed == 3


async def test_a_flow_is_cancelled_with_what_it_waits_for(queue: Queue) -> None:
    give_parts(queue)

    @queue.task
    async def report() -> None:
        raise WaitFor([await queue.enqueue("part", 1, delay=3600)])

    job = await report.enqueue()
    await Worker(queue).run(burst=True)
    assert await job.state() is JobState.BLOCKED
    assert await job.cancel_flow() == 2
    assert (await queue.counts()).cancelled == 2


@pytest.mark.parametrize("executor", ["async", "thread", "process", "batch"])
async def test_it_is_the_same_wherever_the_task_runs(queue: Queue, executor: str) -> None:
    give_parts(queue)
    first = await queue.enqueue("part", 4)

    if executor == "batch":

        @queue.batch_task(size=2)
        async def wait(ids: list[str]) -> list[int | Exception]:
            jobs = zip(ids, current_jobs(), strict=True)
            return [WaitFor([id]) if not await job.parents() else 4 for id, job in jobs]

        job: Job[int] = await wait.enqueue(first.id)
    elif executor == "process":
        job = await queue.task(executor="process")(process_tasks.wait_for_job).enqueue(first.id)
    else:

        def plain(id: str, done: FromParents[int] = ()) -> int:
            if not done:
                raise WaitFor([id])
            return done[0]

        async def waits(id: str, done: FromParents[int] = ()) -> int:
            return plain(id, done)

        job = await (queue.task(plain) if executor == "thread" else queue.task(waits)).enqueue(
            first.id
        )
    async with Worker(queue, processes=1):
        assert await job.result(2 * LONG) == 4


async def test_what_a_lease_ends_with_counts_as_what_a_task_raises(queue: Queue) -> None:
    give_parts(queue)
    job = await queue.enqueue("by_hand")
    (lease,) = await queue.claim(1)
    part = await queue.enqueue("part", 1)
    await lease.fail(WaitFor([part]))

    assert await job.state() is JobState.BLOCKED
    (own,) = await queue.claim(1)
    assert own.job.id == part.id
    await own.complete(1)
    (again,) = await queue.claim(1)
    assert (again.job.id, again.attempt) == (job.id, 1)
    with pytest.raises(ConfigInvalid, match=f"job {job.id} cannot wait for job {job.id}"):
        await again.fail(WaitFor([job.id]))
    assert await job.state() is JobState.DEAD


async def test_one_that_may_not_wait_is_dead_and_says_why(queue: Queue) -> None:
    steps: list[Transition] = []
    failures: list[Failure] = []

    @queue.task(attempts=5)
    async def circle() -> None:
        raise WaitFor([current_job().id])

    job = await circle.enqueue()
    worker = Worker(queue, observers=[steps.append], on_failure=failures.append)
    await worker.run(burst=True)

    with pytest.raises(JobFailed, match=f"job {job.id} cannot wait for job {job.id}"):
        await job.result()
    assert [(step.type, step.state) for step in steps] == [
        ("started", JobState.RUNNING),
        ("dead", JobState.DEAD),
    ]
    assert steps[-1].error_type == "wait_refused"
    (failure,) = failures
    assert failure.dead
    assert isinstance(failure.error, ConfigInvalid)


async def test_jobs_of_a_queue_elsewhere_are_an_error_of_the_attempt(
    queue: Queue, queue_name: str, server_url: str
) -> None:
    @queue.task(attempts=1)
    async def report() -> None:
        async with Queue(queue_name, url=server_url, namespace="elsewhere") as far:
            raise WaitFor([far.job("any")])

    job = await report.enqueue()
    await Worker(queue).run(burst=True)
    with pytest.raises(JobFailed, match="the one has the namespace test, the other elsewhere"):
        await job.result()


@pytest.mark.requirement("B13", "B14")
async def test_jobs_of_another_queue_are_waited_for_as_well(
    queue: Queue, second_queue: Queue
) -> None:
    give_parts(queue)
    give_parts(second_queue)

    @queue.task
    async def report(done: FromParents[int] = ()) -> int:
        if not done:
            ended = await second_queue.enqueue("part", 1)
            await ended.result(LONG)
            late = await second_queue.enqueue("part", 10, delay=0.05)
            raise WaitFor([ended, await queue.enqueue("part", 100), late])
        return sum(done)

    @queue.task(on_parent_failure="run")
    async def survivor() -> list[str]:
        found = await current_job().parents()
        if not found:
            raise WaitFor([await second_queue.enqueue("broken")])
        return [f"{parent.queue} {parent.state}" for parent in found]

    async with Worker(queue), Worker(second_queue):
        first, second = await report.enqueue(), await survivor.enqueue()
        async with asyncio.timeout(4):
            # Nobody had to ask again, as the leaders do every five seconds.
            assert await first.result(LONG) == 111
            assert await second.result(LONG) == [f"{second_queue.name} dead"]


async def test_a_call_that_was_lost_is_made_up_for(
    queue: Queue, second_queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_parts(second_queue)

    @queue.task
    async def report(done: FromParents[int] = ()) -> int:
        if not done:
            ended = await second_queue.enqueue("part", 1)
            await ended.result(LONG)
            raise WaitFor([ended])
        return sum(done)

    monkeypatch.setattr(Handover, "ask", lambda *_: None)
    async with Worker(queue), Worker(second_queue):
        assert await (await report.enqueue()).result(LONG) == 1


async def test_one_of_another_queue_that_is_gone_keeps_nobody_waiting(
    queue: Queue, second_queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aiojobs_redis.worker.handover._ASK", 0.1)

    @queue.task(on_parent_failure="run")
    async def report() -> int:
        found = await current_job().parents()
        if not found:
            raise WaitFor([second_queue.job("nobody")])
        return len(found)

    job = await report.enqueue()
    async with Worker(queue):
        await wait_until(lambda: is_blocked(job), "the job to wait", LONG)
        # Whoever waits for less than a minute may be part of a flow that is still being added.
        await raw(queue, "ZADD", f"test:{{{queue.name}}}:blocked", 1, job.id)
        assert await job.result(LONG) == 1


async def is_blocked(job: Job[int]) -> bool:
    return await job.state() is JobState.BLOCKED


async def test_a_task_with_one_slot_waits_for_itself_of_less(queue: Queue) -> None:
    @queue.task
    async def count(deep: int, below: FromParents[int] = ()) -> int:
        if deep and not below:
            raise WaitFor([await count.enqueue(deep - 1), await count.enqueue(deep - 1)])
        return 1 + sum(below)

    await queue.limit(concurrency=1, task="count")
    job = await count.enqueue(3)
    async with Worker(queue, concurrency=1):
        assert await job.result(LONG) == 15


async def test_its_history_is_sound(queue: Queue, tmp_path: Path) -> None:
    give_parts(queue)

    @queue.task
    async def report(number: int) -> None:
        if not await current_job().parents():
            raise WaitFor([await queue.enqueue("part" if number else "broken", *([1] * number))])

    with queue.record_history(tmp_path) as recorder:
        for number in (0, 1):
            await report.enqueue(number)
        await Worker(queue).run(burst=True)
        recorder.mark("drained")

    found = check_history(tmp_path)
    assert found.violations == []
    assert found.causes == {"waited": 1}


@pytest.mark.behaviour("T64")
@pytest.mark.parametrize("until", ["started", "done"])
async def test_a_unique_job_that_runs_again_with_the_one_it_died_of_keeps_nobody_out(
    queue: Queue, until: Literal["started", "done"]
) -> None:
    ran: list[str] = []
    broken = [True]

    @queue.task(attempts=1)
    async def part() -> None:
        if broken:
            raise Fail("no")

    @queue.task(attempts=1, unique=Unique("key", until=until))
    async def report(name: str) -> None:
        if name == "first" and not ran:
            ran.append("asks")
            raise WaitFor([await part.options(id="part").enqueue()])
        ran.append(name)

    first = await report.enqueue("first")
    await Worker(queue).run(burst=True)
    assert await first.state() == JobState.DEAD

    broken.clear()
    await queue.job("part").retry()
    second = await report.enqueue("second")
    assert second.created
    await Worker(queue).run(burst=True)
    assert await queue.states([first.id, second.id]) == dict.fromkeys(
        [first.id, second.id], JobState.COMPLETED
    )
