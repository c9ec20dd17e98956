"""Nothing is left behind by whoever waits until there is nothing to do."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest

from aiojobs_redis import Fail, JobState, Queue, Worker, chain
from aiojobs_redis.testing import inline, run_until_idle

WAYS = ("inline", "run_until_idle", "burst")


def give_tasks(queue: Queue) -> Queue:
    @queue.task
    async def work(number: int = 0) -> int:
        return number

    @queue.task(attempts=1)
    async def fails() -> None:
        raise Fail("as it was told to")

    return queue


@pytest.fixture
async def two(server_url: str) -> AsyncIterator[list[Queue]]:
    name = f"idle-{uuid.uuid4().hex}"
    queues = [give_tasks(Queue(f"{name}-{side}", server_url)) for side in "ab"]
    yield queues
    for queue in queues:
        await queue.destroy(force=True)
        await queue.close()


@pytest.mark.parametrize("way", WAYS)
async def test_a_flow_over_two_queues_ends(two: list[Queue], way: str) -> None:
    first, second = two
    # Often: it is a matter of which answer comes first.
    for _ in range(5):
        parts = [two[at % 2].bind("work", at) for at in range(4)]
        if way == "inline":
            async with inline(first, second):
                jobs = await first.enqueue_flow(chain(*parts))
                states = [await job.state() for job in jobs]
        else:
            jobs = await first.enqueue_flow(chain(*parts))
            if way == "burst":
                await Worker(two).run(burst=True)
            else:
                await run_until_idle(first, second)
            states = [await job.state() for job in jobs]
        assert states == [JobState.COMPLETED] * 4


@pytest.mark.parametrize("way", WAYS[1:])
async def test_who_runs_after_very_many_that_die_with_their_parent_runs(
    two: list[Queue], way: str
) -> None:
    queue = two[0]
    parent = await queue.enqueue("fails")
    last: list[object] = [parent]
    for _ in range(3):
        # More than a call has time for.
        died = await queue.enqueue_many(queue.bind("work", depends_on=[parent]) for _ in range(80))
        last = [*last, *died[-1:]]
    job = await queue.enqueue("work", 7, depends_on=last, on_parent_failure="run")
    if way == "burst":
        await Worker(queue).run(burst=True)
    else:
        await run_until_idle(queue)
    assert await job.result(1) == 7


@pytest.mark.parametrize("way", WAYS[1:])
async def test_who_waits_for_a_job_that_was_removed_runs(two: list[Queue], way: str) -> None:
    queue = two[0]
    parent = await queue.enqueue("work", delay=3600)
    job = await queue.enqueue("work", 7, depends_on=[parent], on_parent_failure="run")
    await parent.remove()
    if way == "burst":
        await Worker(queue).run(burst=True)
    else:
        await run_until_idle(queue)
    assert await job.result(1) == 7
