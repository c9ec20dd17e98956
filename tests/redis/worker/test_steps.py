"""A step that was recorded does not run again, whatever becomes of the attempt."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Any, cast

import pytest

from aiojobs_redis import (
    ArgumentsInvalid,
    ConfigInvalid,
    Fixed,
    JobFailed,
    LeaseLost,
    PayloadTooLarge,
    Queue,
    Worker,
    current_job,
)
from tests.support.gauge import Gauge
from tests.support.scripts import Scripts
from tests.support.stealing import steal
from tests.support.waiting import wait_until


@dataclass
class Receipt:
    order: int
    cents: int


@pytest.mark.behaviour("T63")
async def test_a_step_runs_once_over_all_attempts(queue: Queue) -> None:
    ran: Counter[str] = Counter()
    keys: set[str] = set()

    async def charge(order: int, *, cents: int) -> Receipt:
        ran["charge"] += 1
        return Receipt(order, cents)

    def pack(receipt: Receipt) -> list[str]:
        ran["pack"] += 1
        return ["in", "a", "box"]

    async def ship() -> str:
        ran["ship"] += 1
        if ran["ship"] < 3:
            raise ConnectionError("the carrier is away")
        return "sent"

    @queue.task(attempts=5, backoff=Fixed(0))
    async def fulfil(order: int) -> list[Any]:
        job = current_job()
        keys.add(job.idempotency_key("charge"))
        receipt = await job.step("charge", charge, order, cents=5)
        assert receipt == Receipt(order, 5), "of its type, recorded or not"
        packed = await job.step("pack", pack, receipt)
        return [receipt.cents, packed, await job.step("ship", ship)]

    async with Worker(queue):
        job = await fulfil.enqueue(7)
        assert await job.result(10) == [5, ["in", "a", "box"], "sent"]

    assert ran == {"charge": 1, "pack": 1, "ship": 3}
    assert keys == {f"{job.id}:1:charge"}
    assert await job.steps() == {
        **{"charge": {"order": 7, "cents": 5}, "pack": ["in", "a", "box"], "ship": "sent"}
    }


@pytest.mark.behaviour("T63")
async def test_a_step_does_not_run_again_after_a_crash(queue: Queue, other: Scripts) -> None:
    gauge = Gauge()
    ran = 0

    async def charge() -> int:
        nonlocal ran
        ran += 1
        return ran

    @queue.task(lease=2)
    async def work() -> int:
        value = await current_job().step("charge", charge)
        await gauge.pass_through()
        return value

    async with Worker(queue, concurrency=1) as worker:
        job = await work.enqueue()
        await wait_until(lambda: gauge.now == 1, "the job to run")
        assert await job.steps() == {"charge": 1}, "seen while it runs"
        worker.pause()
        await steal(other, job.id)
        await wait_until(lambda: not worker.runs(), "the stale run to end", timeout=15)
        gauge.open()
        await other.expire_lease(job.id)
        worker.resume()
        assert await job.result(15) == 1

    assert ran == 1


@pytest.mark.requirement("D30")
@pytest.mark.behaviour("F3", "T39")
async def test_a_stale_worker_records_no_step(queue: Queue, other: Scripts) -> None:
    gauge, told = Gauge(), list[str]()

    async def charge() -> str:
        await gauge.pass_through()
        return "charged"

    @queue.task(lease=2)
    async def work() -> None:
        try:
            await current_job().step("charge", charge)
        except (LeaseLost, asyncio.CancelledError) as error:
            told.append(type(error).__name__)
            with pytest.raises(LeaseLost):
                await current_job().step("next", charge)

    async with Worker(queue, concurrency=1) as worker:
        job = await work.enqueue()
        await wait_until(lambda: gauge.now == 1, "the step to run")
        worker.pause()
        await steal(other, job.id)
        gauge.open()
        await wait_until(lambda: not worker.runs(), "the run to end")

    assert len(told) == 1
    assert await job.steps() == {}


@pytest.mark.behaviour("T63")
async def test_a_replay_goes_on_after_the_steps_unless_the_job_completed(queue: Queue) -> None:
    ran: list[str] = []

    async def note(text: str) -> None:
        ran.append(text)

    @queue.task(attempts=1)
    async def work() -> str:
        job = current_job()
        await job.step("first", note, f"first {job.generation}")
        if job.generation == 1:
            raise ValueError("before the second")
        await job.step("second", note, f"second {job.generation}")
        return job.idempotency_key("first")

    async with Worker(queue):
        job = await work.enqueue()
        with pytest.raises(JobFailed):
            await job.result(10)
        await job.retry()
        assert await job.result(10) == f"{job.id}:1:first"
        assert ran == ["first 1", "second 2"]
        await job.retry()
        assert await job.result(10) == f"{job.id}:3:first", "it starts anew"
        await job.retry()
        assert await job.result(10) == f"{job.id}:4:first"

    assert ran[2:] == ["first 3", "second 3", "first 4", "second 4"]


async def test_steps_may_run_side_by_side(queue: Queue) -> None:
    async def double(number: int) -> int:
        await asyncio.sleep(0)
        return number * 2

    @queue.task(attempts=2, backoff=Fixed(0))
    async def work() -> list[int]:
        job = current_job()
        found = await asyncio.gather(*[job.step(f"n{n}", double, n) for n in range(50)])
        if job.attempt == 1:
            raise ValueError("again")
        return found

    async with Worker(queue):
        job = await work.enqueue()
        assert await job.result(10) == [2 * number for number in range(50)]

    assert len(await job.steps()) == 50


async def refused(queue: Queue, name: Any, kind: type[Exception], text: str) -> None:
    """Run a job whose step is to be refused."""

    async def nothing() -> None: ...

    @queue.task(attempts=1)
    async def work() -> None:
        await current_job().step("used", nothing)
        with pytest.raises(kind, match=text):
            await current_job().step(name, nothing)

    async with Worker(queue):
        job = await work.enqueue()
        await job.result(10)

    assert await job.steps() == {"used": None}


@pytest.mark.parametrize("name", ["", 7, "x" * 257, None])
async def test_a_name_that_is_none_is_refused(queue: Queue, name: Any) -> None:
    await refused(queue, name, ConfigInvalid, "the name of a step is a text of 1 to 256 bytes, got")


async def test_a_name_that_was_used_is_refused(queue: Queue) -> None:
    await refused(queue, "used", ConfigInvalid, "step 'used' was reached already in this attempt")


async def test_a_job_has_a_thousand_steps_at_most(queue: Queue) -> None:
    async def nothing() -> None: ...

    @queue.task(attempts=1)
    async def work() -> None:
        job = current_job()
        await asyncio.gather(*[job.step(f"{number}", nothing) for number in range(1_000)])
        with pytest.raises(ConfigInvalid, match="has 1000 steps, the most that one may have"):
            await job.step("one more", nothing)

    async with Worker(queue):
        job = await work.enqueue()
        await job.result(20)

    assert len(await job.steps()) == 1_000


async def test_results_that_are_too_large_together_are_refused(queue: Queue) -> None:
    async def large(size: int) -> bytes:
        return b"x" * size

    @queue.task(attempts=1)
    async def work() -> None:
        job = current_job()
        await job.step("first", large, 600_000)
        with pytest.raises(PayloadTooLarge, match=r"its record of 6\d+ bytes is not kept: with 6"):
            await job.step("second", large, 600_000)
        assert await job.step("third", large, 10) == b"x" * 10

    async with Worker(queue):
        job = await work.enqueue()
        await job.result(20)

    assert list(await job.steps()) == ["first", "third"]


async def test_a_result_that_cannot_be_recorded_is_refused(queue: Queue) -> None:
    async def returns_nothing_to_send() -> object:
        return object()

    async def returns_another_type() -> int:
        return cast("int", "text")

    @queue.task(attempts=1)
    async def work() -> None:
        job = current_job()
        with pytest.raises(ArgumentsInvalid, match="has run, but what it returned cannot be"):
            await job.step("object", returns_nothing_to_send)
        with pytest.raises(ArgumentsInvalid, match="cannot be recorded as int"):
            await job.step("text", returns_another_type)

    async with Worker(queue):
        job = await work.enqueue()
        await job.result(10)

    assert await job.steps() == {}


async def test_a_step_with_a_result_of_no_type_does_not_run(queue: Queue) -> None:
    ran: list[int] = []

    def charge(order: int) -> Receipt:
        ran.append(order)
        return Receipt(order, 1)

    # As with an import that only type checkers see.
    charge.__annotations__["return"] = "Elsewhere"

    @queue.task(attempts=2, backoff=Fixed(0))
    async def work() -> None:
        job = current_job()
        with pytest.raises(ConfigInvalid, match="Elsewhere is not defined at run time"):
            await job.once("charge", charge, 1)
        await job.step("charge", charge, 2)

    async with Worker(queue):
        job = await work.enqueue()
        with pytest.raises(JobFailed, match=r"outside 'if TYPE_CHECKING'\. See"):
            await job.result(10)
    assert ran == []


async def test_a_record_that_no_longer_fits_says_so(queue: Queue) -> None:
    async def first() -> str:
        return "text"

    async def second() -> int:
        return 1

    @queue.task(attempts=2, backoff=Fixed(0))
    async def work() -> None:
        job = current_job()
        await job.step("a", first if job.attempt == 1 else second)
        raise ValueError("again")

    async with Worker(queue):
        job = await work.enqueue()
        with pytest.raises(JobFailed, match=r"step 'a' of job \S+ has recorded what is no int"):
            await job.result(10)
