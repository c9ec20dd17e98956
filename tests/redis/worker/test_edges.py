"""Dependencies of which each says what the failure of its job means."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from aiojobs_redis import (
    ConfigInvalid,
    Edge,
    Fail,
    FromParents,
    JobCancelled,
    JobFailed,
    JobState,
    Queue,
    Worker,
    chain,
    current_job,
    group,
    join,
)
from aiojobs_redis.task import Task


def total_of(queue: Queue) -> Task[[], int]:
    @queue.task
    async def start(number: int) -> int:
        if number < 0:
            raise Fail("below zero")
        return number

    @queue.task
    async def total(numbers: FromParents[int] = ()) -> int:
        return sum(numbers)

    return total


@pytest.mark.requirement("B14")
async def test_a_job_that_may_fail_is_passed_over_and_another_is_not(queue: Queue) -> None:
    total = total_of(queue)
    good, bad = await queue.enqueue("start", 5), await queue.enqueue("start", -1)
    runs = await total.options(depends_on=[good, Edge(bad, on_failure="run")]).enqueue()
    dies = await total.options(depends_on=[Edge(good, on_failure="run"), bad]).enqueue()
    goes = await total.options(depends_on=[good, Edge(bad.id, on_failure="cancel")]).enqueue()
    last = await total.options(depends_on=[goes]).enqueue()
    must = await total.options(
        depends_on=[good, Edge(bad, on_failure="fail")], on_parent_failure="run"
    ).enqueue()
    await Worker(queue).run(burst=True)

    assert await runs.result(5) == 5
    for job in (dies, must):
        with pytest.raises(JobFailed, match="parent_failed"):
            await job.result(5)
    for job in (goes, last):
        with pytest.raises(JobCancelled, match="on which it depends"):
            await job.result(5)


async def test_one_that_matters_and_is_gone_is_missed_in_a_retry(queue: Queue) -> None:
    total = total_of(queue)
    good, bad = await queue.enqueue("start", 5), await queue.enqueue("start", -1)
    job = await total.options(depends_on=[good, Edge(bad, on_failure="run")]).enqueue()
    await Worker(queue).run(burst=True)
    assert await job.result(5) == 5

    await job.retry()
    await Worker(queue).run(burst=True)
    assert await job.result(5) == 5
    await good.remove()
    await job.retry()
    await Worker(queue).run(burst=True)
    assert await job.state() is JobState.DEAD


async def test_parts_of_a_flow_say_what_their_failure_means(
    queue: Queue, second_queue: Queue
) -> None:
    """Also where they are of another queue than what stands behind them."""
    total = total_of(queue)
    total_of(second_queue)

    @queue.task
    async def seen() -> list[str]:
        return sorted(str(parent.state) for parent in await current_job().parents())

    flow = chain(
        join(
            group(
                Edge(
                    chain(queue.bind("start", 1), second_queue.bind("start", -2)), on_failure="run"
                ),
                Edge(queue.bind("start", -3), on_failure="run"),
                second_queue.bind("start", 4),
            ),
            group(second_queue.bind("total"), seen.bind()),
        ),
        total.bind(),
    )
    sweep = chain(
        Edge(second_queue.bind("start", -5), on_failure="cancel"),
        total.bind(),
        second_queue.bind("total"),
    )
    async with Worker(queue), Worker(second_queue):
        jobs = await queue.enqueue_flow(flow)
        swept = await queue.enqueue_flow(sweep)
        assert await jobs[-2].result(10) == ["completed", "dead", "dead"]
        with pytest.raises(JobFailed):
            await jobs[-1].result(10)
        assert await jobs[-3].result(10) == 4
        for job in swept[1:]:
            with pytest.raises(JobCancelled, match="on which it depends"):
                await job.result(10)


async def test_what_is_wrong_with_an_edge_is_said(queue: Queue) -> None:
    total = total_of(queue)
    first = await queue.enqueue("start", 1)
    given: Any = "ignore"
    with pytest.raises(
        ConfigInvalid, match="on_failure must be one of fail, run, run_now, cancel, got 'ig"
    ):
        Edge(first, on_failure=given)
    nested: Any = Edge(first, on_failure="run")
    with pytest.raises(ConfigInvalid, match="got an Edge"):
        Edge(nested, on_failure="run")
    with pytest.raises(ConfigInvalid, match="takes a list of jobs"):
        total.options(depends_on=nested)
    wrong: Any = Edge(total.bind(), on_failure="run")
    with pytest.raises(ConfigInvalid, match="an id in depends_on must be a str"):
        total.options(depends_on=[wrong])
    with pytest.raises(ConfigInvalid, match="twice, with on_failure None and run: name it once"):
        total.options(depends_on=[first, Edge(first, on_failure="run")])
    with pytest.raises(ConfigInvalid, match="twice"):
        # The same one, once by its handle and once by its id.
        await total.options(depends_on=[first, Edge(first.id, on_failure="run")]).enqueue()
    with pytest.raises(ConfigInvalid, match="nothing of the flow is behind its call 2, of 'total'"):
        await queue.enqueue_flow(chain(total.bind(), Edge(total.bind(), on_failure="run")))
    with contextlib.suppress(ConfigInvalid):
        part: Any = Edge(first, on_failure="run")
        chain(part)
        raise AssertionError("a job is no part of a flow")
    assert (await queue.counts()).queued == 1


async def test_one_that_runs_at_once_has_the_results_there_are(queue: Queue) -> None:
    total = total_of(queue)

    @queue.task(on_parent_failure="run_now")
    async def states() -> list[str]:
        return [str(parent.state) for parent in await current_job().parents()]

    done, bad = await queue.enqueue("start", 5), await queue.enqueue("start", -1)
    late = await queue.enqueue("start", 7, delay=3600)
    job = await total.options(
        depends_on=[done, late, Edge(bad, on_failure="run_now")], on_parent_failure="cancel"
    ).enqueue()
    seen = await states.options(depends_on=[late, bad, done]).enqueue()
    await Worker(queue).run(burst=True)

    assert await job.result(5) == 5
    assert await seen.result(5) == ["scheduled", "dead", "completed"]
    await late.cancel()
    assert await job.state() is JobState.COMPLETED
