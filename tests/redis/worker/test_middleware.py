"""Middleware around each attempt: order, results, errors, threads, and contexts of their own."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import pytest

from aiojobs_redis import (
    AttemptFailed,
    ConfigInvalid,
    Depends,
    Failure,
    Fixed,
    JobContext,
    JobFailed,
    JobState,
    Queue,
    ResultTooLarge,
    Snooze,
    Worker,
    current_job,
)
from aiojobs_redis.worker.executor import Executor
from tests.support import process_tasks
from tests.support.waiting import wait_until

Next = Callable[[JobContext], Awaitable[Any]]

tenant: ContextVar[str] = ContextVar("tenant", default="nobody")


@pytest.mark.parametrize("kind", ["async", "thread"])
async def test_the_first_is_outermost_around_each_attempt(queue: Queue, kind: str) -> None:
    told: list[str] = []

    async def outer(job: JobContext, call_next: Next) -> Any:
        assert job is current_job()
        told.append(f"outer {job.task} {job.attempt}")
        try:
            return await call_next(job)
        except ValueError as error:
            told.append(f"outer met {error}")
            raise
        finally:
            told.append("outer ends")

    class Inner:
        async def __call__(self, job: JobContext, call_next: Next) -> Any:
            told.append("inner")
            value = await call_next(job)
            return value * 2

    def run(number: int) -> int:
        told.append("task")
        if current_job().attempt == 1:
            raise ValueError("once")
        return number

    async def arun(number: int) -> int:
        return run(number)

    work = queue.task(name="work", attempts=2, backoff=Fixed(0))(arun if kind == "async" else run)
    async with Worker(queue, middleware=[outer, Inner()]):
        assert await (await work.enqueue(21)).result(10) == 42

    assert told == [
        *("outer work 1", "inner", "task", "outer met once", "outer ends"),
        *("outer work 2", "inner", "task", "outer ends"),
    ]


async def test_an_error_of_a_middleware_counts_as_the_tasks(queue: Queue) -> None:
    ran: list[int] = []

    async def fails(job: JobContext, call_next: Next) -> Any:
        if job.attempt == 1:
            raise KeyError("before")
        value = await call_next(job)
        if job.attempt == 2:
            raise OSError("after")
        return value

    @queue.task(attempts=3, backoff=Fixed(0))
    async def work() -> str:
        ran.append(current_job().attempt)
        return "done"

    async with Worker(queue, middleware=[fails]):
        job = await work.enqueue()
        assert await job.result(10) == "done"

    info = await job.info()
    assert info is not None
    assert [error.type for error in info.errors] == ["KeyError", "OSError"]
    assert ran == [2, 3]


async def test_a_middleware_may_answer_without_the_task_and_put_a_job_off(queue: Queue) -> None:
    ran: list[str] = []
    snoozed: list[str] = []

    async def cache(job: JobContext, call_next: Next) -> Any:
        if job.headers.get("cached"):
            return "from the cache"
        if job.headers.get("later") and job.id not in snoozed:
            snoozed.append(job.id)
            raise Snooze(delay=0.05)
        return await call_next(job)

    @queue.task
    async def work() -> str:
        ran.append(current_job().id)
        return "from the task"

    async with Worker(queue, middleware=[cache]):
        cached = await work.options(headers={"cached": "1"}).enqueue()
        later = await work.options(headers={"later": "1"}).enqueue()
        assert await cached.result(10) == "from the cache"
        assert await later.result(10) == "from the task"

    assert (ran, snoozed) == ([later.id], [later.id])


async def test_a_result_that_a_middleware_changed_has_to_fit_the_task(queue: Queue) -> None:
    async def spoils(job: JobContext, call_next: Next) -> Any:
        await call_next(job)
        return object()

    @queue.task(attempts=1)
    async def work() -> int:
        return 1

    async with Worker(queue, middleware=[spoils]):
        with pytest.raises(JobFailed, match="must return int"):
            await (await work.enqueue()).result(10)


async def test_a_timeout_and_a_cancellation_pass_through(queue: Queue) -> None:
    met: list[str] = []

    async def watches(job: JobContext, call_next: Next) -> Any:
        try:
            return await call_next(job)
        except asyncio.CancelledError:
            met.append(job.id)
            raise

    @queue.task(attempts=1)
    async def hang() -> None:
        await asyncio.Event().wait()

    async with Worker(queue, middleware=[watches]) as worker:
        slow = await hang.options(timeout=0.05).enqueue()
        with pytest.raises(JobFailed, match="TimeoutError"):
            await slow.result(10)
        cut = await hang.enqueue()
        await wait_until(lambda: len(worker.runs()) == 1, "the second to run")
        worker.stop(grace=0)

    assert met == [slow.id, cut.id]
    assert await cut.state() is JobState.QUEUED


async def test_an_error_shows_the_frames_of_task_and_middleware_only(queue: Queue) -> None:
    async def passes(job: JobContext, call_next: Next) -> Any:
        return await call_next(job)

    @queue.task(attempts=1)
    async def failing() -> None:
        raise ValueError("inside")

    async with Worker(queue, middleware=[passes]):
        with pytest.raises(JobFailed, match="inside") as caught:
            await (await failing.enqueue()).result(10)

    lines = [line for line in caught.value.traceback.splitlines() if line.startswith("  File")]
    assert "in passes" in lines[0]
    assert "in failing" in lines[-1]


@pytest.mark.requirement("D30")
@pytest.mark.parametrize("kind", ["async", "thread"])
async def test_what_a_job_sets_in_its_context_no_other_sees(queue: Queue, kind: str) -> None:
    gate = threading.Barrier(4)
    everybody = asyncio.Event()
    arrived = 0

    async def names(job: JobContext, call_next: Next) -> Any:
        assert tenant.get() == "nobody"
        tenant.set(job.headers["tenant"])
        return await call_next(job)

    async def show() -> list[str]:
        nonlocal arrived
        before = tenant.get()
        tenant.set(before + "!")
        arrived += 1
        if arrived % 4 == 0:
            everybody.set()
        await everybody.wait()
        return [before, tenant.get()]

    def show_in_thread() -> list[str]:
        before = tenant.get()
        tenant.set(before + "!")
        gate.wait(20)
        return [before, tenant.get()]

    work = queue.task(name="work")(show if kind == "async" else show_in_thread)
    async with Worker(queue, concurrency=4, middleware=[names]):
        # Twice as many as slots: the second ones come into threads that others have used.
        for _ in range(2):
            everybody.clear()
            jobs = [
                await work.options(headers={"tenant": f"t{number}"}).enqueue()
                for number in range(4)
            ]
            found = [await job.result(20) for job in jobs]
            assert found == [[f"t{number}", f"t{number}!"] for number in range(4)]
    assert tenant.get() == "nobody"


async def test_without_middleware_a_function_is_called_by_itself(queue: Queue) -> None:
    depth: list[int] = []

    @queue.task
    async def work() -> None:
        frame, found = sys._getframe(), 0
        while frame.f_back is not None:
            frame, found = frame.f_back, found + 1
            if frame.f_code is Executor.execute.__code__:
                break
        depth.append(found)

    async with Worker(queue):
        await (await work.enqueue()).result(10)

    assert depth == [1]


def test_what_cannot_be_middleware_of_a_worker_is_refused(queue_name: str) -> None:
    queue = Queue(queue_name, url="memory://refused")

    def plain(job: JobContext, call_next: Next) -> None: ...

    for bad in ([plain], ["name"], plain):
        with pytest.raises(ConfigInvalid, match=r"async callables? of job and call_next"):
            Worker(queue, middleware=bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("server_url", ["valkey"], indirect=True)
async def test_middleware_and_hook_stand_around_a_process_too(queue: Queue) -> None:
    later = queue.task(executor="process")(process_tasks.square_later)
    story: list[Any] = []

    async def doubles(job: JobContext, call_next: Next) -> Any:
        assert current_job() is job
        try:
            value = await call_next(job)
        except AttemptFailed as error:
            story.append((job.task, error.error_type, error.message))
            raise
        story.append((job.task, value))
        return value * 2 if job.headers.get("double") else value

    failures: list[Failure] = []
    async with Worker(queue, processes=1, middleware=[doubles], on_failure=failures.append):
        assert await (await later.enqueue(5)).result(30) == 25
        assert await (await later.options(headers={"double": "1"}).enqueue(5)).result(30) == 50
        with pytest.raises(JobFailed) as caught:
            await (await queue.enqueue("square_later", "no number")).result(30)
        await wait_until(lambda: failures, "the hook to be told")

    assert caught.value.error_type == "ArgumentsInvalid"
    assert story == [
        ("square_later", 25),
        ("square_later", 25),
        ("square_later", "ArgumentsInvalid", caught.value.message),
    ]
    assert [(type(f.error), str(f.error), f.dead) for f in failures] == [
        (AttemptFailed, f"ArgumentsInvalid: {caught.value.message}", True)
    ]


@pytest.mark.parametrize("server_url", ["valkey"], indirect=True)
async def test_a_result_of_a_process_may_be_changed_in_its_place(queue: Queue) -> None:
    ask = queue.task(executor="process")(process_tasks.ask)
    large = queue.task(executor="process")(process_tasks.large)

    async def stamps(job: JobContext, call_next: Next) -> Any:
        result = await call_next(job)
        if isinstance(result, dict):
            result["by"] = "middleware"
        return result

    async with Worker(queue, processes=1, middleware=[stamps]):
        assert (await (await ask.enqueue()).result(30))["by"] == "middleware"
        # What was not stored for its size stays so.
        with pytest.raises(ResultTooLarge):
            await (await large.enqueue(2_000_000)).result(30)


@pytest.mark.parametrize("server_url", ["valkey"], indirect=True)
async def test_an_error_of_a_process_may_be_forgiven(queue: Queue) -> None:
    wait = queue.task(executor="process", attempts=1)(process_tasks.wait_for)

    async def forgives(job: JobContext, call_next: Next) -> Any:
        try:
            return await call_next(job)
        except AttemptFailed:
            return None

    async with Worker(queue, processes=1, middleware=[forgives]):
        job = await queue.enqueue(wait.name, "and no gate")
        assert await job.result(30) is None


def test_a_task_of_a_process_can_ask_for_nothing(queue_name: str) -> None:
    queue = Queue(queue_name, url="memory://refused")
    with pytest.raises(ConfigInvalid, match="asks for 'pool', and executor='process'"):

        @queue.task(executor="process")
        def work(pool: list[int] = Depends()) -> None: ...
