"""Helpers for the tests of applications: jobs at their enqueue, without a server; failures."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from aiojobs_redis import (
    ConfigInvalid,
    Depends,
    Job,
    JobFailed,
    JobState,
    LifespanFailed,
    Queue,
    Replicated,
    Snooze,
    Worker,
    current_job,
)
from aiojobs_redis.testing import failing, inline, run_until_idle
from tests.support.raw import raw
from tests.support.waiting import wait_until

NOWHERE = "redis://127.0.0.1:1"


def app() -> Queue:
    """A queue of an application, whose server is not there."""
    return Queue("app", NOWHERE)


@pytest.mark.requirement("D31")
async def test_a_task_is_a_plain_function() -> None:
    queue = app()

    @queue.task
    async def double(number: int) -> int:
        return 2 * number

    @queue.task
    def triple(number: int) -> int:
        return 3 * number

    assert await double(21) == 42
    assert triple(14) == 42


@pytest.mark.requirement("D31")
async def test_a_job_has_ended_when_its_enqueue_returns() -> None:
    queue = app()
    before, done = repr(queue), list[str]()

    @queue.task
    async def parent(number: int) -> str:
        jobs = [await child.enqueue(number), await child.enqueue(number + 1)]
        return ",".join(job.id for job in jobs)

    @queue.task
    def child(number: int) -> int:
        done.append(f"child {number}")
        return number

    async with inline(queue):
        job = await parent.enqueue(1)
        assert await job.state() is JobState.COMPLETED
        assert sorted(done) == ["child 1", "child 2"]
        children = [queue.job(id) for id in (await job.result()).split(",")]
        assert [await one.result() for one in children] == [1, 2]
        jobs = await queue.enqueue_many([child.bind(number) for number in range(5, 8)])
        assert [await one.result() for one in jobs] == [5, 6, 7]
        delayed = await child.options(delay=3600).enqueue(9)
        assert await delayed.state() is JobState.SCHEDULED
        await run_until_idle(queue, scheduled=True)
        assert await delayed.result() == 9

    assert repr(queue) == before
    async with inline(queue):
        assert await job.state() is None
    await queue.close()


async def test_a_batch_task_may_enqueue_inline() -> None:
    queue, done = app(), list[int]()

    @queue.batch_task(size=2, wait=0)
    async def spread(numbers: list[int]) -> None:
        for number in numbers:
            await child.enqueue(number)

    @queue.task
    async def child(number: int) -> None:
        done.append(number)

    async with asyncio.timeout(20), inline(queue):
        await spread.enqueue(7)
        assert done == [7]


async def test_several_queues_and_a_worker_of_the_application_run_inline() -> None:
    one, other = Queue("one", NOWHERE), Queue("other", NOWHERE)

    class Greeting:
        text = "hello"

    @asynccontextmanager
    async def lifespan(worker: Worker) -> AsyncIterator[Greeting]:
        yield Greeting()

    @one.task
    async def first(name: str) -> str:
        return (await second.enqueue(name)).id

    @other.task
    async def second(name: str, greeting: Greeting = Depends()) -> str:
        return f"{greeting.text} {name}"

    def make(queues: Sequence[Queue]) -> Worker:
        return Worker(queues, lifespan=lifespan)

    async with inline(one, other, worker=make):
        job = await first.enqueue("ada")
        assert await other.job(await job.result()).result() == "hello ada"


async def test_a_worker_that_cannot_start_is_the_error_of_the_enqueue() -> None:
    queue = app()

    @queue.task
    async def work() -> None: ...

    @asynccontextmanager
    async def lifespan(worker: Worker) -> AsyncIterator[None]:
        if worker.queues:
            raise OSError("no disk")
        yield

    with pytest.raises(LifespanFailed, match="no disk"):
        async with inline(queue, worker=lambda queues: Worker(queues, lifespan=lifespan)):
            await work.enqueue()


async def test_a_durability_is_not_to_be_had_inline() -> None:
    queue = Queue("app", NOWHERE, durability=Replicated(1))
    with pytest.raises(ConfigInvalid, match="nothing can confirm an enqueue"):
        async with inline(queue):
            pass


@pytest.mark.requirement("R19")
async def test_a_task_that_is_to_fail_is_retried_without_waiting(queue: Queue) -> None:
    attempts: list[int] = []

    @queue.task(attempts=4, backoff=[60])
    async def fetch(url: str) -> str:
        attempts.append(current_job().attempt)
        return url

    @queue.task(attempts=3, backoff=[60])
    def store(url: str) -> str:
        return url

    begun = time.monotonic()
    with failing(fetch, 3, TimeoutError("too slow")), failing(store, 3):
        fetched, stored = await fetch.enqueue("a"), await store.enqueue("b")
        await run_until_idle(queue)
    assert await fetched.result() == "a"
    with pytest.raises(JobFailed, match="made to fail"):
        await stored.result()
    assert time.monotonic() - begun < 30

    assert attempts == [4]
    info = await fetched.info()
    assert info is not None
    told = [(error.type, error.message) for error in info.errors]
    assert told == [("TimeoutError", "too slow")] * 3
    again = await store.enqueue("c")
    await run_until_idle(queue)
    assert await again.result() == "c"


async def test_what_waits_for_its_time_runs_once_where_that_is_asked_for(queue: Queue) -> None:
    runs: list[str] = []

    @queue.task
    async def poll(name: str) -> None:
        runs.append(name)
        if name == "later":
            raise Snooze(3600)

    once: Job[None] = await poll.options(delay=3600).enqueue("once")
    later = await poll.options(delay=3600).enqueue("later")
    await run_until_idle(queue)
    assert runs == []
    await run_until_idle(queue, scheduled=True)
    assert sorted(runs) == ["later", "once"]
    assert await once.state() is JobState.COMPLETED
    assert await later.state() is JobState.SCHEDULED


async def test_a_paused_queue_is_idle(queue: Queue) -> None:
    @queue.task
    async def work() -> None: ...

    await queue.pause()
    job = await work.enqueue()
    await run_until_idle(queue)
    assert await job.state() is JobState.QUEUED


def test_what_cannot_fail_on_purpose_is_refused() -> None:
    queue = app()

    @queue.task
    async def work() -> None: ...

    for bad in (-1, 1.5, True):
        with pytest.raises(ConfigInvalid, match="times must be"), failing(work, bad):  # type: ignore[arg-type]
            pass

    for odd in ("work", work.function, queue):
        with pytest.raises(ConfigInvalid, match=r"failing\(\) takes a task"), failing(odd):  # type: ignore[arg-type]
            pass

    task = queue.task(executor="process")(pow)
    with pytest.raises(ConfigInvalid, match="process of its own"), failing(task):
        pass


async def test_what_is_no_queue_is_refused(queue: Queue) -> None:
    for odd in ("orders", [queue], None):
        with pytest.raises(ConfigInvalid, match=r"run_until_idle\(\) takes queues, one by one"):
            await run_until_idle(odd)  # type: ignore[arg-type]
        with pytest.raises(ConfigInvalid, match=r"inline\(\) takes queues, one by one"):
            async with inline(queue, odd):  # type: ignore[arg-type]
                pass
    with pytest.raises(ConfigInvalid, match="got none"):
        await run_until_idle()
    with pytest.raises(ConfigInvalid, match="got none"):
        async with inline():
            pass


async def test_a_job_that_falls_due_meanwhile_runs(queue: Queue) -> None:
    @queue.task
    async def work() -> None: ...

    job = await work.options(delay=0.001).enqueue()
    info = await job.info()
    assert info is not None

    async def is_due() -> bool:
        seconds, micros = map(int, await raw(queue, "TIME"))
        return seconds + micros / 1_000_000 > info.run_at.timestamp()

    await wait_until(is_due, "the job to be due by the server's clock")
    await run_until_idle(queue)
    assert await job.state() is JobState.COMPLETED
