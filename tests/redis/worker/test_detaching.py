"""A job goes on without those for which it waits, and these go where nobody else needs them."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_redis import (
    ConfigInvalid,
    Edge,
    FromParents,
    Job,
    JobNotFound,
    JobState,
    JobStateError,
    Queue,
    SignedCodec,
    Worker,
    chain,
    current_job,
    group,
    join,
)
from aiojobs_redis._redis import pruner
from tests.support.raw import dump


def give_tasks(queue: Queue) -> None:
    @queue.task
    async def start(number: int) -> int:
        return number

    @queue.task
    async def total(before: FromParents[int] = ()) -> int:
        return sum(before)

    @queue.task
    async def seen() -> list[str]:
        return [one.id for one in await current_job().parents()]


async def states(*jobs: Job[Any]) -> list[str]:
    return [str(await job.state()) for job in jobs]


@pytest.mark.requirement("B13", "T63")
async def test_it_reads_the_results_of_those_that_are_left(
    queue: Queue, second_queue: Queue
) -> None:
    give_tasks(queue)
    give_tasks(second_queue)
    first, second = await queue.enqueue("start", 1), await queue.enqueue("start", 2)
    abroad = await second_queue.enqueue("start", 4)
    never = await second_queue.enqueue("start", 8, delay=3600)
    last = await queue.enqueue("total", depends_on=[first, second, abroad, never])

    await last.remove_dependency(second.id)
    await last.remove_dependency(never)
    assert [one.id for one in (await last.tree()).parents] == [first.id, abroad.id]
    async with Worker(queue), Worker(second_queue):
        assert await last.result(10) == 5
    assert await second.result(1) == 2
    assert await states(never) == ["scheduled"]
    # Nobody waits for its end; its own queue tells of it all the same.
    await never.promote()
    async with Worker(queue), Worker(second_queue):
        assert await never.result(10) == 8


async def test_the_last_one_lets_it_run_and_its_time_is_kept(
    queue: Queue, second_queue: Queue
) -> None:
    give_tasks(queue)
    give_tasks(second_queue)
    abroad = await second_queue.enqueue("start", 1, delay=3600)
    here = await queue.enqueue("start", 1, delay=3600)
    now = await queue.enqueue("seen", depends_on=[abroad])
    later = await queue.enqueue("seen", depends_on=[here], delay=3600)

    async with Worker(queue):
        await now.remove_dependency(abroad)
        assert await now.result(10) == []
        await later.remove_dependency(here)
        assert await states(later, here, abroad) == ["scheduled"] * 3


async def test_who_failed_is_forgotten_and_a_retry_of_it_takes_nobody_along(queue: Queue) -> None:
    give_tasks(queue)
    failed = await queue.enqueue("start", "x")
    waits = await queue.enqueue("start", 1, delay=3600)
    last = await queue.enqueue("seen", depends_on=[Edge(failed, "run"), waits])
    await failed.cancel()

    await last.remove_dependency(failed)
    await failed.retry()
    assert await states(last) == ["blocked"]
    await last.remove_dependency(waits)
    async with Worker(queue):
        assert await last.result(10) == []


async def test_what_it_cannot_do_is_said_and_changes_nothing(
    queue: Queue, second_queue: Queue
) -> None:
    give_tasks(queue)
    first = await queue.enqueue("start", 1, delay=3600)
    abroad = await second_queue.enqueue("start", 1, delay=3600)
    last = await queue.enqueue("seen", depends_on=[first])
    before = await dump(queue)

    for parent, named in ((last, last.id), ("nobody", "nobody")):
        with pytest.raises(JobStateError, match=f"{last.id} does not depend on job {named}: see"):
            await last.remove_dependency(parent)
    with pytest.raises(
        JobStateError, match=f"on job {abroad.id} of queue {second_queue.name}: see"
    ):
        await last.remove_dependency(abroad)
    for call in (first.remove_dependency(last), first.remove_waiting_parents()):
        with pytest.raises(JobStateError, match=f"{first.id} waits for no other job: it is sched"):
            await call
    missing = queue.job("nobody")
    for call in (missing.remove_dependency(last), missing.remove_waiting_parents()):
        with pytest.raises(JobNotFound, match=f"no record of job nobody in queue {queue.name}"):
            await call
    wrong: Any
    for wrong in (Edge(first, "run"), [first], None, 5):
        with pytest.raises(ConfigInvalid, match="takes the handle or the id of a job, got"):
            await last.remove_dependency(wrong)
    with pytest.raises(ConfigInvalid, match="the id of a job must be 1 to 256 bytes"):
        await last.remove_dependency("")
    async with Queue(second_queue.name, url="memory://elsewhere", namespace="test") as far:
        with pytest.raises(ConfigInvalid, match="Give both queues the same url"):
            await last.remove_dependency(far.job("x"))
    assert await dump(queue) == before


async def test_who_is_blocked_for_another_reason_waits_for_no_job(queue: Queue) -> None:
    give_tasks(queue)
    await queue.limit(concurrency=1, key="k")
    jobs = [await queue.enqueue("start", 1, key="k") for _ in range(2)]
    await queue.claim(2)
    assert await states(*jobs) == ["running", "blocked"]

    with pytest.raises(JobStateError, match="it is blocked by a limit, by its unique key or for"):
        await jobs[1].remove_waiting_parents()


@pytest.mark.parametrize("page", [1, 50])
async def test_what_only_it_waits_for_is_cancelled_in_turn(
    queue: Queue, second_queue: Queue, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruner, "_PAGE", page)
    give_tasks(queue)
    give_tasks(second_queue)
    running = await queue.enqueue("start", 1)
    await queue.claim()
    shared = await second_queue.enqueue("start", 1, delay=3600)
    deep = await queue.enqueue("start", 1, delay=3600)
    far = await second_queue.enqueue("total", depends_on=[deep, shared])
    near = await queue.enqueue("total", depends_on=[deep, far])
    last = await queue.enqueue("seen", depends_on=[near, running, far, shared])
    beside = await queue.enqueue("seen", depends_on=[shared])
    behind = await second_queue.enqueue("seen", depends_on=[last])

    assert await last.remove_waiting_parents("not needed") == 3
    assert await states(near, far, deep, running, shared) == [
        *("cancelled", "cancelled", "cancelled", "running", "scheduled")
    ]
    assert await states(last, beside, behind) == ["blocked"] * 3
    assert [one.id for one in (await last.tree()).parents] == [running.id, shared.id]
    info = await deep.info()
    assert info is not None
    assert info.errors[-1].message == "not needed"
    assert await last.remove_waiting_parents() == 0
    await beside.cancel()
    assert await last.remove_waiting_parents() == 1
    assert await states(shared, last) == ["cancelled", "blocked"]


async def test_a_whole_flow_goes_but_for_its_end(queue: Queue, second_queue: Queue) -> None:
    give_tasks(queue)
    give_tasks(second_queue)
    parts = group(
        *(
            chain(one.bind("start", 1), two.bind("total"))
            for one, two in (
                (queue, second_queue),
                (second_queue, queue),
                (queue, queue),
                (second_queue, second_queue),
            )
        )
    )
    *before, last = await queue.enqueue_flow(join(parts, queue.bind("seen")))

    assert await last.remove_waiting_parents() == len(before) == 8
    assert await states(*before) == ["cancelled"] * 8
    async with Worker(queue), Worker(second_queue):
        assert await last.result(10) == []


async def test_what_has_started_once_stays(queue: Queue) -> None:
    give_tasks(queue)
    first = await queue.enqueue("start", 1)
    (lease,) = await queue.claim()
    await lease.fail(OSError("at first"))
    last = await queue.enqueue("seen", depends_on=[first])

    assert await states(first) == ["retrying"]
    assert await last.remove_waiting_parents() == 0
    assert await states(last) == ["blocked"]


async def test_the_reason_is_sealed_with_the_rest(server_url: str, queue_name: str) -> None:
    codec = SignedCodec({"one": b"k" * 32})
    async with Queue(queue_name, url=server_url, namespace="test", codec=codec) as queue:
        give_tasks(queue)
        first = await queue.enqueue("start", 1)
        last = await queue.enqueue("seen", depends_on=[first])

        assert await last.remove_waiting_parents("enough") == 1
        info = await first.info()
        assert info is not None
        assert info.errors[-1].message == "enough"
        await queue.destroy(force=True)


async def test_one_of_another_queue_that_starts_meanwhile_runs_for_nobody(
    queue: Queue, second_queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_tasks(queue)
    give_tasks(second_queue)
    first = await second_queue.enqueue("start", 1)
    last = await queue.enqueue("seen", depends_on=[first])

    async def claim_first(*args: Any) -> str:
        await second_queue.claim()
        return await detach(*args)

    detach = pruner.detach
    monkeypatch.setattr(pruner, "detach", claim_first)
    assert await last.remove_waiting_parents() == 0
    assert await states(first, last) == ["running", "queued"]
    assert await first.state() is JobState.RUNNING
