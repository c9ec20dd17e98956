"""The clock of Redis is set: nothing is lost, and nothing waits longer than the step was."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

import pytest

from aiojobs_redis import JobState, Queue, Unique, Worker, current_job
from aiojobs_redis.duration import from_ms
from aiojobs_redis.schedule import Missed
from aiojobs_redis.worker import janitor
from tests.support import figures
from tests.support.other_clock import shift, shifted_scripts
from tests.support.servers import ServerProcess
from tests.support.tiers import SLACK, sizes
from tests.support.waiting import wait_until

LEASE = 2.0
SLOTS = 10
MINUTE = 60_000
DAY = 86_400


@pytest.fixture
async def queue(start_server: Callable[..., ServerProcess]) -> AsyncIterator[Queue]:
    """A queue whose clock `shift` moves."""
    url = start_server().url
    with shifted_scripts():
        queue = Queue("shifted", url=url, namespace="test")
        yield queue
        await queue.close()


@pytest.mark.behaviour("F33")
@sizes(ci={"step": 60, "jobs": 60, "rounds": 1}, whole={"step": 60, "jobs": 400, "rounds": 10})
async def test_a_step_of_the_servers_clock_costs_the_jobs_in_flight_at_most(
    queue: Queue, size: Mapping[str, Any]
) -> None:
    begun: Counter[str] = Counter()
    finished: Counter[str] = Counter()

    @queue.task(lease=LEASE, attempts=1, max_deliveries=100)
    async def nap() -> None:
        begun[current_job().id] += 1
        await asyncio.sleep(0.4)
        finished[current_job().id] += 1

    handles = []
    doubled = in_flight = 0
    stalls: list[float] = []
    async with AsyncExitStack() as stack:
        workers = [Worker(queue, concurrency=SLOTS) for _ in range(2)]
        for worker in workers:
            await stack.enter_async_context(worker)
        for number in range(size["rounds"] * 2):
            begun.clear()
            jobs = await queue.enqueue_many([nap.bind()] * (size["jobs"] // 2))
            handles += jobs
            await wait_until(lambda: len(begun) > SLOTS, "jobs to run", 20)
            running = len(begun) - len(finished.keys() & begun.keys())
            # Forward, then back to the true time.
            stepped = time.monotonic()
            await shift(queue, 0 if number % 2 else size["step"])
            probe = await nap.enqueue()
            handles.append(probe)
            await asyncio.gather(*(job.result(30) for job in [*jobs, probe]))
            stalls.append(time.monotonic() - stepped)
            again = sum(count - 1 for count in begun.values())
            assert again <= running + SLOTS, "what ran twice was in flight at the step"
            doubled, in_flight = doubled + again, in_flight + running

    infos = await queue.infos([job.id for job in handles])
    assert {info.state for info in infos} == {JobState.COMPLETED}
    assert (await queue.counts()).completed == len(handles)
    assert max(stalls) < size["step"], "no stall as long as the step"
    figures.record(
        "F33",
        n=len(handles),
        caused=doubled,
        recovery=stalls,
        tier=size["tier"],
        note=f"{size['rounds'] * 2} steps of {size['step']} s, {in_flight} jobs in flight then",
    )


@pytest.mark.behaviour("F33")
@sizes(ci={"step": 4}, whole={"step": 60})
async def test_a_clock_that_is_set_back_delays_by_the_step_at_most(
    queue: Queue, size: Mapping[str, Any]
) -> None:
    step, slack = size["step"], 1 + size["slack"]  # a beat, at which leases are looked at

    @queue.task(lease=LEASE)
    async def quick() -> float:
        return time.monotonic()

    await shift(queue, step)
    delayed = await quick.options(delay=1).enqueue()
    abandoned = await quick.enqueue()
    link = queue.store.server.link()
    exchange = ("a" * 32, 1, "b" * 32, "gone", 1, 1, 0, 0, 0)
    (claim,) = (await queue.store.exchange(link, exchange)).claims
    assert claim.id.decode() == abandoned.id
    began = time.monotonic()
    await shift(queue, 0)
    async with Worker(queue):
        at_once = await (await quick.enqueue()).result(5)
        later = [await delayed.result(step + 20), await abandoned.result(step + 20)]
    await link.close()

    assert at_once - began < slack, "less than the step"
    assert later[0] - began <= step + 1 + slack
    assert later[1] - began <= step + LEASE + slack
    figures.record("F33", n=3, recovery=[each - began for each in later], tier=size["tier"])


@pytest.mark.behaviour("F33")
async def test_a_lease_that_a_clock_left_far_ahead_is_cut_by_the_janitor(
    queue: Queue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(janitor, "_ROUND", 0.2)

    @queue.task(lease=LEASE)
    async def quick() -> float:
        return time.monotonic()

    await shift(queue, DAY)
    abandoned = await quick.enqueue()
    link = queue.store.server.link()
    exchange = ("a" * 32, 1, "b" * 32, "gone", 1, 1, 0, 0, 0)
    assert (await queue.store.exchange(link, exchange)).claims
    await link.close()
    await shift(queue, 0)
    began = time.monotonic()
    async with Worker(queue):
        spent = await abandoned.result(20) - began

    # A lease, a round, a beat.
    assert spent <= LEASE + 0.2 + 1 + SLACK["ci"]
    assert "1 leases of queue shifted were shortened" in caplog.text
    note = "a day back: the lease of a dead worker was cut to its length"
    figures.record("F33", n=1, caused=1, recovery=[spent], note=note)


@pytest.mark.behaviour("F33")
@pytest.mark.parametrize("task", ["paced", None])
async def test_the_window_of_a_limit_that_a_clock_left_far_ahead_begins_anew(
    queue: Queue, task: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(janitor, "_ROUND", 0.2)

    @queue.task
    async def paced() -> float:
        return time.monotonic()

    await queue.limit(rate=(1, 0.5), task=task)
    await shift(queue, MINUTE)
    async with Worker(queue):
        jobs = [await paced.enqueue() for _ in range(3)]
        await jobs[0].result(5)
        await shift(queue, 0)
        began = time.monotonic()
        opened = [await job.result(20) - began for job in jobs[1:]]

    # Two windows, a round.
    assert max(opened) <= 2 * 0.5 + 0.2 + SLACK["ci"]
    figures.record("F33", n=2, recovery=opened, note="windows of a limit, a minute back")


@pytest.mark.behaviour("F33")
@sizes(ci={"step": 4}, whole={"step": 60})
async def test_what_was_closed_for_a_while_is_so_for_the_step_longer_at_most(
    queue: Queue, size: Mapping[str, Any]
) -> None:
    step, once = size["step"], Unique("once", window=1)

    @queue.task
    async def quick() -> float:
        return time.monotonic()

    async def taken() -> bool:
        return (await quick.options(unique=once).enqueue()).created

    await shift(queue, step)
    assert await taken()
    await queue.limit_for(1, key="k")
    closed = await quick.options(key="k").enqueue()
    await shift(queue, 0)
    began = time.monotonic()
    async with Worker(queue):
        held = await closed.result(step + 20) - began
        await wait_until(taken, "the window of a unique key to be over", step + 20)
        kept_out = time.monotonic() - began

    # Redis knows until when, and not for how long it was to be.
    assert step < held <= step + 1 + size["slack"]
    assert step < kept_out <= step + 1 + size["slack"]
    note = "a key that was closed for a second, and the window of a unique one"
    figures.record("F33", n=2, recovery=[held, kept_out], tier=size["tier"], note=note)


@pytest.mark.behaviour("F36")
@pytest.mark.parametrize(
    ("missed", "expected"), [("last", [9]), ("all", list(range(10))), ("skip", [])]
)
async def test_ten_minutes_without_a_worker_are_made_up_for_as_asked(
    queue: Queue, missed: Missed, expected: list[int]
) -> None:
    found: list[int] = []

    @queue.task
    async def note() -> None:
        found.append(round(current_job().scheduled_for.timestamp() * 1000))

    now = await queue.planner().now()
    first = (now // MINUTE + 1) * MINUTE
    end = from_ms(first + 10 * MINUTE - 1)
    await queue.schedule("s", note.bind(), cron="* * * * *", missed=missed, end=end)
    await shift(queue, (first - now) / 1000 + 9.5 * 60)
    async with Worker(queue, concurrency=1):

        async def over() -> bool:
            (info,) = await queue.schedules()
            counts = await queue.counts()
            return info.next_at is None and counts.unfinished == 0

        await wait_until(over, "all ticks to be handled", 20)
    (info,) = await queue.schedules()

    assert found == [first + each * MINUTE for each in expected], "in order"
    assert (info.runs, info.missed) == (len(expected), 10 - len(expected))
    figures.record("F36", n=10, note=f"missed={missed!r}: {len(expected)} runs")


@pytest.mark.behaviour("F43")
@sizes(ci={"jobs": 500}, whole={"jobs": 20_000})
async def test_a_backlog_of_thirty_days_is_still_there(
    queue: Queue, size: Mapping[str, Any]
) -> None:
    ran: Counter[int] = Counter()

    @queue.task
    async def note(number: int) -> None:
        ran[number] += 1

    jobs = await queue.enqueue_many([note.bind(number) for number in range(size["jobs"])])
    mortal = await note.options(expires=3600).enqueue(-1)
    delayed = await note.options(delay=7 * DAY).enqueue(-2)
    await shift(queue, 30 * DAY)
    # The janitor goes over it as often as it would in that time.
    for _ in range(3):
        await queue.store.ask("sweep", 250, "0", "0", "0", "0", "0", 0)
    async with Worker(queue):
        await asyncio.gather(*(job.result(60) for job in [*jobs[-500:], delayed]))

        async def drained() -> bool:
            return not (await queue.counts()).unfinished

        await wait_until(drained, "the backlog to be done", 120)

    counts = await queue.counts()
    assert set(ran) == {*range(size["jobs"]), -2}
    assert await mortal.state() is JobState.DEAD
    (info,) = await queue.dead_letters()
    assert (info.id, counts.dead, counts.unfinished) == (mortal.id, 1, 0)
    assert "expired" in str(info.errors[-1])
    figures.record("F43", n=size["jobs"] + 2, tier=size["tier"], note="0 gone, 1 expired as asked")
