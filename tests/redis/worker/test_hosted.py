"""A worker in an ``async with``: a block never waits for a worker that has ended with an error."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import anyio
import pytest

from aiojobs_redis import LifespanFailed, Queue, Worker


@asynccontextmanager
async def refused(worker: Worker) -> AsyncIterator[None]:
    if worker.queues:
        raise ConnectionError("the database refuses")
    yield


def with_a_task(queue: Queue) -> Queue:
    @queue.task
    async def noop() -> None: ...

    return queue


async def test_a_block_that_waits_for_a_worker_that_fails_is_left_with_its_error(
    queue: Queue,
) -> None:
    job = await with_a_task(queue).enqueue("noop")
    with pytest.raises(LifespanFailed, match="the database refuses"):
        async with asyncio.timeout(10), Worker(queue, lifespan=refused):
            await job.result()
    host = asyncio.current_task()
    assert host is not None
    assert not host.cancelling(), "nothing is left of the cancellation"


async def test_a_failure_while_jobs_run_ends_the_block_once_they_have_ended(queue: Queue) -> None:
    fail = asyncio.Event()

    @queue.task
    async def working() -> str:
        fail.set()
        return "done"

    async def background() -> None:
        await fail.wait()
        raise OSError("the listener died")

    @asynccontextmanager
    async def lifespan(_: Worker) -> AsyncIterator[None]:
        async with anyio.create_task_group() as group:
            group.start_soon(background)
            yield

    job = await working.enqueue()
    with pytest.raises(LifespanFailed, match="while jobs ran"):
        async with asyncio.timeout(10), Worker(queue, lifespan=lifespan):
            await asyncio.Event().wait()
    assert await job.result(1) == "done"


async def test_a_block_that_takes_its_cancellation_for_its_own_gets_the_error_too(
    queue: Queue,
) -> None:
    async def serve() -> None:
        async with asyncio.timeout(10), Worker(queue, lifespan=refused):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return

    with pytest.raises(LifespanFailed):
        await serve()


async def test_who_enters_in_one_task_and_leaves_in_another_gets_the_error_there(
    queue: Queue,
) -> None:
    stack = AsyncExitStack()
    worker = Worker(queue, lifespan=refused)
    await asyncio.create_task(stack.enter_async_context(worker))
    with pytest.raises(LifespanFailed):
        await worker.wait_until_ready()
    with pytest.raises(LifespanFailed):
        await stack.aclose()


async def test_a_cancellation_from_outside_is_one_of_the_block(queue: Queue) -> None:
    entered = asyncio.Event()

    async def serve() -> None:
        async with Worker(queue):
            entered.set()
            await asyncio.Event().wait()

    serving = asyncio.create_task(serve())
    await entered.wait()
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert (await queue.counts()).workers == 0


async def test_a_worker_is_entered_once(queue: Queue) -> None:
    job = await with_a_task(queue).enqueue("noop")
    async with Worker(queue) as worker:
        with pytest.raises(RuntimeError, match="runs once: make another one"):
            await worker.__aenter__()
        await job.result(10)
    with pytest.raises(RuntimeError, match="runs once"):
        async with worker:
            pytest.fail("it runs no more")
    running = Worker(queue)
    await running.run(burst=True)
    with pytest.raises(RuntimeError, match="runs once"):
        await running.__aenter__()
