"""A call that is made once over all jobs: its result is shared, and its owner's death frees it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, cast

import pytest

from aiojobs_redis import (
    ArgumentsInvalid,
    ConfigInvalid,
    EncryptedCodec,
    Fixed,
    JobCancelled,
    JobFailed,
    JobState,
    LeaseLost,
    Once,
    PayloadTooLarge,
    Queue,
    Worker,
    current_job,
)
from tests.support.gauge import Gauge
from tests.support.proxy import Proxy, runs_script
from tests.support.raw import raw
from tests.support.scripts import Scripts
from tests.support.stealing import steal
from tests.support.waiting import wait_until


@dataclass
class Token:
    text: str


@pytest.mark.requirement("D20")
async def test_fifty_callers_make_one_call_and_get_one_result(queue: Queue) -> None:
    gauge = Gauge()
    made = 0

    async def log_in(user: str, *, realm: str) -> Token:
        nonlocal made
        made += 1
        await gauge.pass_through()
        return Token(f"{user}@{realm}")

    @queue.task
    async def call(number: int) -> str:
        token = await current_job().once("log in", log_in, "ada", realm="x")
        return token.text

    jobs = await queue.enqueue_many([call.bind(number) for number in range(50)])
    async with Worker(queue, concurrency=50):
        await wait_until(lambda: gauge.now == 1, "the call to be made")
        assert (await queue.counts()).running > 1
        gauge.open()
        results = [await job.result(20) for job in jobs]

    assert made == 1
    assert results == ["ada@x"] * 50


@pytest.mark.requirement("D20")
async def test_the_death_of_the_owner_lets_the_next_one_make_the_call(
    queue: Queue, other: Scripts
) -> None:
    gauge = Gauge()

    async def effect() -> str:
        await gauge.pass_through()
        return "done"

    @queue.task(lease=2)
    async def call(number: int) -> str:
        return await current_job().once("effect", effect)

    first = await call.enqueue(1)
    worker = Worker(queue, concurrency=1)
    async with worker:
        await wait_until(lambda: gauge.now == 1, "the owner to be at work")
        worker.pause()
        second = await call.enqueue(2)
        await steal(other, first.id)
        await wait_until(lambda: not worker.runs(), "the stale run to end", timeout=15)
        gauge.open()
        worker.resume()
        assert await second.result(15) == "done"

    assert gauge.entered == 2


@pytest.mark.requirement("D20")
async def test_a_call_that_raises_is_made_by_the_next_one(queue: Queue) -> None:
    gauge = Gauge()

    async def effect(number: int) -> int:
        await gauge.pass_through()
        if gauge.entered == 1:
            raise ConnectionError("away")
        return number

    @queue.task(attempts=1)
    async def call(number: int) -> int:
        return await current_job().once("effect", effect, number)

    async with Worker(queue, concurrency=5):
        jobs = await queue.enqueue_many([call.bind(number) for number in range(5)])
        await wait_until(lambda: gauge.now == 1, "the first to make the call")
        gauge.open()
        found: list[Any] = []
        for job in jobs:
            try:
                found.append(await job.result(20))
            except JobFailed as failed:
                found.append(failed.error_type)

    assert gauge.entered == 2
    assert found.count("ConnectionError") == 1
    assert len(set(found)) == 2, "the others share one result"


@pytest.mark.requirement("D20")
async def test_a_call_that_is_left_in_the_middle_is_made_by_the_next_one(queue: Queue) -> None:
    begun, over = asyncio.Event(), asyncio.Event()

    async def endless() -> str:
        begun.set()
        await asyncio.Event().wait()
        return "never"

    async def quick() -> str:
        return "quick"

    @queue.task
    async def first() -> str:
        try:
            async with asyncio.timeout(0.1):
                return await current_job().once("effect", endless)
        except TimeoutError:
            await over.wait()
            return "went on without"

    @queue.task
    async def second() -> str:
        return await current_job().once("effect", quick)

    async with Worker(queue):
        leaves = await first.enqueue()
        await asyncio.wait_for(begun.wait(), 10)
        assert await (await second.enqueue()).result(10) == "quick"
        assert await leaves.state() is JobState.RUNNING
        over.set()
        assert await leaves.result(10) == "went on without"


@pytest.mark.parametrize("cancelled", [1, 2])
async def test_a_call_that_was_left_is_made_again_by_the_same_job(
    far_queue: Queue, proxy: Proxy, cancelled: int
) -> None:
    """The end of the first call, on its way for long, does not free the second one."""
    freeing, go_on = asyncio.Event(), asyncio.Event()
    made: list[int] = []
    asked: list[bytes] = []

    async def hold(words: list[bytes]) -> None:
        if runs_script("take_once")(words):
            asked.append(b"take")
        if runs_script("end_once")(words):
            freeing.set()
            await go_on.wait()
            asked.append(b"end")

    async def effect(number: int) -> int:
        made.append(number)
        if number == 1:
            await asyncio.Event().wait()
        return number

    @far_queue.task
    async def work() -> int:
        call = asyncio.create_task(current_job().once("effect", effect, 1))
        await wait_until(lambda: made, "the call to be made")
        call.cancel()
        await freeing.wait()
        if cancelled == 2:
            call.cancel()
            await asyncio.wait({call})
        again = asyncio.create_task(current_job().once("effect", effect, 2))
        # Were it asked for by now, it would have been before this is answered.
        await far_queue.counts()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await call
        return await again

    proxy.before = hold
    async with Worker(far_queue):
        assert await (await work.enqueue()).result(20) == 2

    assert made == [1, 2]
    assert asked == [b"take", b"end", b"take", b"end"]


async def test_a_call_that_is_left_while_it_is_recorded_is_not_made_again(
    far_queue: Queue, proxy: Proxy
) -> None:
    recording, go_on, over = asyncio.Event(), asyncio.Event(), asyncio.Event()
    made: list[str] = []

    async def hold(words: list[bytes]) -> None:
        if runs_script("end_once")(words):
            recording.set()
            await go_on.wait()

    def effect(by: str) -> str:
        made.append(by)
        return by

    @far_queue.task
    async def leaves() -> str:
        call = asyncio.create_task(current_job().once("effect", effect, "first"))
        await recording.wait()
        call.cancel()
        await asyncio.wait({call})
        assert call.cancelled()
        again = asyncio.create_task(current_job().once("effect", effect, "again"))
        await far_queue.counts()
        go_on.set()
        found = await again
        await over.wait()
        return found

    @far_queue.task
    async def other() -> str:
        return await current_job().once("effect", effect, "other")

    proxy.before = hold
    async with Worker(far_queue):
        first = await leaves.enqueue()
        await asyncio.wait_for(recording.wait(), 10)
        assert await (await other.enqueue()).result(10) == "first"
        over.set()
        assert await first.result(10) == "first"

    assert made == ["first"]


async def test_an_attempt_that_is_to_end_spends_no_call_on_what_its_end_frees(
    far_queue: Queue, proxy: Proxy
) -> None:
    begun = asyncio.Event()
    ended: list[bytes] = []

    async def note(words: list[bytes]) -> None:
        if runs_script("end_once")(words):
            ended.append(words[0])

    async def endless() -> None:
        begun.set()
        await asyncio.Event().wait()

    @far_queue.task
    async def work() -> None:
        await current_job().once("effect", endless)

    @far_queue.task
    async def after() -> str:
        return await current_job().once("effect", str)

    proxy.before = note
    async with Worker(far_queue):
        job = await work.enqueue()
        await asyncio.wait_for(begun.wait(), 10)
        assert await job.cancel()
        with pytest.raises(JobCancelled):
            await job.result(20)
        assert ended == []
        assert await (await after.enqueue()).result(20) == ""


async def test_the_result_is_there_for_the_next_attempt_and_for_later_jobs(queue: Queue) -> None:
    made: list[int] = []

    @queue.task(attempts=2, backoff=Fixed(0))
    async def call(number: int) -> int:
        def effect() -> int:
            made.append(number)
            return number

        job = current_job()
        value = await job.once(Once(f"effect {number}", keep=3600), effect)
        again = await job.once(f"effect {number}", effect)
        if job.attempt == 1:
            raise ValueError("again")
        return value + again

    async with Worker(queue):
        for _ in range(2):
            job = await call.enqueue(4)
            assert await job.result(10) == 8

    assert made == [4]


async def test_a_result_is_kept_for_its_time_only(queue: Queue) -> None:
    made = 0

    @queue.task
    async def call() -> int:
        def effect() -> int:
            nonlocal made
            made += 1
            return made

        return await current_job().once(Once("k", keep=0.05), effect)

    async with Worker(queue):
        assert await (await call.enqueue()).result(10) == 1

        async def made_again() -> bool:
            return await (await call.enqueue()).result(10) > 1

        await wait_until(made_again, "the result to be forgotten")


async def test_two_calls_in_one_job_are_one(queue: Queue) -> None:
    gauge = Gauge()

    async def effect() -> int:
        gauge.open()
        await gauge.pass_through()
        return gauge.entered

    @queue.task
    async def call() -> list[int]:
        job = current_job()
        return list(await asyncio.gather(*[job.once("k", effect) for _ in range(5)]))

    async with Worker(queue):
        assert await (await call.enqueue()).result(10) == [1] * 5


async def test_a_call_inside_itself_is_refused(queue: Queue) -> None:
    async def outer() -> str:
        await current_job().once("other", lambda: 1)
        return await current_job().once("k", lambda: "never")

    @queue.task(attempts=1)
    async def call() -> str:
        return await current_job().once("k", outer)

    async with Worker(queue):
        with pytest.raises(JobFailed, match="is called inside itself in job"):
            await (await call.enqueue()).result(10)
        with pytest.raises(JobFailed, match="is called inside itself"):
            await (await call.enqueue()).result(10)


@pytest.mark.requirement("D30")
@pytest.mark.behaviour("F3", "T39")
async def test_a_stale_owner_records_nothing(queue: Queue, other: Scripts) -> None:
    gauge, told = Gauge(), list[str]()

    async def effect() -> str:
        await gauge.pass_through()
        return "of the stale one"

    @queue.task(lease=30)
    async def call() -> None:
        try:
            await current_job().once("k", effect)
        except (LeaseLost, asyncio.CancelledError) as error:
            told.append(type(error).__name__)

    async with Worker(queue, concurrency=1) as worker:
        job = await call.enqueue()
        await wait_until(lambda: gauge.now == 1, "the call to be made")
        worker.pause()
        await steal(other, job.id)
        gauge.open()
        await wait_until(lambda: not worker.runs(), "the run to end")

    assert told
    record = await raw(queue, "HGET", queue.store.keys["once"], "k")
    assert record.startswith(b"o,"), "nothing but that it was taken"


WRONG: list[tuple[Any, type[Exception], str]] = [
    ("", ConfigInvalid, "the key of once must be a text of 1 to 256 bytes, got ''"),
    ("x" * 257, ConfigInvalid, "1 to 256 bytes"),
    ("\ud800", ConfigInvalid, "1 to 256 bytes"),
    (7, ConfigInvalid, "got 7"),
]


@pytest.mark.parametrize(("key", "kind", "text"), WRONG)
async def test_a_key_that_is_none_is_refused(
    queue: Queue, key: Any, kind: type[Exception], text: str
) -> None:
    @queue.task(attempts=1)
    async def call() -> None:
        with pytest.raises(kind, match=text):
            await current_job().once(key, lambda: 1)

    async with Worker(queue):
        await (await call.enqueue()).result(10)


def test_a_time_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigInvalid, match="keep of Once must be from"):
        Once("k", keep=0)


async def test_a_result_that_cannot_be_kept_is_refused_and_frees_the_call(queue: Queue) -> None:
    def wrong() -> int:
        return cast("int", "text")

    @queue.task(attempts=1)
    async def call() -> int:
        job = current_job()
        with pytest.raises(ArgumentsInvalid, match=r"once\('k'\) has run, but what it returned"):
            await job.once("k", wrong)
        with pytest.raises(PayloadTooLarge, match=r"once\('k'\) has run, but its result of 1100"):
            await job.once("k", lambda: b"x" * 1_100_000)
        return await job.once("k", lambda: 5)

    async with Worker(queue):
        assert await (await call.enqueue()).result(10) == 5


@pytest.mark.requirement("S5")
async def test_with_a_codec_the_result_is_sealed(server_url: str, queue_name: str) -> None:
    codec = EncryptedCodec({"k": b"k" * 32}, current="k")
    queue = Queue(queue_name, url=server_url, namespace="test", codec=codec)

    @queue.task(attempts=1)
    async def call() -> str:
        return await current_job().once("k", lambda: "canary-77ab")

    async with Worker(queue):
        for _ in range(2):
            assert await (await call.enqueue()).result(10) == "canary-77ab"
        record = await raw(queue, "HGET", queue.store.keys["once"], "k")
        assert b"canary" not in record
        await raw(
            queue, "HSET", queue.store.keys["once"], "k", record[:-1] + bytes([record[-1] ^ 1])
        )
        with pytest.raises(JobFailed, match="the stored once of k in queue"):
            await (await call.enqueue()).result(10)
    await queue.close()
