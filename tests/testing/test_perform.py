"""One attempt of a job, as a worker runs it, with nothing left behind."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from aiojobs_redis import (
    ArgumentsInvalid,
    Cancel,
    ConfigInvalid,
    Depends,
    EmittedEvent,
    Fail,
    JobContext,
    LifespanFailed,
    Queue,
    ResultTooLarge,
    Retry,
    SignedCodec,
    Snooze,
    WaitFor,
    Worker,
    current_job,
)
from aiojobs_redis._redis.memory import _servers
from aiojobs_redis.testing import (
    assert_enqueued,
    enqueued,
    failing,
    inline,
    perform,
    refute_enqueued,
)

NOWHERE = "redis://127.0.0.1:1"


def app() -> Queue:
    """A queue of an application, whose server is not there."""
    return Queue("app", NOWHERE)


async def test_a_task_runs_once_with_a_job_and_nothing_is_left() -> None:
    queue = app()
    seen = list[JobContext]()

    @queue.task(attempts=4)
    async def greet(name: str, *, greeting: str = "Hello") -> str:
        seen.append(current_job())
        return f"{greeting} {name}"

    before = set(_servers)
    assert await perform(greet, "Ada", greeting="Hi") == "Hi Ada"
    assert await perform(greet, "Bob", attempt=3) == "Hello Bob"
    assert await perform(greet.options(headers={"a": "b"}, id="mine"), "Eve") == "Hello Eve"
    assert await perform(greet.bind("Kim")) == "Hello Kim"

    assert [job.attempt for job in seen] == [1, 3, 1, 1]
    assert {(job.task, job.queue, job.lost_deliveries) for job in seen} == {("greet", "app", 0)}
    assert (seen[2].id, seen[2].headers) == ("mine", {"a": "b"})
    assert set(_servers) == before
    assert greet.queue is queue
    await queue.close()


@pytest.mark.parametrize("attempt", [1, 3, 9])
@pytest.mark.parametrize(
    "raised",
    [
        *(Retry(5), Snooze(0), WaitFor(["other"]), Fail("no"), Cancel("why"), KeyError("x")),
        SystemExit(3),
    ],
)
async def test_what_is_raised_comes_as_it_is(raised: BaseException, attempt: int) -> None:
    queue, runs = app(), list[int]()

    @queue.task(backoff=[60])
    async def work() -> None:
        runs.append(current_job().attempt)
        raise raised

    with pytest.raises(type(raised)) as caught:
        await perform(work, attempt=attempt)
    assert caught.value is raised
    assert runs == [attempt]


async def test_arguments_and_results_go_through_the_codec() -> None:
    queue = app()

    @queue.task
    async def first(rows: list[tuple[int, str]]) -> tuple[int, str]:
        assert type(rows[0]) is tuple
        return rows[0]

    @queue.task
    async def wrong(value: Any) -> str:
        return value  # type: ignore[no-any-return]

    @queue.task
    async def large(size: int) -> str:
        return "x" * size

    assert await perform(first, [(1, "a")]) == (1, "a")
    with pytest.raises(ArgumentsInvalid, match="rows"):
        await perform(first, [("a", 1)])
    with pytest.raises(ArgumentsInvalid, match="missing rows"):
        await perform(first)
    with pytest.raises(TypeError, match=r"must return str, got 5"):
        await perform(wrong, 5)
    with pytest.raises(ResultTooLarge):
        await perform(large, 2_000_000)


async def test_a_timeout_ends_it() -> None:
    queue = app()

    @queue.task(timeout=0.05)
    async def sleep() -> None:
        await asyncio.Event().wait()

    async with asyncio.timeout(20):
        with pytest.raises(TimeoutError, match=r"longer than 0\.05 s"):
            await perform(sleep)


async def test_dependencies_and_middleware_come_from_the_worker() -> None:
    queue, seen = app(), list[str]()

    class Greeting:
        text = "Hello"

    @asynccontextmanager
    async def lifespan(worker: Worker) -> AsyncIterator[Greeting]:
        seen.append("open")
        yield Greeting()
        seen.append("closed")

    async def around(job: JobContext, call_next: Callable[[JobContext], Awaitable[Any]]) -> Any:
        seen.append(f"before {job.attempt}")
        return f"<{await call_next(job)}>"

    @queue.task
    async def greet(name: str, greeting: Greeting = Depends()) -> str:
        return f"{greeting.text} {name}"

    def make(queues: Sequence[Queue]) -> Worker:
        return Worker(queues, lifespan=lifespan, middleware=[around])

    assert await perform(greet, "Ada", attempt=2, worker=make) == "<Hello Ada>"
    assert seen == ["open", "before 2", "closed"]
    with pytest.raises(ConfigInvalid, match="Greeting"):
        await perform(greet, "Ada")

    @asynccontextmanager
    async def broken(worker: Worker) -> AsyncIterator[None]:
        if worker.queues:
            raise OSError("no disk")
        yield

    with pytest.raises(LifespanFailed, match="no disk"):
        await perform(greet, "Ada", worker=lambda queues: Worker(queues, lifespan=broken))


async def test_middleware_has_the_last_word() -> None:
    queue = app()

    @queue.task
    async def work() -> str:
        raise KeyError("inner")

    async def calm(job: JobContext, call_next: Callable[[JobContext], Awaitable[Any]]) -> Any:
        try:
            return await call_next(job)
        except KeyError:
            return "calm"

    async def other(job: JobContext, call_next: Callable[[JobContext], Awaitable[Any]]) -> Any:
        try:
            return await call_next(job)
        except KeyError as error:
            raise OSError("outer") from error

    assert await perform(work, worker=lambda q: Worker(q, middleware=[calm])) == "calm"
    with pytest.raises(OSError, match="outer"):
        await perform(work, worker=lambda q: Worker(q, middleware=[other]))


async def test_tasks_of_every_kind_run_in_this_process() -> None:
    queue = app()

    @queue.batch_task(size=5, wait=0)
    async def double(numbers: list[int]) -> list[int]:
        return [2 * number for number in numbers]

    @queue.task
    def threaded() -> int:
        return os.getpid()

    process = queue.task(executor="process", name="pid")(os.getpid)
    waits: list[Any] = [{"delay": 60}, {"expires": 0.001}, {"unique": True}, {"keep_result": 0}]

    assert await perform(double, 4) == 8
    assert await perform(threaded) == os.getpid()
    assert await perform(process) == os.getpid()
    for options in waits:
        assert await perform(threaded.options(**options)) == os.getpid()


async def test_what_the_task_enqueues_goes_to_its_queue(memory_queue: Queue) -> None:
    @memory_queue.task
    async def pay(order: int) -> str:
        return (await receipt.enqueue(order)).id

    @memory_queue.task
    async def receipt(order: int) -> None: ...

    id = await perform(pay, 7)
    assert [job.id for job in enqueued(queue=memory_queue)] == [id]

    async with inline(memory_queue):
        id = await perform(pay, 7)
        assert await memory_queue.job(id).result() is None
        assert_enqueued(receipt, 7)
        refute_enqueued(pay)


async def test_it_may_be_made_to_fail() -> None:
    queue = app()

    @queue.task
    async def work() -> str:
        return "done"

    with failing(work, 2):
        with pytest.raises(ConnectionError, match="made to fail"):
            await perform(work, attempt=2)
        assert await perform(work, attempt=3) == "done"


async def test_a_task_of_a_sealed_queue_runs() -> None:
    queue = Queue("app", NOWHERE, codec=SignedCodec({"k": b"k" * 32}))

    @queue.task
    async def work(number: int) -> int:
        return number

    assert await perform(work, 5) == 5


async def test_what_it_cannot_run_is_refused() -> None:
    queue = app()

    @queue.task
    async def retry(job: str, attempt: int = 0, worker: str = "") -> int:
        return attempt

    for bad in (0, -1, 1001, 1.5, True, "1"):
        with pytest.raises(ConfigInvalid, match="attempt must be"):
            await perform(retry, "a", attempt=bad)  # type: ignore[arg-type]
    for odd in ("retry", retry.function, None, queue.bind("retry", "a")):
        with pytest.raises(ConfigInvalid, match=r"perform\(\) takes a task"):
            await perform(odd)  # type: ignore[arg-type]
    with pytest.raises(ArgumentsInvalid, match=r"attempt is both .* retry\.bind"):
        await perform(retry, "a", attempt=2)
    with pytest.raises(ArgumentsInvalid, match=r"worker is both"):
        await perform(retry, "a", worker="w")  # type: ignore[arg-type]
    with pytest.raises(ArgumentsInvalid, match="beside those of a bound call"):
        await perform(retry.bind("a"), "b")
    assert await perform(retry.bind("a", attempt=5), attempt=2) == 5


async def test_inline_what_was_emitted_is_read_of_the_queue_and_of_the_job() -> None:
    queue = Queue("app", "redis://127.0.0.1:1/0")

    @queue.task
    async def work() -> None:
        await current_job().emit("value", 1)

    async with inline(queue):
        await queue.emit("opened", 2)
        job = await work.enqueue()
        told = [event.data async for event in job.events() if isinstance(event, EmittedEvent)]
        assert told == [1]
        events = await queue.recent_events(types=["emitted"])
        assert [event.data for event in events if isinstance(event, EmittedEvent)] == [2, 1]
    await queue.close()


async def test_a_task_that_emits_can_be_performed(memory_queue: Queue) -> None:
    @memory_queue.task
    async def work() -> int:
        await current_job().emit("value", 1)
        return 2

    assert await perform(work) == 2
    assert await memory_queue.recent_events() == []
