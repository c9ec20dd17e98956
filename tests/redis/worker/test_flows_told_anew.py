"""Jobs of other queues that are others by now, run again, or are very many."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from aiojobs_redis import (
    Fail,
    FromParents,
    JobCancelled,
    JobFailed,
    JobNotFound,
    JobState,
    Queue,
    Worker,
    chain,
)
from aiojobs_redis._redis.store import Store
from tests.redis.worker.test_flows_across import give_tasks


async def test_a_new_child_waits_for_a_new_job_with_the_id_of_one_that_older_ones_know(
    queue: Queue, second_queue: Queue
) -> None:
    give_tasks(queue)
    give_tasks(second_queue)

    @queue.task(attempts=1)
    async def dies(before: FromParents[int] = ()) -> None:
        raise Fail("no")

    async with Worker(queue):
        async with Worker(second_queue):
            parent = await second_queue.enqueue("start", 1, id="nightly")
            with pytest.raises(JobFailed):
                await (await queue.enqueue(dies, depends_on=[parent])).result(10)
        await parent.remove()
        parent = await second_queue.enqueue("start", 2, id="nightly")
        alone = await queue.enqueue("total", depends_on=[parent])
        assert await alone.state() is JobState.BLOCKED
        await parent.remove()
        flow = chain(second_queue.bind("start", 3, id="nightly"), queue.bind("total"))
        jobs = await queue.enqueue_flow(flow)
        assert await jobs[1].state() is JobState.BLOCKED
        async with Worker(second_queue):
            assert await jobs[1].result(10) == 3


@pytest.mark.parametrize("queues", ["one", "two"])
@pytest.mark.parametrize("ends", ["fails", "is removed"])
async def test_who_died_of_a_job_never_runs_with_what_another_one_of_its_id_returned(
    queue: Queue, second_queue: Queue, queues: str, ends: str
) -> None:
    above = queue if queues == "one" else second_queue
    started: list[tuple[str, list[str]]] = []
    mended: list[bool] = []

    @above.task(attempts=1)
    async def download(day: str) -> str:
        if day == "monday" or (day == "tuesday" and not mended):
            raise Fail("no")
        return f"pixels of {day}"

    @queue.task(attempts=1)
    async def shrink(day: str, images: FromParents[str] = ()) -> None:
        started.append((day, list(images)))

    parent = await above.enqueue(download, "monday", id="nightly")
    monday = await queue.enqueue(shrink, "monday", depends_on=[parent])
    workers = {each.name: Worker(each) for each in (queue, above)}
    async with contextlib.AsyncExitStack() as stack:
        if ends == "is removed":
            await parent.remove()
        for worker in workers.values():
            await stack.enter_async_context(worker)
        with pytest.raises(JobFailed):
            await monday.result(10)
        if ends == "fails":
            await parent.remove()
        # It fails too, and has a child of its own, which runs again with it.
        parent = await above.enqueue(download, "tuesday", id="nightly")
        tuesday = await queue.enqueue(shrink, "tuesday", depends_on=[parent])
        with pytest.raises(JobFailed):
            await tuesday.result(10)
        mended.append(True)
        await parent.retry()
        await tuesday.result(10)
        assert await monday.state() is JobState.DEAD

        await monday.retry()
        await monday.result(10)
    assert started == [
        ("tuesday", ["pixels of tuesday"]),
        ("monday", ["pixels of tuesday"]),
    ]


async def test_very_many_parents_are_asked_for_in_pages(
    queue: Queue, second_queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_tasks(queue)
    pages: list[int] = []
    ask = Store.ask

    async def noted(store: Store, script: str, *args: Any) -> Any:
        if script == "expect":
            pages.append(len(args) - 2)
        return await ask(store, script, *args)

    monkeypatch.setattr(Store, "ask", noted)
    parents = await second_queue.enqueue_many(
        second_queue.bind("start", number) for number in range(210)
    )
    await queue.enqueue("total", depends_on=parents)
    assert pages == [100, 100, 10] * 2
    await parents[-1].remove()
    with pytest.raises(JobNotFound, match=parents[-1].id):
        await queue.enqueue("total", depends_on=parents)


async def test_a_result_that_is_asked_for_right_after_a_retry_is_that_of_the_new_run(
    queue: Queue, second_queue: Queue
) -> None:
    give_tasks(queue)
    mended: list[bool] = []

    @second_queue.task(attempts=1)
    async def breaks() -> int:
        if not mended:
            raise Fail("not yet")
        return 7

    async with Worker(queue), Worker(second_queue):
        parent = await breaks.enqueue()
        child = await queue.enqueue("total", depends_on=[parent])
        with pytest.raises(JobFailed):
            await child.result(10)

    mended.append(True)
    # Nobody is there to hand it over but the call.
    await parent.retry()
    assert await child.state() is JobState.BLOCKED
    async with Worker(queue), Worker(second_queue):
        assert await child.result(10) == 7


@pytest.mark.parametrize("retried", ["before it ends", "before it is told", "after it was told"])
@pytest.mark.parametrize(("task", "seen"), [("total", 5), ("ends", ["completed"])])
async def test_one_that_was_cancelled_while_it_waited_and_is_retried_finds_the_result(
    queue: Queue, second_queue: Queue, retried: str, task: str, seen: object
) -> None:
    give_tasks(queue)
    give_tasks(second_queue)
    parent = await second_queue.enqueue("start", 5, keep_result=0)
    child = await queue.enqueue(task, depends_on=[parent])
    await child.cancel()

    if retried == "before it is told":
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("aiojobs_redis.worker.handover.hand_over", nothing)
            await Worker(second_queue).run(burst=True)
    elif retried == "after it was told":
        await Worker(second_queue).run(burst=True)
    await child.retry()
    told = retried == "after it was told"
    assert await child.state() is (JobState.QUEUED if told else JobState.BLOCKED)
    if retried == "before it ends":
        await Worker(second_queue).run(burst=True)

    # Of its own queue alone: what was not told, this one asks for.
    async with Worker(queue):
        result = await child.result(10)
    assert [text.split()[2] for text in result] == seen if task == "ends" else result == seen


@pytest.mark.parametrize(
    ("policy", "state"),
    [("fail", JobState.DEAD), ("cancel", JobState.CANCELLED), ("run", JobState.COMPLETED)],
)
@pytest.mark.parametrize("ends", ["fails", "is removed"])
async def test_one_that_was_cancelled_while_it_waited_and_is_retried_hears_of_the_failure(
    queue: Queue, second_queue: Queue, policy: str, state: JobState, ends: str
) -> None:
    give_tasks(queue)
    give_tasks(second_queue)
    parent = await second_queue.enqueue("fails")
    child = await queue.enqueue("total", depends_on=[parent], on_parent_failure=policy)
    await child.cancel()
    await child.retry()
    assert await child.state() is JobState.BLOCKED
    if ends == "is removed":
        await parent.remove()

    async with Worker(queue), Worker(second_queue):
        with contextlib.suppress(JobFailed, JobCancelled):
            assert await child.result(10) == 0
    assert await child.state() is state


async def nothing(*args: object) -> None:
    """Hand over nothing, as a worker that is killed."""
