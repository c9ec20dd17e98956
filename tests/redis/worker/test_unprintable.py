"""An error that Python cannot print is logged in other words, and stops nothing that logs it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from aiojobs_redis import Fixed, LifespanFailed, Queue, Worker, current_job
from aiojobs_redis.worker.control import report_end
from aiojobs_redis.worker.loop import Loop
from aiojobs_redis.worker.stopping import Stopping
from tests.redis.worker.test_codec_faults import Service
from tests.redis.worker.test_exceptions import Interrupting, Leaving, Unprintable
from tests.support import process_tasks
from tests.support.waiting import wait_until

KINDS = pytest.mark.parametrize("error", [Unprintable, Interrupting])
Kind = Callable[[], Exception]


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


@KINDS
async def test_a_loop_goes_on(error: Kind, caplog: pytest.LogCaptureFixture) -> None:
    stopping, rounds = Stopping(), 0

    async def act() -> float:
        nonlocal rounds
        rounds += 1
        if rounds == 1:
            loop.plan(0)
            raise error()
        stopping.asked.set()
        return 0

    loop = Loop("look", act, interval=30, server="here", stopping=stopping)
    await asyncio.wait_for(loop.run(), 10)

    assert rounds == 2
    assert any(text.startswith("cannot look; trying again") for text in told(caplog))


@KINDS
@pytest.mark.parametrize("hangs", [False, True])
async def test_a_worker_ends_whose_lifespan_does_not_close(
    queue: Queue,
    error: Kind,
    hangs: bool,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("aiojobs_redis.worker.worker._CLOSE", 0.1)

    @asynccontextmanager
    async def lifespan(worker: Worker) -> AsyncIterator[None]:
        yield
        try:
            if hangs:
                await asyncio.Event().wait()
        finally:
            raise error()

    await Worker(queue, lifespan=lifespan, grace=0.1).run(burst=True)
    when = "failed when it was cancelled" if hangs else "failed while it closed"
    assert any(f"the lifespan {when}" in text for text in told(caplog))


async def test_a_lifespan_that_does_not_open_is_told_of_without_a_message(queue: Queue) -> None:
    @asynccontextmanager
    async def lifespan(worker: Worker) -> AsyncIterator[None]:
        if worker.queues:
            raise Leaving
        yield

    with pytest.raises(LifespanFailed, match="Leaving: <no message: SystemExit in __str__>"):
        await Worker(queue, lifespan=lifespan).run()


@KINDS
async def test_the_end_of_a_worker_that_nobody_awaits_is_told(
    error: Kind, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        raise error()

    task = asyncio.create_task(run())
    await asyncio.wait([task])
    report_end(task)

    assert any(text.startswith("the worker ended with an error") for text in told(caplog))


@KINDS
async def test_what_a_job_leaves_is_dropped_and_the_job_goes_on(
    server_url: str, queue_name: str, error: Kind, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service()
    service.error, service.only = error(), b"log"

    async with Queue(queue_name, url=server_url, namespace="test", codec=service) as queue:

        @queue.task(attempts=1)
        async def work() -> str:
            service.away = {"seal"}
            await current_job().log("a line")
            await wait_until(lambda: service.asked, "the line to be sealed")
            return "done"

        job = await work.enqueue()
        async with Worker(queue):
            assert await job.result(10) == "done"
        await queue.destroy()
    assert any("cannot be sealed and is dropped" in text for text in told(caplog))


@pytest.mark.parametrize("executor", ["thread", "process"])
async def test_a_state_that_cannot_be_saved_keeps_no_attempt_from_its_end(
    server_url: str, queue_name: str, executor: Any
) -> None:
    async with Queue(queue_name, url=server_url, namespace="test") as queue:
        work = queue.task(executor=executor, attempts=2, backoff=Fixed(0))(
            process_tasks.leave_an_odd_state
        )
        job = await work.enqueue()
        async with Worker(queue, processes=1):
            assert await job.result(60) == "done"
        info = await job.info()
        assert info is not None
        assert [error.type for error in info.errors] == ["ValueError"]
        await queue.destroy()
