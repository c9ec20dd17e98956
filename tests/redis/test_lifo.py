"""Jobs that go before all others of their priority, in every way in which a job becomes ready."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_redis import Fixed, Job, JobOptions, JobState, Queue, Snooze, Worker, chain
from tests.support.raw import raw
from tests.support.waiting import wait_until


async def waiting(queue: Queue) -> list[str]:
    """Return the ids of what is queued, in the order in which it is to start."""
    return [job.id for job in await queue.jobs("queued")]


async def test_the_newest_starts_first_whoever_asks_for_it(queue: Queue, server_url: str) -> None:
    other = Queue(queue.name, server_url, namespace=queue.namespace, defaults=JobOptions(lifo=True))

    @queue.task(lifo=True)
    async def locate() -> None: ...

    @queue.task
    async def work() -> None: ...

    await work.options(id="a").enqueue()
    await locate.options(id="of-its-task").enqueue()
    await other.enqueue("work", id="of-the-queue")
    await work.options(id="high", priority=1).enqueue()
    await queue.enqueue_many(
        [work.options(id=f"many-{n}", lifo=True).bind() for n in range(300)]
        + [work.options(id="b").bind(), locate.options(id="c", lifo=False).bind()]
    )
    await queue.enqueue(work, id="alone", lifo=True)
    many = [f"many-{n}" for n in reversed(range(300))]
    found = [job.id for job in await queue.jobs("queued", limit=1000)]
    await other.close()

    assert found == ["high", "alone", *many, "of-the-queue", "of-its-task", "a", "b", "c"]


async def test_it_runs_first(queue: Queue) -> None:
    order: list[int] = []

    @queue.task
    async def work(number: int) -> None:
        order.append(number)

    for number in range(4):
        await work.options(lifo=number > 1).enqueue(number)
    async with Worker(queue, concurrency=1):
        await wait_until(lambda: len(order) == 4, "every job to run", 30)

    assert order == [3, 2, 0, 1]


@pytest.mark.parametrize("ends", ["fails", "snoozes"])
async def test_it_goes_first_once_and_again_when_it_is_replayed(queue: Queue, ends: str) -> None:
    order: list[str] = []

    @queue.task(attempts=2, backoff=Fixed(0), lifo=True)
    async def bad() -> None:
        order.append("bad")
        if ends == "snoozes" and order.count("bad") == 1:
            raise Snooze(0)
        raise RuntimeError

    @queue.task
    async def good(name: str) -> None:
        order.append(name)

    await good.enqueue("a")
    job = await bad.enqueue()
    await good.enqueue("b")
    await Worker(queue, concurrency=1).run(burst=True)
    tail = ["bad"] if ends == "fails" else ["bad", "bad"]
    assert order == ["bad", "a", "b", *tail]

    await good.enqueue("c")
    await queue.replay(job.id)
    assert (await waiting(queue))[0] == job.id
    assert await job.state() is JobState.QUEUED


async def test_one_that_waited_goes_first_when_its_time_has_come(queue: Queue) -> None:
    for name, options in (("later", {"delay": 0.05}), ("last", {"delay": 3600.0})):
        await queue.enqueue("work", id=name, lifo=True, **options)
    await queue.enqueue("work", id="a")
    await queue.enqueue("work", id="first", lifo=True)
    # A worker of a paused queue forwards, and starts nothing.
    await queue.pause()
    async with Worker(queue):
        await wait_until(lambda: _is_queued(queue.job("later")), "the first one to be due", 30)
    await queue.job("last").promote()

    assert await waiting(queue) == ["last", "later", "first", "a"]


async def _is_queued(job: Job[Any]) -> bool:
    return await job.state() is JobState.QUEUED


async def test_of_a_flow_it_goes_first_when_the_one_before_has_ended(queue: Queue) -> None:
    @queue.task
    async def work() -> None: ...

    first, second = await queue.enqueue_flow(
        chain(work.options(priority=9).bind(), work.options(lifo=True).bind())
    )
    (lease,) = await queue.claim(1)
    assert lease.job.id == first.id
    await queue.enqueue("work", id="a")
    await lease.complete(None)
    await wait_until(lambda: _is_queued(second), "the second one to be released", 30)

    assert await waiting(queue) == [second.id, "a"]


async def test_the_jobs_of_a_schedule_go_first(queue: Queue) -> None:
    @queue.task
    async def work() -> None: ...

    await queue.schedule("often", work.options(lifo=True).bind(), every=3600)
    await queue.enqueue("work", id="a")
    job = await queue.trigger("often")
    assert job is not None

    assert await waiting(queue) == [job.id, "a"]


async def test_handed_back_it_stands_at_its_place_and_keeps_it_in_another_priority(
    queue: Queue,
) -> None:
    await queue.enqueue("work", id="a")
    await queue.enqueue("work", id="first", lifo=True)
    await queue.enqueue("work", id="high", priority=5)
    leases = {lease.job.id: lease for lease in await queue.claim(3)}
    await queue.enqueue("work", id="second", lifo=True)
    for name in ("a", "first", "high"):
        await leases[name].release()
    assert await waiting(queue) == ["high", "second", "first", "a"]

    await queue.job("first").reprioritise(5)
    assert await waiting(queue) == ["first", "high", "second", "a"]


async def test_a_job_that_does_not_ask_leaves_no_trace_of_it(queue: Queue) -> None:
    @queue.task
    async def work() -> None: ...

    await queue.enqueue_many([work.bind(), work.options(priority=3, lifo=False).bind()])
    await Worker(queue).run(burst=True)

    assert not await raw(queue, "HEXISTS", queue.store.keys["meta"], "front")
