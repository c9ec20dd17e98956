"""What a task emits on its way: each event arrives, in its order, at whoever follows the job."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Any, cast

import pytest

from aiojobs_redis import (
    ArgumentsInvalid,
    ConfigInvalid,
    EmittedEvent,
    EncryptedCodec,
    Event,
    EventStream,
    Fixed,
    JobContext,
    JobFailed,
    LeaseLost,
    PayloadTooLarge,
    Queue,
    Worker,
    current_job,
    current_jobs,
)
from tests.support import process_tasks
from tests.support.gauge import Gauge
from tests.support.raw import raw
from tests.support.scripts import Scripts
from tests.support.stealing import steal
from tests.support.waiting import wait_until

ALL = "0-0"
LONG = 60.0
on_one_server = pytest.mark.parametrize("server_url", ["valkey"], indirect=True)


async def collect(stream: EventStream) -> list[Event]:
    """Return all events of a stream that ends."""
    async with asyncio.timeout(LONG):
        return [event async for event in stream]


def values(events: list[Event]) -> list[Any]:
    """Return the data of what was emitted."""
    return [event.data for event in events if isinstance(event, EmittedEvent)]


@pytest.mark.requirement("B12")
async def test_a_task_in_a_thread_emits_without_awaiting_and_waits_for_room(queue: Queue) -> None:
    @queue.task
    def stream(count: int) -> int:
        job = current_job()
        for number in range(count):
            _ = job.emit("number", number)
        return count

    async with Worker(queue):
        job = await stream.enqueue(1_300)
        assert values(await collect(job.events())) == list(range(1_300))
        assert await job.result(LONG) == 1_300


async def test_threads_of_a_task_lose_nothing(queue: Queue) -> None:
    @queue.task
    def stream() -> None:
        job = current_job()

        def emit(who: int) -> None:
            for number in range(300):
                _ = job.emit("number", (who, number))

        threads = [threading.Thread(target=emit, args=(who,)) for who in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    async with Worker(queue):
        job = await stream.enqueue()
        found = values(await collect(job.events()))
    for who in range(4):
        assert [number for one, number in found if one == who] == list(range(300))
    assert len(found) == 1_200


@pytest.mark.requirement("B12")
async def test_thousands_of_events_of_a_coroutine_arrive(queue: Queue) -> None:
    @queue.task
    async def stream() -> None:
        job = current_job()
        for number in range(3_000):
            await job.emit("number", number)

    async with Worker(queue):
        job = await stream.enqueue()
        assert values(await collect(job.events())) == list(range(3_000))


async def test_large_events_wait_for_room_too(queue: Queue) -> None:
    @queue.task
    async def stream() -> None:
        job = current_job()
        for number in range(100):
            await job.emit("number", (number, bytes(16_000)))

    async with Worker(queue):
        job = await stream.enqueue()
        found = values(await collect(job.events()))
    assert [number for number, _ in found] == list(range(100))


async def test_whoever_waits_for_nothing_is_refused_at_twice_the_bound(queue: Queue) -> None:
    taken = 0

    @queue.task(attempts=1)
    async def flood() -> None:
        nonlocal taken
        for number in range(2_000):
            _ = current_job().emit("number", number)
            taken += 1

    async with Worker(queue):
        job = await flood.enqueue()
        with pytest.raises(JobFailed, match=r"1000 events of job .* wait to be written"):
            await job.result(LONG)
        assert values(await collect(job.events())) == list(range(1_000))
    assert taken == 1_000


@pytest.mark.requirement("B12")
@on_one_server
@pytest.mark.parametrize("name", ["stream", "stream_later"])
async def test_a_job_in_a_process_emits_and_waits_for_room(queue: Queue, name: str) -> None:
    stream = queue.task(executor="process")(getattr(process_tasks, name))

    async with Worker(queue, processes=1):
        job = await stream.enqueue(1_200, 300)
        found = values(await collect(job.events()))
    assert [number for number, _ in found] == list(range(1_200))


async def test_the_jobs_of_a_batch_emit_each_its_own(queue: Queue) -> None:
    @queue.batch_task(size=3, wait=5)
    async def work(numbers: list[int]) -> list[int]:
        for job, number in zip(current_jobs(), numbers, strict=True):
            await job.emit("number", number)
        return numbers

    async with Worker(queue):
        jobs = await queue.enqueue_many([work.bind(number) for number in range(3)])
        found = [values(await collect(job.events())) for job in jobs]
    assert found == [[0], [1], [2]]


@pytest.mark.parametrize("ending", ["returns", "raises", "cancelled", "times out"])
async def test_the_last_events_arrive_however_the_attempt_ends(queue: Queue, ending: str) -> None:
    @queue.task(attempts=1, timeout=0.5 if ending == "times out" else 30)
    async def work() -> None:
        job = current_job()
        await job.emit("first")
        for number in range(20):
            _ = job.emit("last", number)
        if ending == "raises":
            raise ValueError("no")
        if ending != "returns":
            await asyncio.sleep(60)

    async with Worker(queue):
        job = await work.enqueue()
        if ending == "cancelled":
            async with asyncio.timeout(LONG):
                async for event in job.events():
                    if event.type == "emitted":
                        break
            await job.cancel()
        assert values(await collect(job.events())) == [None, *range(20)]


@pytest.mark.requirement("D30")
@pytest.mark.behaviour("F3", "T39")
async def test_a_stale_worker_emits_nothing_and_is_told(queue: Queue, other: Scripts) -> None:
    gauge, told = Gauge(), list[str]()

    @queue.task(lease=30)
    async def held() -> None:
        job = current_job()
        await job.emit("mine")
        await gauge.pass_through()
        with contextlib.suppress(asyncio.CancelledError, LeaseLost):
            while True:
                await job.emit("stale")
        with pytest.raises(LeaseLost) as refused:
            await job.emit("stale")
        told.append(str(refused.value))

    async with Worker(queue, concurrency=1) as worker:
        job = await held.enqueue()
        await wait_until(lambda: gauge.now == 1, "the job to run")
        worker.pause()
        await steal(other, job.id)
        gauge.open()
        await wait_until(lambda: not worker.runs(), "the run to end")

    events = await queue.recent_events(types=["emitted"])
    assert [cast("EmittedEvent", event).name for event in events] == ["mine"]
    assert len(told) == 1
    assert f"the lease of job {job.id} is lost" in told[0]


async def test_what_is_emitted_after_the_attempt_is_refused(queue: Queue) -> None:
    kept: list[JobContext] = []

    @queue.task
    async def leaky() -> None:
        kept.append(current_job())

    async with Worker(queue):
        await (await leaky.enqueue()).result(LONG)
        with pytest.raises(LeaseLost, match=r"has ended\. Nothing was written"):
            await kept[0].emit("late")


@pytest.mark.parametrize(
    ("name", "data", "error", "text"),
    [
        ("", None, ConfigInvalid, "a text of 1 to 256 bytes, got ''"),
        ("x", object(), ArgumentsInvalid, "event 'x' cannot be encoded"),
        ("x", bytes(20_000), PayloadTooLarge, "event 'x' takes 20003 bytes .* limit is 16384"),
    ],
)
async def test_what_a_task_cannot_emit_is_refused(
    queue: Queue, name: str, data: object, error: type[Exception], text: str
) -> None:
    @queue.task
    async def work() -> None:
        with pytest.raises(error, match=text):
            await current_job().emit(name, data)

    async with Worker(queue):
        job = await work.enqueue()
        await job.result(LONG)
        assert values(await collect(job.events())) == []
    assert not await raw(queue, "EXISTS", queue.store.keys["extras"])


async def test_whoever_claims_without_a_worker_cannot_emit(queue: Queue) -> None:
    told: list[str] = []

    def backoff(_: int, __: BaseException, job: JobContext) -> float:
        with pytest.raises(RuntimeError) as refused:
            _emit = job.emit("x")
        told.append(str(refused.value))
        return 1

    @queue.task(backoff=backoff)
    async def work() -> None: ...

    await work.enqueue()
    (lease,) = await queue.claim()
    await lease.fail(ValueError("no"))
    [text] = told
    assert text.startswith("there is no emit() here: the job was claimed without a worker")


async def test_the_log_and_the_events_of_a_job_go_side_by_side(queue: Queue) -> None:
    @queue.task(attempts=2, backoff=Fixed(0))
    async def work() -> None:
        job = current_job()
        for number in range(20):
            _ = job.log(f"line {job.attempt} {number}")
            await job.emit("event", (job.attempt, number))
            if number % 7 == 0:
                await job.save()
        if job.attempt == 1:
            raise ValueError("again")

    async with Worker(queue):
        job = await work.enqueue()
        await job.result(LONG)
        expected = [(attempt, number) for attempt in (1, 2) for number in range(20)]
        assert [tuple(pair) for pair in values(await collect(job.events()))] == expected
        lines = [line.text for line in await job.logs()]
        assert lines == [f"line {attempt} {number}" for attempt, number in expected]


@pytest.mark.requirement("S5")
async def test_what_a_job_emits_is_sealed_for_it(server_url: str, queue_name: str) -> None:
    codec = EncryptedCodec({"k": b"k" * 32}, current="k")
    async with Queue(queue_name, url=server_url, namespace="test", codec=codec) as queue:

        @queue.task
        async def work() -> None:
            await current_job().emit("secret", "canary")

        async with Worker(queue):
            job = await work.enqueue()
            assert values(await collect(job.events())) == ["canary"]
        stored = await raw(queue, "XRANGE", queue.store.keys["events"], "-", "+")
    assert b"canary" not in repr(stored).encode()
    assert b"secret" not in repr(stored).encode()
