"""Who waits for a worker to be ready is told when it ends before that, and why."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from aiojobs_redis import ConfigInvalid, LifespanFailed, Queue, QueueUnavailable, Worker

# Nothing but the failure itself is asked of the server.
pytestmark = pytest.mark.parametrize("server_url", ["valkey"], indirect=True)


@asynccontextmanager
async def failing(worker: Worker) -> AsyncIterator[None]:
    if worker.queues:
        raise OSError("the database is away")
    yield


async def test_a_block_ends_with_the_error_of_its_worker(queue: Queue) -> None:
    with pytest.raises(LifespanFailed, match="the database is away") as caught:
        async with asyncio.timeout(10), Worker(queue, lifespan=failing) as worker:
            await worker.wait_until_ready()

    assert isinstance(caught.value.__cause__, OSError)


async def test_each_who_waits_gets_the_error(queue: Queue) -> None:
    worker = Worker(queue, lifespan=failing)
    waiting = [asyncio.create_task(worker.wait_until_ready()) for _ in range(2)]
    with pytest.raises(LifespanFailed):
        await worker.run()

    async with asyncio.timeout(10):
        for wait in (*waiting, worker.wait_until_ready()):
            with pytest.raises(LifespanFailed, match="the database is away"):
                await wait
    assert not worker.is_running


async def test_a_task_that_cannot_run_is_told(queue: Queue) -> None:
    queue.task(name="hidden", executor="process")(lambda: None)

    with pytest.raises(ConfigInvalid, match="another process would not find its function"):
        async with asyncio.timeout(10), Worker(queue) as worker:
            await worker.wait_until_ready()
    assert not worker.is_running


async def test_a_server_that_refuses_the_worker_is_told(server_url: str, queue_name: str) -> None:
    refused = Queue(queue_name, server_url.replace("://", "://nobody:wrong@"))

    with pytest.raises(QueueUnavailable, match="refused this client"):
        async with asyncio.timeout(10), Worker(refused) as worker:
            await worker.wait_until_ready()
    await refused.close()


async def test_a_stop_before_it_is_ready_is_told(queue: Queue) -> None:
    worker = Worker(queue)
    worker.stop()
    running = asyncio.create_task(worker.run())

    async with asyncio.timeout(10):
        with pytest.raises(RuntimeError, match="was stopped before it was ready"):
            await worker.wait_until_ready()
    await running


async def test_a_cancellation_of_the_worker_is_none_of_who_waits(queue: Queue) -> None:
    opening = asyncio.Event()

    @asynccontextmanager
    async def slow(_: Worker) -> AsyncIterator[None]:
        opening.set()
        await asyncio.Event().wait()
        yield

    worker = Worker(queue, lifespan=slow)
    running = asyncio.create_task(worker.run())
    await asyncio.wait_for(opening.wait(), 10)
    running.cancel()

    async with asyncio.timeout(10):
        with pytest.raises(RuntimeError, match="was stopped before it was ready"):
            await worker.wait_until_ready()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_one_that_was_ready_stays_so(queue: Queue) -> None:
    async with Worker(queue) as worker:
        await worker.wait_until_ready()
        with pytest.raises(RuntimeError, match="a worker runs once"):
            await worker.run()
        await worker.wait_until_ready()
    await worker.wait_until_ready()
