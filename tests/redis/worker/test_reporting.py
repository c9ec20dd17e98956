"""Progress and log of a job, as its task says them and other processes see them."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from aiojobs_redis import (
    ArgumentsInvalid,
    ConfigInvalid,
    Fixed,
    JobCancelled,
    JobContext,
    JobFailed,
    JobNotFound,
    LeaseLost,
    PayloadTooLarge,
    Queue,
    Worker,
    current_job,
)
from tests.support.gauge import Gauge
from tests.support.raw import raw
from tests.support.scripts import Scripts
from tests.support.stealing import steal
from tests.support.waiting import wait_until


@pytest.fixture
async def elsewhere(queue: Queue, server_url: str) -> AsyncIterator[Queue]:
    """The same queue as another process has it."""
    elsewhere = Queue(queue.name, url=server_url, namespace="test")
    yield elsewhere
    await elsewhere.close()


async def writes(queue: Queue) -> int:
    """Return how often progress was written, by the entries of the events."""
    entries = await raw(queue, "XRANGE", queue.store.keys["events"], "-", "+")
    return sum(fields[::2].count(b"progress") for _, fields in entries)


@pytest.mark.requirement("B12")
@pytest.mark.behaviour("T62")
async def test_progress_is_seen_elsewhere_while_the_job_runs(
    queue: Queue, elsewhere: Queue
) -> None:
    gauge = Gauge()

    @queue.task
    async def convert() -> None:
        await current_job().progress(3, 4, {"file": "a.png"})
        await gauge.pass_through()

    async with Worker(queue):
        job = await convert.enqueue()
        await wait_until(lambda: gauge.now == 1, "the job to run")
        async with asyncio.timeout(10):
            async for event in elsewhere.events(since="0-0", types=["progress"]):
                assert event.job == job.id
                break
        progress = await elsewhere.job(job.id).progress()
        info = await elsewhere.job(job.id).info()
        gauge.open()
        await job.result(10)

    assert progress is not None
    assert info is not None
    assert (progress.done, progress.total, progress.fraction) == (3, 4, 0.75)
    assert (progress.note, progress.attempt) == ({"file": "a.png"}, 1)
    assert info.progress == progress
    assert info.started_at is not None
    assert abs((progress.at - info.started_at).total_seconds()) < 10
    assert await job.progress() == progress, "it stays with the record"


@pytest.mark.requirement("B12")
@pytest.mark.behaviour("T62")
async def test_a_job_that_says_nothing_has_no_progress_and_no_log(queue: Queue) -> None:
    @queue.task
    async def silent() -> None: ...

    job = await silent.enqueue()
    assert (await job.progress(), await job.logs()) == (None, [])
    async with Worker(queue):
        await job.result(10)
    info = await job.info()

    assert info is not None
    assert (info.progress, await job.progress(), await job.logs()) == (None, None, [])
    assert not await raw(queue, "EXISTS", queue.store.keys["extras"])


@pytest.mark.requirement("B12")
async def test_ten_thousand_calls_a_second_are_about_ten_writes(queue: Queue) -> None:
    calls = 0

    @queue.task
    async def busy() -> None:
        nonlocal calls
        loop = asyncio.get_running_loop()
        end = loop.time() + 1.2
        while loop.time() < end:
            calls += 1
            await current_job().progress(calls)

    async with Worker(queue):
        job = await busy.enqueue()
        await job.result(20)
    progress = await job.progress()

    assert calls > 5_000
    assert 3 <= await writes(queue) <= 16
    assert progress is not None
    assert progress.done == calls, "the last one arrives"


@pytest.mark.requirement("B12")
async def test_jobs_that_report_at_once_share_their_writes(queue: Queue) -> None:
    gauge = Gauge()

    @queue.task
    async def part(number: int) -> None:
        await gauge.pass_through()
        for done in range(20):
            await current_job().progress(done, 20)
            await asyncio.sleep(0.02)

    async with Worker(queue, concurrency=30):
        jobs = await queue.enqueue_many([part.bind(number) for number in range(30)])
        await wait_until(lambda: gauge.now == 30, "all to run")
        gauge.open()
        for job in jobs:
            await job.result(20)

    progresses = [await job.progress() for job in jobs]
    assert [progress and progress.done for progress in progresses] == [19] * 30
    assert await writes(queue) < 30


@pytest.mark.requirement("B12")
@pytest.mark.parametrize("ending", ["returns", "raises", "is cancelled", "times out"])
async def test_the_last_words_arrive_however_the_attempt_ends(queue: Queue, ending: str) -> None:
    @queue.task(attempts=1, timeout=0.5 if ending == "times out" else 30)
    async def work() -> None:
        job = current_job()
        for done in range(10):
            _ = job.progress(done)
            _ = job.log(f"line {done}")
        if ending == "raises":
            raise ValueError("over")
        if ending != "returns":
            await asyncio.sleep(60)

    async with Worker(queue) as worker:
        job = await work.enqueue()
        if ending == "is cancelled":
            await wait_until(lambda: any(run.left for run in worker.runs()), "the task to speak")
            await job.cancel()
            worker.stop(grace=0)
        with contextlib.suppress(JobFailed, JobCancelled):
            await job.result(20)

    progress = await job.progress()
    assert progress is not None
    assert progress.done == 9
    assert [line.text for line in await job.logs()] == [f"line {number}" for number in range(10)]


@pytest.mark.requirement("B12")
@pytest.mark.behaviour("T62")
async def test_the_log_grows_over_the_attempts(queue: Queue) -> None:
    @queue.task(attempts=2, backoff=Fixed(0))
    async def work() -> None:
        job = current_job()
        await job.log(f"attempt {job.attempt} begins")
        await job.log("\ttwo\nlines, \N{SNOWMAN} and \udcff")
        if job.attempt == 1:
            raise ValueError("once")

    async with Worker(queue):
        job = await work.enqueue()
        await job.result(10)

    lines = await job.logs()
    assert [line.attempt for line in lines] == [1, 1, 2, 2]
    assert [line.text for line in lines[::2]] == ["attempt 1 begins", "attempt 2 begins"]
    assert lines[1].text == "\ttwo\nlines, \N{SNOWMAN} and ?"
    assert [line.at for line in lines] == sorted(line.at for line in lines)
    assert await job.logs(last=1) == lines[-1:]
    assert (await job.logs(last=99), await job.logs(last=0)) == (lines, [])
    assert await job.logs(newest_first=True) == lines[::-1]
    assert await job.logs(last=1, newest_first=True) == lines[-1:]


@pytest.mark.requirement("B12")
@pytest.mark.behaviour("T62")
async def test_a_long_log_keeps_its_end(queue: Queue) -> None:
    @queue.task
    async def chatter() -> None:
        job = current_job()
        for number in range(5_000):
            await job.log(f"{number}")
        await job.log("x" * 5_000)
        await job.log("\N{SNOWMAN}" * 2_000)

    async with Worker(queue):
        job = await chatter.enqueue()
        await job.result(20)
    *lines, long, snow = await job.logs()

    assert [line.text for line in lines] == [f"{number}" for number in range(4_002, 5_000)]
    assert long.text == "x" * 4_090 + " [cut]"
    assert snow.text == "\N{SNOWMAN}" * 1_363 + " [cut]"


@pytest.mark.requirement("B12")
async def test_a_task_in_a_thread_reports_without_awaiting(queue: Queue) -> None:
    @queue.task
    def convert() -> str:
        job = current_job()
        threads = [
            threading.Thread(target=lambda: [job.log("of a thread") for _ in range(50)])
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for done in range(1_001):
            _ = job.progress(done, 1_000)
        for thread in threads:
            thread.join()
        return job.id

    async with Worker(queue):
        job = await convert.enqueue()
        assert await job.result(20) == job.id

    progress = await job.progress()
    assert progress is not None
    assert progress.fraction == 1
    assert [line.text for line in await job.logs()] == ["of a thread"] * 200


@pytest.mark.requirement("D30")
@pytest.mark.behaviour("F3", "T39")
async def test_a_stale_worker_reports_nothing_and_is_told(queue: Queue, other: Scripts) -> None:
    gauge, told = Gauge(), list[str]()

    @queue.task(lease=30)
    async def held() -> None:
        job = current_job()
        await job.progress(1)
        await gauge.pass_through()
        with contextlib.suppress(asyncio.CancelledError, LeaseLost):
            while True:
                await job.progress(2)
        with pytest.raises(LeaseLost) as refused:
            await job.progress(3)
        told.append(str(refused.value))
        with pytest.raises(LeaseLost):
            await job.log("of the stale one")

    async with Worker(queue, concurrency=1) as worker:
        job = await held.enqueue()
        await wait_until(lambda: gauge.now == 1, "the job to run")
        worker.pause()
        await steal(other, job.id)
        gauge.open()
        await wait_until(lambda: not worker.runs(), "the run to end")

    progress = await job.progress()
    assert progress is not None
    assert (progress.done, await job.logs()) == (1, [])
    assert len(told) == 1
    assert f"the lease of job {job.id} is lost" in told[0]


async def test_a_report_that_is_refused_is_no_error_of_the_event_loop(
    queue: Queue, other: Scripts, caplog: pytest.LogCaptureFixture
) -> None:
    gauge = Gauge()

    @queue.task(lease=30)
    async def report() -> None:
        await gauge.pass_through()
        await current_job().progress(1)

    async with Worker(queue, concurrency=1) as worker:
        job = await report.enqueue()
        await wait_until(lambda: gauge.now == 1, "the job to run")
        worker.pause()
        await steal(other, job.id)
        gauge.open()
        await wait_until(lambda: not worker.runs(), "the run to end")
    gc.collect()
    assert not [record for record in caplog.records if record.name == "asyncio"]


async def test_what_is_said_after_the_attempt_is_refused(queue: Queue) -> None:
    kept: list[JobContext] = []

    @queue.task
    async def leaky() -> None:
        kept.append(current_job())

    async with Worker(queue):
        job = await leaky.enqueue()
        await job.result(10)
        with pytest.raises(LeaseLost, match=f"the attempt of job {job.id} has ended"):
            await kept[0].progress(1)
        with pytest.raises(LeaseLost, match="has ended"):
            await kept[0].log("too late")

    assert (await job.progress(), await job.logs()) == (None, [])


@pytest.mark.behaviour("T62")
async def test_a_log_can_be_cleared_while_the_job_goes_on_with_it(
    queue: Queue, elsewhere: Queue
) -> None:
    gauge = Gauge()

    @queue.task
    async def talk() -> None:
        for number in range(300):
            await current_job().log(f"{number:0100}")
        await gauge.pass_through()
        await current_job().log("after")

    async with Worker(queue):
        job = await talk.enqueue()
        await wait_until(lambda: gauge.now == 1, "the job to have spoken")

        async def all_written() -> bool:
            return len(await job.logs()) == 300

        await wait_until(all_written, "the log to be written")
        assert [int(line.text) for line in await job.logs(last=2)] == [298, 299]
        assert [int(line.text) for line in reversed(await job.logs(last=3))] == [299, 298, 297]
        await elsewhere.job(job.id).clear_log(keep=250)
        assert [int(line.text) for line in await job.logs()] == list(range(50, 300))
        await elsewhere.job(job.id).clear_log(keep=1)
        gauge.open()
        await job.result(10)

    assert [line.text.lstrip("0") for line in await job.logs()] == ["299", "after"]
    await job.clear_log()
    await job.clear_log()
    assert await job.logs() == []
    for bad in (-1, 1.5):
        with pytest.raises(ConfigInvalid, match="keep must be a whole number from 0"):
            await job.clear_log(bad)  # type: ignore[arg-type]
    with pytest.raises(JobNotFound):
        await queue.job("x").clear_log()


@pytest.mark.behaviour("T62")
@pytest.mark.parametrize("note", [{"file": "a"}, "a text", True, None, 7, [1, "b"]], ids=repr)
async def test_a_note_of_any_plain_kind_comes_back(queue: Queue, note: object) -> None:
    @queue.task
    async def work() -> None:
        await current_job().progress(0.5, note=note)

    async with Worker(queue):
        job = await work.enqueue()
        await job.result(10)
    progress = await job.progress()

    assert progress is not None
    assert (progress.done, progress.total, progress.note) == (0.5, None, note)
    assert type(progress.note) is type(note)
    await job.remove()
    with pytest.raises(JobNotFound):
        await job.progress()


WRONG: list[tuple[Any, ...]] = [
    ("progress", ("half",), ArgumentsInvalid, "done must be a finite number, got 'half'"),
    ("progress", (True,), ArgumentsInvalid, "done must be a finite number, got True"),
    ("progress", (float("nan"),), ArgumentsInvalid, "got nan"),
    ("progress", (1, float("inf")), ArgumentsInvalid, "total must be a finite number, got inf"),
    ("progress", (10**400,), ArgumentsInvalid, "cannot be encoded"),
    ("progress", (1, 2, object()), ArgumentsInvalid, "values of type object cannot be sent"),
    ("progress", (1, 2, "x" * 5_000), PayloadTooLarge, "5.* bytes encoded, the limit is 4096"),
    ("log", (b"bytes",), ArgumentsInvalid, "log takes a text, got a bytes"),
]


@pytest.mark.parametrize(("method", "args", "kind", "text"), WRONG)
async def test_what_cannot_be_reported_is_refused(
    queue: Queue, method: str, args: tuple[Any, ...], kind: type[Exception], text: str
) -> None:
    @queue.task(attempts=1)
    async def wrong() -> None:
        with pytest.raises(kind, match=text):
            await getattr(current_job(), method)(*args)

    async with Worker(queue):
        job = await wrong.enqueue()
        await job.result(10)

    assert not await raw(queue, "EXISTS", queue.store.keys["extras"])


async def test_there_is_nothing_to_read_of_a_job_that_is_not_there(queue: Queue) -> None:
    for read in (queue.job("x").progress, queue.job("x").logs):
        with pytest.raises(JobNotFound, match=f"no record of job x in queue {queue.name}"):
            await read()
    with pytest.raises(ConfigInvalid, match="last must be a whole number from 0, got -1"):
        await queue.job("x").logs(last=-1)


@pytest.mark.behaviour("F25")
async def test_what_was_reported_goes_with_the_job(queue: Queue) -> None:
    @queue.task(keep_result=0)
    async def work() -> None:
        await current_job().progress(1)
        await current_job().log("x" * 9_000)
        await current_job().log("y")

    async def waits() -> bool:
        return bool(await raw(queue, "HLEN", queue.store.keys["waiters"]))

    job = await work.enqueue()
    # Nothing is left of it for whoever asks later.
    result = asyncio.create_task(job.result(10))
    await wait_until(waits, "the wait to be registered")
    async with Worker(queue):
        await result
        with pytest.raises(JobNotFound):
            await job.progress()

    assert not await raw(queue, "EXISTS", queue.store.keys["extras"])
