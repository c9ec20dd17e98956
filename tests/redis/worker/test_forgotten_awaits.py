"""A middleware that does not await the next one, or calls it without the job, fails the attempt."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from aiojobs_redis import JobFailed, JobState, Queue, Worker
from tests.support import process_tasks

ran: list[str] = []


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()


async def _forgets(job: Any, call_next: Any) -> Any:
    call_next(job)


async def _returns_it(job: Any, call_next: Any) -> Any:
    return call_next(job)


async def _passes(job: Any, call_next: Any) -> Any:
    return await call_next(job)


async def _leaves_a_task(job: Any, call_next: Any) -> Any:
    ran.append("left")
    left.append(asyncio.ensure_future(call_next(job)))


left: list[asyncio.Future[Any]] = []


async def _died(queue: Queue, *middleware: Any, task: Any = None) -> JobFailed:
    if task is None:

        @queue.task(attempts=1)
        async def work() -> int:
            ran.append("work")
            return 5

        task = work
    async with Worker(queue, middleware=middleware):
        job = await task.enqueue(*([3] if task.name == "square" else []))
        with pytest.raises(JobFailed) as caught:
            await job.result(timeout=20)
        assert await job.state() == JobState.DEAD
    # What was made and not awaited would be warned of here, which fails the test.
    gc.collect()
    return caught.value


@pytest.mark.parametrize("forgets", [_forgets, _returns_it])
@pytest.mark.parametrize("place", ["alone", "outer", "inner"])
async def test_a_forgotten_await_fails_the_attempt(queue: Queue, forgets: Any, place: str) -> None:
    chain = {"alone": [forgets], "outer": [forgets, _passes], "inner": [_passes, forgets]}[place]

    error = await _died(queue, *chain)

    assert error.error_type == "ConfigInvalid"
    assert f"the middleware {forgets.__qualname__} called call_next(job) and did not" in str(error)
    assert "return await call_next(job)" in str(error)
    assert ran == []


async def test_a_forgotten_await_around_a_process_fails_the_attempt(queue: Queue) -> None:
    square = queue.task(executor="process", attempts=1)(process_tasks.square)

    assert "did not await it" in str(await _died(queue, _forgets, task=square))


async def test_an_asyncio_task_that_has_not_begun_is_no_run_of_the_task(queue: Queue) -> None:
    error = await _died(queue, _leaves_a_task)

    assert "did not await it" in str(error)
    assert ran == ["left"]
    assert isinstance(left.pop().exception(), RuntimeError)


@pytest.mark.parametrize("given", [(), (1, 2)])
@pytest.mark.parametrize("inner", [[], [_passes]])
async def test_the_next_one_takes_the_job(queue: Queue, given: Any, inner: Any) -> None:
    async def wrong(job: Any, call_next: Any) -> Any:
        return await call_next(*given)

    error = await _died(queue, wrong, *inner)

    assert error.error_type == "ConfigInvalid"
    assert f"called call_next with {len(given)} arguments, it takes the job" in str(error)
    assert ran == []


async def test_what_is_awaited_in_another_way_has_run(queue: Queue) -> None:
    async def in_time(job: Any, call_next: Any) -> Any:
        return await asyncio.wait_for(call_next(job), 10)

    class Hands:
        def __call__(self, job: Any, call_next: Any) -> Any:
            return call_next(job)

    async def answers(job: Any, call_next: Any) -> Any:
        return 7

    @queue.task(attempts=1)
    async def work() -> int:
        ran.append("work")
        return 5

    async with Worker(queue, middleware=[in_time, Hands()]):
        assert await (await work.enqueue()).result(timeout=20) == 5
    async with Worker(queue, middleware=[answers]):
        assert await (await work.enqueue()).result(timeout=20) == 7
    assert ran == ["work"]
