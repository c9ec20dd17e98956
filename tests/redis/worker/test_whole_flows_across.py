"""Whole flows over several queues: added, held back, refused, shown and cancelled as one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from aiojobs_redis import (
    Flow,
    Job,
    JobCancelled,
    JobNotFound,
    JobState,
    NotReplicated,
    Queue,
    QueueFull,
    QueueUnavailable,
    Worker,
    chain,
    group,
    join,
)
from tests.redis.worker.test_flows_across import give_tasks, make_older
from tests.support.waiting import wait_until


@pytest.mark.requirement("B13", "B14")
async def test_a_flow_over_two_queues_is_added_shown_and_run(
    queue: Queue, second_queue: Queue
) -> None:
    give_tasks(queue)
    give_tasks(second_queue)
    here, there = queue.tasks, second_queue.tasks
    flow = chain(
        group(here["start"].bind(1), there["start"].bind(2), second_queue.bind("start", 3)),
        there["total"].bind(),
        join(group(here["total"].bind(), there["total"].bind()), here["total"].bind()),
    )
    jobs = await queue.enqueue_flow(flow)
    assert [job.queue.name == queue.name for job in jobs] == [
        *(True, False, False, False),
        *(True, False, True),
    ]
    tree = await jobs[3].tree()
    assert [(node.id, node.queue) for node in tree.parents] == [
        (job.id, job.queue.name) for job in jobs[:3]
    ]
    assert {(node.id, node.queue) for node in tree.dependents} == {
        (job.id, job.queue.name) for job in jobs[4:6]
    }
    assert f"total {jobs[6].id} blocked in {queue.name}" in str(tree)

    async with Worker(queue), Worker(second_queue):
        assert await jobs[-1].result(10) == 12
    drawn = str(await jobs[-1].tree())
    assert drawn.count("completed") == 8
    assert drawn.count(f"in {second_queue.name}") == 5


async def test_a_flow_of_another_queue_only_goes_there(queue: Queue, second_queue: Queue) -> None:
    give_tasks(second_queue)
    jobs = await queue.enqueue_flow(
        chain(second_queue.bind("start", 1), second_queue.bind("total"))
    )
    await Worker(second_queue).run(burst=True)
    assert [await job.result(1) for job in jobs] == [1, 1]


async def test_a_whole_flow_over_two_queues_is_cancelled(queue: Queue, second_queue: Queue) -> None:
    give_tasks(queue)
    give_tasks(second_queue)
    jobs = await queue.enqueue_flow(
        chain(queue.bind("start", 1), second_queue.bind("total"), queue.bind("total"))
    )
    assert await jobs[1].cancel_flow("not needed") == 3
    assert [await job.state() for job in jobs] == [JobState.CANCELLED] * 3


@pytest.mark.parametrize("across", [False, True])
async def test_a_flow_is_cancelled_whole_though_its_first_job_is_gone(
    queue: Queue, second_queue: Queue, across: bool
) -> None:
    above = second_queue if across else queue
    give_tasks(queue)
    give_tasks(second_queue)
    late = queue.tasks["total"].options(delay=60)
    first, *others = await queue.enqueue_flow(
        chain(above.bind("start", 1), group(late.bind(), late.bind(), late.bind()))
    )
    async with Worker(above), Worker(queue):
        await first.result(10)
        await wait_until(lambda: _all_are(others, JobState.SCHEDULED), "the others to wait")
    await first.remove()

    assert await others[0].cancel_flow() == 3
    assert await _all_are(others, JobState.CANCELLED)


async def test_a_job_that_is_gone_leads_to_every_queue_that_depended_on_it(
    queue: Queue, second_queue: Queue, server_url: str, queue_name: str
) -> None:
    async with Queue(f"{queue_name}-3", server_url, namespace="test") as third:
        for each in (queue, second_queue, third):
            give_tasks(each)
        first = await second_queue.enqueue("start", 1)
        late: dict[str, Any] = {"depends_on": [first], "delay": 60}
        here = await queue.enqueue("total", **late)
        there = await third.enqueue("total", **late)
        others = [
            *(here, there, await third.enqueue("total", **late)),
            await queue.enqueue("total", depends_on=[here, there]),
        ]
        async with Worker(queue), Worker(second_queue), Worker(third):
            await first.result(10)
            await wait_until(lambda: _all_are(others[:3], JobState.SCHEDULED), "three to wait")
        await first.remove()

        assert await here.cancel_flow() == 4
        assert await _all_are(others, JobState.CANCELLED)
        await third.destroy(force=True)


async def _all_are(jobs: Sequence[Job[Any]], state: JobState) -> bool:
    return {await job.state() for job in jobs} == {state}


@pytest.mark.parametrize("across", [False, True])
async def test_a_flow_that_takes_several_calls_to_read_is_cancelled_whole(
    queue: Queue, second_queue: Queue, monkeypatch: pytest.MonkeyPatch, across: bool
) -> None:
    """Its four jobs share three dependents: more in all than one call reads."""
    give_tasks(queue)
    give_tasks(second_queue)
    above = second_queue if across else queue
    parents = [await above.enqueue("start", 1) for _ in range(4)]
    for _ in range(3):
        await queue.enqueue("total", depends_on=parents)

    monkeypatch.setattr("aiojobs_redis.handle._MOST_OF_A_FLOW", 8)
    assert await parents[0].cancel_flow() == 7
    assert (await queue.counts()).cancelled + (await second_queue.counts()).cancelled == 7


async def test_a_flow_over_two_queues_is_added_whole_or_not_at_all(
    server_url: str, queue_name: str, second_queue: Queue
) -> None:
    give_tasks(second_queue)
    async with Queue(queue_name, server_url, namespace="test", max_length=1) as queue:
        give_tasks(queue)
        two = [queue.bind("start", 1), queue.bind("start", 1)]
        with pytest.raises(QueueFull):
            await queue.enqueue_flow(
                join(group(*two, second_queue.bind("start", 1)), second_queue.bind("total"))
            )
        for each in (queue, second_queue):
            counts = await each.counts()
            assert (counts.queued, counts.blocked, counts.cancelled) == (0, 0, 0)
        far = second_queue.bind("total", depends_on=[queue.job("no")])
        missing = join(group(second_queue.bind("start", 1), far), queue.bind("total"))
        with pytest.raises(JobNotFound):
            await queue.enqueue_flow(missing)
        assert (await second_queue.counts()).blocked == 0
        await queue.destroy()


async def test_gates_are_no_dependencies_of_a_part(
    server_url: str, queue_name: str, second_queue: Queue
) -> None:
    name = f"{queue_name}-3"
    give_tasks(second_queue)

    def flow(last: Queue) -> Flow:
        layers = [group(*(last.bind("start", n) for n in range(size))) for size in (5, 195)]
        return chain(*layers, second_queue.bind("total"))

    async with Queue(name, server_url, namespace="test", max_length=195) as small:
        with pytest.raises(QueueFull, match="200 more were refused"):
            await second_queue.enqueue_flow(flow(small))
        assert (await small.counts()).blocked == (await second_queue.counts()).blocked == 0
    async with Queue(name, server_url, namespace="test") as large:
        assert len(await second_queue.enqueue_flow(flow(large))) == 201
        assert (await large.counts()).blocked == 195
        await large.destroy(force=True)


async def test_of_a_part_that_was_added_and_not_confirmed_nothing_stays(
    queue: Queue, second_queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_tasks(queue)
    give_tasks(second_queue)
    add_part = second_queue.submitting.add_part

    async def unconfirmed(*args: Any) -> Any:
        error = NotReplicated("one copy")
        error.jobs = await add_part(*args)
        raise error

    monkeypatch.setattr(second_queue.submitting, "add_part", unconfirmed)
    with pytest.raises(NotReplicated):
        await queue.enqueue_flow(chain(second_queue.bind("start", 1), queue.bind("total")))
    assert (await second_queue.counts()).blocked == 0


async def test_with_a_flow_that_is_refused_goes_nothing_that_was_there_before(
    server_url: str, queue_name: str, second_queue: Queue
) -> None:
    give_tasks(second_queue)
    later = await second_queue.enqueue("start", 1, delay=3600)
    old = await second_queue.enqueue("total", id="old", depends_on=[later])
    async with Queue(queue_name, server_url, namespace="test", max_length=1) as queue:
        give_tasks(queue)
        parts = [second_queue.bind("total", id="old"), second_queue.bind("start", 1, id="new")]
        with pytest.raises(QueueFull):
            await queue.enqueue_flow(
                join(group(*parts, queue.bind("start", 1)), queue.bind("total"))
            )
        assert await old.state() is JobState.BLOCKED
        assert await second_queue.job("new").state() is None
        await queue.destroy()


async def test_a_flow_whose_gate_may_have_been_given_up_is_refused(
    queue: Queue, second_queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_tasks(queue)
    give_tasks(second_queue)
    monkeypatch.setattr("aiojobs_redis.spread._LONGEST", -1.0)
    with pytest.raises(QueueUnavailable, match="to add parts of a flow over several queues"):
        await queue.enqueue_flow(join(second_queue.bind("start", 1), queue.bind("total")))
    for each in (queue, second_queue):
        counts = await each.counts()
        assert (counts.queued, counts.blocked, counts.cancelled) == (0, 0, 0)


async def test_nothing_of_a_flow_starts_before_its_last_part_is_there(
    queue: Queue, second_queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_tasks(queue)
    give_tasks(second_queue)
    before: list[JobState | None] = []
    add = queue.submitting.add_part

    async def late(*args: Any) -> Any:
        before.append(await second_queue.job("first").state())
        return await add(*args)

    async def dies(*_: Any) -> Any:
        raise asyncio.CancelledError

    flow = join(second_queue.bind("start", 1, id="first"), queue.bind("total", id="last"))
    monkeypatch.setattr(queue.submitting, "add_part", dies)
    with pytest.raises(asyncio.CancelledError):
        await queue.enqueue_flow(flow)
    assert await second_queue.job("first").state() is JobState.BLOCKED
    monkeypatch.setattr(queue.submitting, "add_part", late)
    # Made again in time, it is the same flow, and the same gate.
    await queue.enqueue_flow(flow)
    assert before == [JobState.BLOCKED]
    assert await second_queue.job("first").state() is JobState.QUEUED
    async with Worker(second_queue), Worker(queue):
        assert await queue.job("last").result(10) == 1


async def test_what_is_behind_a_gate_that_stays_shut_is_cancelled(
    queue: Queue, second_queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_tasks(queue)
    give_tasks(second_queue)

    async def dies(*_: Any) -> Any:
        raise asyncio.CancelledError

    monkeypatch.setattr(queue.submitting, "add_part", dies)
    runs = second_queue.bind("start", 1, id="first", on_parent_failure="run")
    after = second_queue.bind("total", id="second", on_parent_failure="run")
    with pytest.raises(asyncio.CancelledError):
        await queue.enqueue_flow(chain(runs, after, queue.bind("total")))
    await make_older(second_queue, "first")
    await make_older(second_queue, "second")

    async with Worker(second_queue):
        # The second one too, whatever it makes of the end of the first.
        for name in ("first", "second"):
            with pytest.raises(JobCancelled, match=f"the rest of the flow, in queue {queue.name},"):
                await second_queue.job(name).result(10)
