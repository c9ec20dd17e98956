"""What the application's logging, its observers and its hooks raise, no job pays for."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from aiojobs_redis import Failure, JobState, Queue, Transition, Worker
from aiojobs_redis.guarded_log import GuardedLog
from aiojobs_redis.printing import log_error
from tests.support.gauge import Gauge
from tests.support.scripts import Scripts
from tests.support.stealing import steal
from tests.support.waiting import wait_until

JOBS = logging.getLogger("aiojobs_redis.jobs")


def raises(record: logging.LogRecord) -> bool:
    raise AttributeError("no tenant here")


@contextmanager
def filtered(target: logging.Filterer) -> Iterator[None]:
    target.addFilter(raises)
    try:
        yield
    finally:
        target.removeFilter(raises)


@contextmanager
def handled() -> Iterator[None]:
    handler = logging.StreamHandler(io.StringIO())
    JOBS.addHandler(handler)
    try:
        with filtered(handler):
            yield
    finally:
        JOBS.removeHandler(handler)


@contextmanager
def made_by(make: Callable[..., logging.LogRecord]) -> Iterator[None]:
    before = logging.getLogRecordFactory()
    logging.setLogRecordFactory(make)
    try:
        yield
    finally:
        logging.setLogRecordFactory(before)


def made_with_task() -> AbstractContextManager[None]:
    before = logging.getLogRecordFactory()

    def make(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = before(*args, **kwargs)
        record.task = record.state = "-"
        return record

    return made_by(make)


def made_by_none() -> AbstractContextManager[None]:
    before = logging.getLogRecordFactory()

    def make(name: str, *args: Any, **kwargs: Any) -> logging.LogRecord:
        if name == JOBS.name:
            raise AttributeError("no tenant here")
        return before(name, *args, **kwargs)

    return made_by(make)


async def run_some(queue: Queue, **options: Any) -> list[JobState | None]:
    """Let some jobs run to their ends, and return these."""

    @queue.task(attempts=1)
    async def work(number: int) -> int:
        if number == 0:
            raise ValueError("no")
        return number

    jobs = [await work.enqueue(number) for number in range(4)]
    await asyncio.wait_for(Worker(queue, **options).run(burst=True), 30)
    return [await job.state() for job in jobs]


AS_USUAL: list[JobState | None] = [JobState.DEAD, *[JobState.COMPLETED] * 3]


@pytest.mark.parametrize(
    "broken", [lambda: filtered(JOBS), handled, made_by_none], ids=["logger", "handler", "factory"]
)
async def test_a_step_that_cannot_be_logged_is_told_to_the_others(
    queue: Queue, broken: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "aiojobs_redis")
    told: list[Transition] = []
    with broken():
        assert await run_some(queue, observers=[told.append]) == AS_USUAL

    assert len(told) == 8
    texts = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert texts == [f"a step of job {step.job_id} cannot be logged" for step in told]


async def test_a_field_that_the_application_gives_all_its_records_is_the_jobs(
    queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "aiojobs_redis")
    with made_with_task():
        assert await run_some(queue) == AS_USUAL

    records = [vars(record) for record in caplog.records if record.name == JOBS.name]
    assert [record["task"] for record in records] == ["work"] * 8
    assert {record["state"] for record in records} == {"running", "completed", "dead"}


def gone() -> None:
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    future.result()


async def test_an_observer_that_asks_a_cancelled_future_ends_no_worker(
    queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    def observer(_: Transition) -> None:
        gone()

    assert await run_some(queue, observers=[observer]) == AS_USUAL
    assert caplog.text.count("an observer raised for job") == 8


@pytest.mark.parametrize("kind", ["plain", "async"])
async def test_a_hook_that_asks_a_cancelled_future_ends_no_worker(
    queue: Queue, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    def plain(_: Failure) -> None:
        gone()

    async def waits(_: Failure) -> None:
        gone()

    hook = plain if kind == "plain" else waits
    assert await run_some(queue, on_failure=hook) == AS_USUAL
    assert caplog.text.count("on_failure raised for job") == 1


async def test_a_hook_that_is_cancelled_itself_ends(
    queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    begun: list[asyncio.Task[Any] | None] = []

    async def hangs(_: Failure) -> None:
        begun.append(asyncio.current_task())
        await asyncio.Event().wait()

    work = asyncio.create_task(run_some(queue, on_failure=hangs))
    await wait_until(lambda: begun, "the hook to be called")
    [hook] = begun
    assert hook is not None
    hook.cancel()
    assert await work == AS_USUAL
    assert hook.cancelled()
    assert "on_failure raised" not in caplog.text


async def test_no_line_of_the_worker_is_worth_a_job(queue: Queue, other: Scripts) -> None:
    gauge = Gauge()

    @queue.task(lease=30)
    async def work(number: int) -> int:
        if number < 2:
            await gauge.pass_through()
        return number

    with filtered(JOBS), filtered(logging.getLogger("aiojobs_redis.worker")):
        async with Worker(queue) as worker:
            stolen, held = await work.enqueue(0), await work.enqueue(1)
            await wait_until(lambda: gauge.now == 2, "both to run")
            worker.pause()
            await steal(other, stolen.id)
            gauge.open()
            assert await held.result(10) == 1
            worker.resume()
            assert await (await work.enqueue(2)).result(10) == 2


def test_a_guarded_line_is_that_of_its_caller(caplog: pytest.LogCaptureFixture) -> None:
    log = GuardedLog("aiojobs_redis.worker")
    log.warning("one of %d", 3)
    log.log(logging.ERROR, "another")
    log_error(log, ValueError("no"), "the last")
    log.debug("not wanted")

    assert caplog.messages == ["one of 3", "another", "the last"]
    assert {record.pathname for record in caplog.records} == {__file__}
