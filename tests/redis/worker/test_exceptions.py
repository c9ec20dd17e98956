"""Whatever a task raises is about its own job: the worker and the other jobs go on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, NoReturn

import pytest

from aiojobs_redis import (
    Failure,
    Fixed,
    JobContext,
    JobFailed,
    JobState,
    Queue,
    Worker,
    current_job,
)
from tests.support.waiting import wait_until


class Bare(BaseException):
    """Not an Exception."""


class Speechless(Exception):
    def __str__(self) -> NoReturn:
        raise ZeroDivisionError


class Leaving(Exception):
    def __str__(self) -> NoReturn:
        raise SystemExit


class Nameless(Exception):
    @property
    def reason(self) -> NoReturn:
        raise ZeroDivisionError


class Unreadable(Exception):
    """Its message has no form in UTF-8, as the name of an undecodable file has none."""

    def __str__(self) -> str:
        return "caf\udce9"


class Unprintable(Exception):
    """Python asks it for notes before it prints it, and 3.11 gets a KeyError."""

    def __init__(self) -> None:
        super().__init__("the service said no")
        self.payload = {"code": 42}

    def __getattr__(self, name: str) -> Any:
        return self.payload[name]


class Noted(Exception):
    def __getattribute__(self, name: str) -> Any:
        if name == "__notes__":
            raise ZeroDivisionError
        return super().__getattribute__(name)


class Interrupting(Exception):
    def __getattribute__(self, name: str) -> Any:
        if name == "__notes__":
            raise KeyboardInterrupt
        return super().__getattribute__(name)


class Endless(Exception):
    """Asks itself for what it has not."""

    def __getattr__(self, name: str) -> Any:
        return self.payload[name]


class Kind(type):
    """Of a class whose name cannot be told either, and which raises itself for that."""

    def __getattribute__(cls, name: str) -> Any:
        if name == "__name__":
            itself: Any = cls
            raise itself
        return super().__getattribute__(name)


class Unclassed(Exception, metaclass=Kind):
    pass


class OddOffset(SyntaxError):
    """As of a parser that counts in text."""


class OddText(SyntaxError):
    """As of a parser of bytes."""


OFFSET: Any = ("page.html", 3, "7", "<% if")
TEXT: Any = ("page.html", 3, 7, b"<% if")


def chained() -> Exception:
    error = ValueError("the end of a circle")
    error.__context__ = other = KeyError("the other end")
    other.__context__ = error
    return error


RAISED: dict[str, Callable[[], BaseException]] = {
    "CancelledError": asyncio.CancelledError,
    "SystemExit": lambda: SystemExit(3),
    "KeyboardInterrupt": KeyboardInterrupt,
    "GeneratorExit": GeneratorExit,
    "Bare": Bare,
    "Speechless": Speechless,
    "Leaving": Leaving,
    "Nameless": Nameless,
    "Unreadable": Unreadable,
    "Unprintable": Unprintable,
    "Noted": Noted,
    "Interrupting": Interrupting,
    "Endless": Endless,
    "OddOffset": lambda: OddOffset("bad template", OFFSET),
    "OddText": lambda: OddText("bad template", TEXT),
    "StopAsyncIteration": StopAsyncIteration,
    "MemoryError": MemoryError,
    "RecursionError": RecursionError,
    "BaseExceptionGroup": lambda: BaseExceptionGroup("some", [Bare(), ValueError()]),
    "ValueError": chained,
    "TimeoutError": TimeoutError,
    "OSError": lambda: OSError(28, "No space left on device"),
}


@pytest.mark.requirement("D8")
@pytest.mark.requirement("U13")
@pytest.mark.parametrize("name", RAISED)
@pytest.mark.parametrize("kind", ["at once", "after a wait", "in a thread"])
async def test_it_harms_only_its_own_job(queue: Queue, name: str, kind: str) -> None:
    attempts: list[int] = []

    def note_and_raise() -> NoReturn:
        attempts.append(current_job().attempt)
        raise RAISED[name]()

    @queue.task(attempts=2, backoff=Fixed(0))
    async def at_once() -> None:
        note_and_raise()

    @queue.task(attempts=2, backoff=Fixed(0))
    async def after_a_wait() -> None:
        await asyncio.sleep(0)
        note_and_raise()

    @queue.task(attempts=2, backoff=Fixed(0))
    def in_a_thread() -> None:
        note_and_raise()

    @queue.task
    async def sound(number: int) -> int:
        await asyncio.sleep(0)
        return number

    async with Worker(queue, concurrency=2) as worker:
        before = await sound.enqueue(1)
        job = await queue.enqueue(kind.replace(" ", "_"))
        after = [await sound.enqueue(number) for number in range(2, 5)]
        with pytest.raises(JobFailed) as caught:
            await job.result(10)
        assert await before.result(10) == 1
        assert [await one.result(10) for one in after] == [2, 3, 4]
        assert worker.runs() == []

    assert caught.value.error_type == name
    assert attempts == [1, 2], "it is retried like any error"
    counts = await queue.counts()
    assert (counts.running, counts.completed, counts.dead) == (0, 4, 1)


@pytest.mark.requirement("D8")
async def test_an_outcome_that_fails_costs_only_its_own_job(
    queue: Queue, request: pytest.FixtureRequest
) -> None:
    def refuse(record: logging.LogRecord) -> NoReturn:
        raise ZeroDivisionError("of a filter of the application")

    logger = logging.getLogger("aiojobs_redis.worker")
    logger.addFilter(refuse)
    request.addfinalizer(lambda: logger.removeFilter(refuse))

    @queue.task(attempts=2, backoff=Fixed(0))
    async def failing() -> None:
        raise Unclassed("of the task")

    @queue.task
    async def sound() -> str:
        return "fine"

    async with Worker(queue, concurrency=1, grace=0):
        job, other = await failing.enqueue(), await sound.enqueue()
        with pytest.raises(JobFailed, match="could not be recorded"):
            await job.result(10)
        assert await other.result(10) == "fine"


@pytest.mark.requirement("D8")
async def test_a_back_off_and_a_hook_that_raise_what_cannot_be_printed_change_nothing(
    queue: Queue,
) -> None:
    told: list[str] = []

    def backoff(attempt: int, error: BaseException, job: JobContext) -> NoReturn:
        raise Interrupting

    def on_failure(failure: Failure) -> NoReturn:
        told.append(failure.job.id)
        raise Unprintable

    @queue.task(attempts=2, backoff=backoff)
    async def failing() -> None:
        raise Unprintable

    async with Worker(queue, concurrency=1, on_failure=on_failure) as worker:
        job = await failing.enqueue()
        await wait_until(lambda: told, "the attempt to be told of")
        assert await job.state() is JobState.RETRYING
        assert worker.runs() == []


@pytest.mark.requirement("D8")
async def test_a_job_whose_coroutine_was_thrown_away_keeps_no_slot(queue: Queue) -> None:
    waited: list[asyncio.Future[None]] = []

    @queue.task(attempts=1)
    async def waiting() -> None:
        waited.append(asyncio.get_running_loop().create_future())
        await waited[0]

    @queue.task
    async def sound() -> str:
        return "fine"

    async with Worker(queue, concurrency=1, grace=0):
        job = await waiting.enqueue()
        await wait_until(lambda: waited, "the job to run")
        [task] = [one for one in asyncio.all_tasks() if "Starter._execute" in repr(one)]
        coroutine: Any = task.get_coro()
        coroutine.close()
        waited[0].set_result(None)
        other = await sound.enqueue()
        with pytest.raises(JobFailed, match="ended without an outcome"):
            await job.result(10)
        assert await other.result(10) == "fine"
        assert isinstance(task.exception(), RuntimeError)


@pytest.mark.requirement("D8")
@pytest.mark.parametrize(
    ("name", "recorded"), [("coroutine", "RuntimeError"), ("thread", "StopIteration")]
)
async def test_a_stop_iteration_harms_only_its_own_job(
    queue: Queue, name: str, recorded: str
) -> None:
    @queue.task(attempts=1)
    async def coroutine() -> None:
        raise StopIteration(5)

    @queue.task(attempts=1)
    def thread() -> None:
        raise StopIteration(5)

    async with Worker(queue):
        with pytest.raises(JobFailed) as caught:
            await (await queue.enqueue(name)).result(10)

    assert caught.value.error_type == recorded


@pytest.mark.requirement("D8")
async def test_a_generator_exit_out_of_a_future_harms_only_its_own_job(queue: Queue) -> None:
    @queue.task(attempts=1)
    async def odd() -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.set_exception, GeneratorExit())
        await future

    async with Worker(queue) as worker:
        with pytest.raises(JobFailed, match="GeneratorExit"):
            await (await odd.enqueue()).result(10)
        assert worker.runs() == []


@pytest.mark.requirement("D8")
async def test_a_task_that_cancels_itself_harms_only_its_own_job(queue: Queue) -> None:
    @queue.task(attempts=1)
    async def suicidal() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(10)

    @queue.task
    async def sound() -> str:
        return "fine"

    async with Worker(queue, concurrency=1):
        job, other = await suicidal.enqueue(), await sound.enqueue()
        with pytest.raises(JobFailed, match="CancelledError"):
            await job.result(10)
        assert await other.result(10) == "fine"


@pytest.mark.requirement("D8")
async def test_a_task_group_with_a_failing_child_harms_only_its_own_job(queue: Queue) -> None:
    @queue.task(attempts=1)
    async def grouped() -> None:
        async def child(seconds: float) -> None:
            await asyncio.sleep(seconds)
            raise ValueError("of the child")

        async with asyncio.TaskGroup() as group:
            group.create_task(child(0.01))
            group.create_task(child(60))

    async with Worker(queue):
        with pytest.raises(JobFailed, match="ExceptionGroup") as caught:
            await (await grouped.enqueue()).result(10)

    assert "of the child" in caught.value.traceback


@pytest.mark.requirement("B21")
@pytest.mark.behaviour("T05")
async def test_long_messages_and_deep_stacks_are_cut(queue: Queue) -> None:
    def deep(level: int) -> NoReturn:
        if level:
            deep(level - 1)
        raise ValueError("x" * 100_000)

    @queue.task(attempts=1)
    async def failing() -> None:
        deep(900)

    job = await failing.enqueue()
    await Worker(queue).run(burst=True)

    info = await job.info()
    assert info is not None
    assert info.state is JobState.DEAD
    assert len(info.errors[0].message) == 4096
    assert len(info.errors[0].traceback) <= 32 * 1024


@pytest.mark.requirement("U2")
async def test_a_function_that_returns_no_awaitable_fails_its_own_job(queue: Queue) -> None:
    def plain(number: int) -> int:
        return number

    # As decorators of some libraries do: declared a coroutine function, but it is none.
    marked: Any = queue.task(executor="async", attempts=1)(plain)

    async with Worker(queue):
        with pytest.raises(JobFailed, match="await"):
            await (await marked.enqueue(1)).result(10)
