"""Flows over several queues: told in milliseconds, and by whoever is there if that was lost."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest

from aiojobs_redis import (
    ConfigInvalid,
    Fail,
    FromParents,
    JobFailed,
    JobNotFound,
    JobState,
    Queue,
    SignedCodec,
    Worker,
    chain,
    current_job,
)
from tests.support.raw import raw
from tests.support.waiting import wait_until


def give_tasks(queue: Queue) -> None:
    @queue.task
    async def start(number: int) -> int:
        return number

    @queue.task(attempts=1)
    async def fails() -> None:
        raise Fail("no")

    @queue.task
    async def total(before: FromParents[int] = ()) -> int:
        return sum(before)

    @queue.task
    async def ends() -> list[str]:
        return [f"{one.queue} {one.id} {one.state}" for one in await current_job().parents()]


@pytest.mark.requirement("B13", "B14")
async def test_a_job_waits_for_jobs_of_another_queue_and_reads_what_they_returned(
    queue: Queue, second_queue: Queue
) -> None:
    give_tasks(queue)
    give_tasks(second_queue)
    first = await second_queue.enqueue("start", 1)
    second = await queue.enqueue("start", 2)
    last = await queue.enqueue("total", depends_on=[first, second])
    assert await last.state() is JobState.BLOCKED

    async with Worker(queue), Worker(second_queue):
        assert await last.result(10) == 3
        third = await second_queue.enqueue("total", depends_on=[last])
        assert await third.result(10) == 3
        began = time.monotonic()
        chain = [await queue.enqueue("start", 1)]
        for at in range(10):
            chain.append(
                await (second_queue if at % 2 else queue).enqueue("total", depends_on=chain[-1:])
            )
        assert await chain[-1].result(10) == 1
        # Each hop is a call or two, and no poll: ten of these take ten seconds.
        assert time.monotonic() - began < 5


@pytest.mark.requirement("B14")
@pytest.mark.parametrize(
    ("policy", "state"),
    [("fail", JobState.DEAD), ("cancel", JobState.CANCELLED), ("run", JobState.COMPLETED)],
)
async def test_each_policy_for_a_failure_in_another_queue(
    queue: Queue,
    second_queue: Queue,
    policy: str,
    state: JobState,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "aiojobs_redis")
    give_tasks(queue)
    give_tasks(second_queue)
    parent = await second_queue.enqueue("fails")
    child = await queue.enqueue("ends", depends_on=[parent], on_parent_failure=policy)
    after = await second_queue.enqueue("ends", depends_on=[child], on_parent_failure="run")

    async with Worker(queue), Worker(second_queue):
        seen = await after.result(10)

    assert seen == [f"{queue.name} {child.id} {state}"]
    # One record, whichever worker brought it about.
    own = [record for record in caplog.records if getattr(record, "job_id", "") == child.id]
    ends = [(one.queue, one.state) for one in own if JobState(one.state).finished]  # type: ignore[attr-defined]
    assert ends == [(queue.name, state.value)]
    info = await child.info()
    assert info is not None
    if policy == "run":
        assert await child.result(1) == [f"{second_queue.name} {parent.id} dead"]
    else:
        error = info.errors[-1]
        assert (error.type, error.message) == (
            "parent_failed",
            f"job {parent.id} of queue {second_queue.name}, on which it depends, is dead",
        )


async def test_one_that_has_ended_before_counts_at_once(queue: Queue, second_queue: Queue) -> None:
    give_tasks(queue)
    give_tasks(second_queue)
    parent = await second_queue.enqueue("start", 5)
    await Worker(second_queue).run(burst=True)

    child = await queue.enqueue("total", depends_on=[parent])

    assert await child.state() is JobState.QUEUED
    await Worker(queue).run(burst=True)
    assert await child.result(1) == 5


async def test_one_that_does_not_exist_is_refused(queue: Queue, second_queue: Queue) -> None:
    give_tasks(queue)
    with pytest.raises(JobNotFound, match=f"no record of it in queue {second_queue.name}"):
        await queue.enqueue("total", depends_on=[second_queue.job("no")])
    assert (await queue.counts()).blocked == 0


async def test_a_result_is_kept_until_the_other_queue_has_it(
    queue: Queue, second_queue: Queue
) -> None:
    give_tasks(queue)
    give_tasks(second_queue)
    parent = await second_queue.enqueue("start", 5, keep_result=0)
    child = await queue.enqueue("total", depends_on=[parent])
    await Worker(second_queue).run(burst=True)
    await parent.remove()

    await Worker(queue).run(burst=True)
    assert await child.result(1) == 5


async def test_a_removed_parent_counts_as_cancelled(queue: Queue, second_queue: Queue) -> None:
    give_tasks(queue)
    give_tasks(second_queue)
    parent = await second_queue.enqueue("start", 1)
    child = await queue.enqueue("total", depends_on=[parent])
    await parent.remove()

    async with Worker(second_queue):
        with pytest.raises(JobFailed, match="on which it depends, was removed"):
            await child.result(10)


async def test_what_waits_for_a_destroyed_queue_is_told_by_its_own(
    queue: Queue, second_queue: Queue
) -> None:
    give_tasks(queue)
    give_tasks(second_queue)
    child = await queue.enqueue("total", depends_on=[await second_queue.enqueue("start", 1)])
    await second_queue.destroy(force=True)
    await make_older(queue, child.id)

    async with Worker(queue):
        with pytest.raises(JobFailed, match="on which it depends, was removed"):
            await child.result(10)


@pytest.mark.corrupts
async def test_a_registration_that_was_lost_is_made_up_for(
    queue: Queue, second_queue: Queue
) -> None:
    give_tasks(queue)
    give_tasks(second_queue)
    child = await queue.enqueue("total", depends_on=[await second_queue.enqueue("start", 4)])
    await raw(
        second_queue, "DEL", second_queue.store.keys["edges"], second_queue.store.keys["flows"]
    )
    await Worker(second_queue).run(burst=True)
    assert await child.state() is JobState.BLOCKED

    async with Worker(queue):
        assert await child.result(10) == 4


async def test_a_parent_that_runs_again_takes_what_died_of_it_along(
    queue: Queue, second_queue: Queue
) -> None:
    mended = asyncio.Event()
    give_tasks(queue)

    @second_queue.task(attempts=1)
    async def breaks() -> int:
        if not mended.is_set():
            raise Fail("not yet")
        return 7

    parent = await second_queue.enqueue(breaks)
    child = await queue.enqueue("total", depends_on=[parent])
    beyond = await second_queue.enqueue("ends", depends_on=[child])
    give_tasks(second_queue)
    async with Worker(queue), Worker(second_queue):
        with pytest.raises(JobFailed, match="parent_failed"):
            await beyond.result(10)
        mended.set()
        await parent.retry()

        async def again() -> bool:
            return await beyond.state() is not JobState.DEAD

        await wait_until(again, "the last one to run again", 10)
        assert await beyond.result(10) == [f"{queue.name} {child.id} completed"]
        assert await child.result(10) == 7


async def test_many_children_of_one_parent_are_told(queue: Queue, second_queue: Queue) -> None:
    give_tasks(queue)
    give_tasks(second_queue)
    parent = await second_queue.enqueue("start", 1)
    task = queue.tasks["total"]
    children = await queue.enqueue_many(queue.bind(task, depends_on=[parent]) for _ in range(260))
    async with Worker(queue, concurrency=50), Worker(second_queue):
        assert [await child.result(20) for child in children] == [1] * 260


async def test_a_burst_runs_what_each_queue_hands_to_the_other(
    queue: Queue, second_queue: Queue
) -> None:
    give_tasks(queue)
    give_tasks(second_queue)
    # Often: it is a matter of which answer comes first.
    for _ in range(5):
        jobs = await queue.enqueue_flow(
            chain(*[(queue, second_queue)[at % 2].bind("start", at) for at in range(4)])
        )
        await Worker([queue, second_queue]).run(burst=True)
        assert [await job.state() for job in jobs] == [JobState.COMPLETED] * 4


async def test_queues_that_cannot_reach_each_other_are_refused(
    queue: Queue, server_url: str, queue_name: str
) -> None:
    give_tasks(queue)
    codec = SignedCodec({"key": b"k" * 32})
    for far, what in (
        (Queue("far", "redis://far:1", namespace="test"), "has the Redis"),
        (Queue("far", server_url, namespace="elsewhere"), "has the namespace test"),
        (Queue("far", server_url, namespace="test", codec=codec), "has the codec False"),
    ):
        give_tasks(far)
        with pytest.raises(ConfigInvalid, match=what):
            await queue.enqueue("total", depends_on=[far.job("a")])
        with pytest.raises(ConfigInvalid, match=what):
            await queue.enqueue_flow(chain(queue.bind("start", 1), far.bind("total")))
    assert (await queue.counts()).queued == 0


async def test_sealed_results_are_opened_for_the_queue_that_they_are_from(
    server_url: str, queue_name: str
) -> None:
    codec = SignedCodec({"key": b"k" * 32})
    first = Queue(queue_name, server_url, namespace="test", codec=codec)
    second = Queue(f"{queue_name}-2", server_url, namespace="test", codec=codec)
    async with first, second:
        give_tasks(first)
        give_tasks(second)
        good, bad = await first.enqueue("start", 3), await first.enqueue("fails")
        total = await second.enqueue("total", depends_on=[good, bad], on_parent_failure="run")
        ends = await second.enqueue("ends", depends_on=[good, bad], on_parent_failure="run")
        async with Worker(first), Worker(second):
            assert await total.result(10) == 3
            assert [text.split()[2] for text in await ends.result(10)] == ["completed", "dead"]
        for each in (first, second):
            await each.destroy(force=True)


async def test_parents_in_memory_are_told_too() -> None:
    first, second = [Queue(name, "memory://across", namespace="test") for name in "ab"]
    async with first, second:
        give_tasks(first)
        give_tasks(second)
        jobs = await first.enqueue_flow(chain(first.bind("start", 1), second.bind("total")))
        async with Worker(first), Worker(second):
            assert await jobs[-1].result(10) == 1


async def make_older(queue: Queue, job: str) -> None:
    """Let a blocked job have waited for two minutes."""
    await raw(queue, "ZINCRBY", queue.store.keys["blocked"], -120_000, job)
