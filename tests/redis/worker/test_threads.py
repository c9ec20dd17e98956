"""Plain functions run in threads, as many at once as the worker has slots."""

from __future__ import annotations

import asyncio
import threading

import anyio.from_thread
import pytest

from aiojobs_redis import (
    ConfigInvalid,
    Fixed,
    JobCancelled,
    JobFailed,
    JobOptions,
    Queue,
    Worker,
    current_job,
)
from tests.support.waiting import wait_until


@pytest.mark.requirement("U8")
async def test_a_plain_function_runs_in_a_thread(queue: Queue) -> None:
    @queue.task
    def where(number: int) -> tuple[int, str]:
        return number * 2, threading.current_thread().name

    async with Worker(queue):
        value, name = await (await where.enqueue(21)).result(10)

    assert value == 42
    assert name != threading.main_thread().name


@pytest.mark.requirement("U8")
async def test_threads_keep_to_the_concurrency(queue: Queue) -> None:
    lock, gate = threading.Lock(), threading.Event()
    now: set[int] = set()
    most = 0

    @queue.task
    def held(number: int) -> None:
        nonlocal most
        with lock:
            now.add(number)
            most = max(most, len(now))
        gate.wait(20)
        with lock:
            now.discard(number)

    jobs = await queue.enqueue_many([held.bind(number) for number in range(9)])
    async with Worker(queue, concurrency=3):
        await wait_until(lambda: len(now) == 3, "three threads to run")
        gate.set()
        for job in jobs:
            await job.result(10)

    assert most == 3


async def test_more_threads_run_than_the_usual_limit_of_anyio(queue: Queue) -> None:
    gate, count = threading.Event(), threading.Semaphore(0)
    entered: list[int] = []

    @queue.task
    def held(number: int) -> None:
        entered.append(number)
        count.release()
        gate.wait(30)

    await queue.enqueue_many([held.bind(number) for number in range(60)])
    async with Worker(queue, concurrency=60):
        await wait_until(lambda: len(entered) == 60, "sixty threads to run", timeout=20)
        gate.set()


@pytest.mark.requirement("D30")
async def test_the_current_job_is_known_inside_a_thread(queue: Queue) -> None:
    @queue.task(attempts=2, backoff=Fixed(0))
    def ask() -> list[str | int | bool]:
        job = current_job()
        if job.attempt == 1:
            raise ValueError("once")
        return [job.id, job.task, job.queue, job.attempt, job.headers["trace"], job.cancelled]

    async with Worker(queue):
        job = await ask.options(headers={"trace": "abc"}).enqueue()
        assert await job.result(10) == [job.id, "ask", queue.name, 2, "abc", False]


async def test_the_current_job_of_each_thread_is_its_own(queue: Queue) -> None:
    barrier = threading.Barrier(4)

    @queue.task
    def ask() -> str:
        barrier.wait(20)
        return current_job().id

    async with Worker(queue, concurrency=4):
        jobs = await queue.enqueue_many([ask.bind() for _ in range(4)])
        assert [await job.result(20) for job in jobs] == [job.id for job in jobs]


def test_there_is_no_current_job_outside_a_task() -> None:
    with pytest.raises(RuntimeError, match="outside a task"):
        current_job()


async def test_an_async_function_may_not_be_run_in_a_thread_unawaited(queue: Queue) -> None:
    @queue.task(attempts=1, executor="async")
    async def fine() -> str:
        return threading.current_thread().name

    async with Worker(queue):
        assert await (await fine.enqueue()).result(10) == threading.main_thread().name


@pytest.mark.requirement("U13")
async def test_an_error_in_a_thread_shows_only_the_frames_of_the_task(queue: Queue) -> None:
    @queue.task(attempts=1)
    def failing() -> None:
        raise ValueError("in the thread")

    async with Worker(queue):
        with pytest.raises(JobFailed, match="in the thread") as caught:
            await (await failing.enqueue()).result(10)

    assert "in failing" in caught.value.traceback
    assert "executor.py" not in caught.value.traceback


@pytest.mark.requirement("P10")
async def test_a_cancelled_thread_is_told(queue: Queue) -> None:
    begun, told, let_go = threading.Event(), threading.Event(), threading.Event()

    @queue.task(lease=1)
    def slow() -> None:
        job = current_job()
        begun.set()
        while not job.cancelled and not let_go.is_set():
            let_go.wait(0.005)
        told.set()

    async with Worker(queue):
        job = await slow.enqueue()
        await wait_until(begun.is_set, "the thread to run")
        assert await job.cancel()
        with pytest.raises(JobCancelled):
            await job.result(10)
        await wait_until(told.is_set, "the thread to be told")
    let_go.set()


@pytest.mark.requirement("P10")
async def test_a_thread_that_waits_is_told_by_an_event(queue: Queue) -> None:
    begun, seen = threading.Event(), list[object]()

    @queue.task(lease=60)
    def slow() -> None:
        job = current_job()
        same = job.cancel_event
        begun.set()
        # Far longer than the test may take: only the event ends it.
        seen.extend([job.cancel_event.wait(100), job.cancelled, job.cancel_event is same])

    async with Worker(queue):
        job = await slow.enqueue()
        await wait_until(begun.is_set, "the thread to run")
        assert await job.cancel()
        await wait_until(lambda: seen, "the thread to be told")

    assert seen == [True, True, True]


async def test_the_event_of_an_attempt_that_is_to_end_already_is_set(queue: Queue) -> None:
    begun, cancelled, seen = threading.Event(), threading.Event(), list[bool]()

    @queue.task(lease=60)
    def slow() -> None:
        begun.set()
        while not (job := current_job()).cancelled:
            cancelled.wait(0.005)
        seen.append(job.cancel_event.is_set())

    async with Worker(queue):
        job = await slow.enqueue()
        await wait_until(begun.is_set, "the thread to run")
        await job.cancel()
        await wait_until(lambda: seen, "the thread to be told")

    assert seen == [True]


def test_an_async_function_cannot_be_a_task_of_threads() -> None:
    queue = Queue("x", "memory://x", defaults=JobOptions(executor="thread"))

    async def fine() -> None: ...

    queue.task(fine)
    with pytest.raises(ConfigInvalid, match="runs plain functions, and other is async"):

        @queue.task(executor="thread")
        async def other() -> None: ...


async def test_a_call_on_a_loop_of_its_own_is_refused_before_it_runs(queue: Queue) -> None:
    ran: list[int] = []

    @queue.task(attempts=1)
    def work() -> None:
        job = current_job()
        for call in (job.step("charge", ran.append, 1), job.once("charge", ran.append, 2)):
            with pytest.raises(ConfigInvalid, match=r"say anyio\.from_thread\.run"):
                asyncio.run(call)
        with pytest.raises(ConfigInvalid, match="Nothing ran"):
            asyncio.run(job.save())

    async with Worker(queue):
        await (await work.enqueue()).result(10)
    assert ran == []


@pytest.mark.behaviour("T63")
async def test_a_task_in_a_thread_takes_steps_and_keeps_its_state(queue: Queue) -> None:
    ran: list[str] = []

    async def charge(order: int) -> str:
        ran.append("charge")
        return f"receipt of {order}"

    def fetch() -> str:
        ran.append("fetch")
        return "token"

    @queue.task(attempts=2, backoff=Fixed(0))
    def work(order: int) -> list[str]:
        job = current_job()
        receipt = anyio.from_thread.run(job.step, "charge", charge, order)
        token = anyio.from_thread.run(job.once, "token", fetch)
        job.state["seen"] = job.state.get("seen", 0) + 1
        anyio.from_thread.run(job.save)
        if job.attempt == 1:
            raise ConnectionError("once more")
        return [receipt, token, f"seen {job.state['seen']} times"]

    async with Worker(queue):
        job = await work.enqueue(7)
        assert await job.result(10) == ["receipt of 7", "token", "seen 2 times"]

    assert ran == ["charge", "fetch"]
    assert await job.saved_state() == {"seen": 2}
