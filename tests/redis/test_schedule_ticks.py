"""Exactly one job a tick: with many workers, over downtime, through failures and lost leaders."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

import pytest

from aiojobs_redis import Fixed, JobState, Queue, Transition, Worker, current_job
from aiojobs_redis.duration import from_ms
from aiojobs_redis.schedule import Missed
from tests.support.ticks import Ticks
from tests.support.waiting import wait_until

MINUTE = 60_000


@pytest.fixture
def ticks(queue: Queue, redis_client: Any) -> Ticks:
    return Ticks(queue, redis_client)


@pytest.fixture
def runs(queue: Queue) -> list[int]:
    """Ticks in ms for which the task `note` has run, in the order of its runs."""
    found: list[int] = []

    @queue.task
    async def note() -> None:
        found.append(round(current_job().scheduled_for.timestamp() * 1000))

    return found


def note(queue: Queue) -> Any:
    return queue.tasks["note"].bind()


async def minutes_ago(ticks: Ticks, minutes: int, **fields: Any) -> list[int]:
    """Schedule one tick a minute, of which so many were late when nobody was there; the ticks."""
    start = await ticks.now() - minutes * MINUTE + MINUTE // 2
    await ticks.queue.schedule("s", note(ticks.queue), every=60, start=from_ms(start), **fields)
    await ticks.set("s", start)
    return [start + each * MINUTE for each in range(minutes)]


@pytest.mark.requirement("D15")
@pytest.mark.behaviour("T51")
async def test_ten_racing_workers_make_one_job_a_tick(
    queue: Queue, ticks: Ticks, runs: list[int]
) -> None:
    wanted = await minutes_ago(ticks, 100, missed="all", missed_window=7200)
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(10):
            await stack.enter_async_context(Worker(queue, concurrency=3))
        await ticks.handled("s", 100)
        await wait_until(lambda: len(runs) >= 100, "all ticks to run", 20)

    assert sorted(runs) == wanted
    assert (await queue.counts()).completed == 100


@pytest.mark.requirement("D15")
@pytest.mark.requirement("P16")
async def test_five_schedulers_that_fire_by_hand_make_one_job_a_tick(
    ticks: Ticks, runs: list[int]
) -> None:
    wanted = await minutes_ago(ticks, 250, missed="all", missed_window=5 * 3600)
    made = await asyncio.gather(*(ticks.fire() for _ in range(5)))
    flat = [count for one in made for count in one]

    assert sorted(count for count in flat if count > 0) == [50, 100, 100]
    assert sorted(job.id for job in await ticks.jobs()) == sorted(f"s:{tick}" for tick in wanted)
    assert (await ticks.info("s")).runs == 250


@pytest.mark.requirement("D15")
@pytest.mark.behaviour("F36")
@pytest.mark.parametrize(
    ("missed", "fields", "made", "given_up"),
    [
        ("last", {}, [59], 59),
        ("all", {}, list(range(60)), 0),
        ("skip", {}, [], 60),
        ("all", {"missed_window": 600}, list(range(50, 60)), 50),
        ("last", {"missed_window": 10}, [], 60),
        ("all", {"limit": 5}, list(range(5)), None),
    ],
)
async def test_an_hour_of_downtime_is_made_up_for_as_asked(
    queue: Queue,
    ticks: Ticks,
    runs: list[int],
    missed: Missed,
    fields: dict[str, Any],
    made: list[int],
    given_up: int | None,
) -> None:
    late = await minutes_ago(ticks, 60, missed=missed, **fields)
    async with Worker(queue):
        if given_up is None:
            await wait_until(lambda: len(runs) >= len(made), "the jobs to run", 20)
            given_up = (await ticks.info("s")).missed
        await ticks.handled("s", len(made), given_up)
        await wait_until(lambda: len(runs) >= len(made), "the jobs to run", 20)
    info = await ticks.info("s")

    assert sorted(runs) == [late[each] for each in made]
    assert info.last_at == (from_ms(late[made[-1]]) if made else None)
    assert info.next_at == (from_ms(late[-1] + MINUTE) if "limit" not in fields else None)


@pytest.mark.requirement("D15")
async def test_restarts_of_the_worker_neither_lose_nor_double_a_tick(
    queue: Queue, ticks: Ticks, runs: list[int]
) -> None:
    await queue.schedule("s", note(queue), every=3600)
    wanted = []
    for number in range(3):
        wanted.append(await ticks.make_due("s"))
        async with Worker(queue):
            await ticks.handled("s", number + 1)
            await wait_until(lambda: len(runs) > number, "the tick to run", 10)  # noqa: B023

    assert runs == wanted


@pytest.mark.requirement("B15")
async def test_an_interval_ticks_on_its_grid_without_drift(
    queue: Queue, ticks: Ticks, runs: list[int]
) -> None:
    late: list[float] = []

    @queue.task
    async def measure() -> None:
        late.append(time.time() - current_job().scheduled_for.timestamp())
        runs.append(round(current_job().scheduled_for.timestamp() * 1000))

    async with Worker(queue):
        await queue.schedule("s", measure.bind(), every=1)
        stored = await queue.planner().get("s")
        await wait_until(lambda: len(runs) >= 2, "two ticks", 20)

    assert stored is not None
    assert runs[:2] == [stored.anchor + 1000, stored.anchor + 2000]
    assert 0 <= min(late) < 0.5
    assert max(late) < 5


@pytest.mark.requirement("B16")
async def test_a_cron_expression_with_seconds_ticks_on_them(queue: Queue, runs: list[int]) -> None:
    async with Worker(queue):
        await queue.schedule("s", note(queue), cron="* * * * * *")
        await wait_until(lambda: len(runs) >= 2, "two ticks", 20)

    assert runs[0] % 1000 == 0
    assert runs[1] == runs[0] + 1000


async def test_an_idle_worker_is_rung_for_a_tick_earlier_than_all_others(
    queue: Queue, ticks: Ticks, runs: list[int]
) -> None:
    await queue.schedule("far", note(queue), every=3600)
    async with Worker(queue):
        await wait_until(lambda: queue_leads(ticks), "the worker to lead", 10)
        await queue.schedule("near", note(queue), every=3600)
        tick = await ticks.make_due("near")
        await wait_until(lambda: runs, "the tick to run", 10)

    assert runs == [tick]


async def queue_leads(ticks: Ticks) -> bool:
    return bool(await ticks.raw.hexists(ticks.queue.store.keys["meta"], "leader"))


@pytest.mark.requirement("P16")
async def test_ticks_go_on_within_the_lease_of_a_dead_leader(
    queue: Queue, ticks: Ticks, runs: list[int]
) -> None:
    await queue.schedule("s", note(queue), every=3600)
    meta = queue.store.keys["meta"]
    until = await ticks.now() + 3000
    await ticks.raw.hset(meta, mapping={"leader": "d" * 32, "leader_until": until})
    tick = await ticks.make_due("s")
    async with Worker(queue):
        await wait_until(lambda: runs, "the tick to run", 10)
        took_over = await ticks.now()

    assert runs == [tick]
    assert took_over >= until


@pytest.mark.requirement("P16")
async def test_a_leader_that_stops_hands_over_at_once(
    queue: Queue, ticks: Ticks, runs: list[int]
) -> None:
    await queue.schedule("s", note(queue), every=3600)
    async with Worker(queue):
        await wait_until(lambda: queue_leads(ticks), "the first to lead", 10)
        async with Worker(queue):
            first = await ticks.raw.hget(queue.store.keys["meta"], "leader")
        tick = await ticks.make_due("s")
        await wait_until(lambda: runs, "the tick to run", 10)

    assert first is not None
    assert runs == [tick]


@pytest.mark.behaviour("T49")
async def test_a_failing_job_neither_stops_the_schedule_nor_adds_a_tick(
    queue: Queue, ticks: Ticks
) -> None:
    attempts: list[tuple[int, str]] = []

    @queue.task(attempts=2, backoff=Fixed(0.01))
    async def fails() -> None:
        attempts.append((current_job().attempt, current_job().id))
        raise ValueError("always")

    await queue.schedule("s", fails.bind(), every=3600)
    wanted = []
    async with Worker(queue):
        for number in (1, 2):
            tick = await ticks.make_due("s")
            wanted += [(1, f"s:{tick}"), (2, f"s:{tick}")]
            job = queue.job(f"s:{tick}")
            await ticks.handled("s", number)

            async def dead(job: Any = job) -> bool:
                return await job.state() is JobState.DEAD

            await wait_until(dead, "the job to be dead", 10)

    assert attempts == wanted
    assert (await ticks.info("s")).runs == 2


@pytest.mark.behaviour("T49")
async def test_a_job_whose_lease_ran_out_adds_no_tick(
    queue: Queue, ticks: Ticks, runs: list[int]
) -> None:
    await queue.schedule("s", note(queue), every=3600)
    tick = await ticks.make_due("s")
    await ticks.fire()
    link = queue.store.server.link()
    args = ("a" * 32, 1, "b" * 32, "gone", 1, 1, 0, 0, 0)
    (claim,) = (await queue.store.exchange(link, args)).claims
    link.abort()
    await ticks.raw.zadd(queue.store.keys["leases"], {claim.id: await ticks.now() - 1})
    async with Worker(queue):
        await wait_until(lambda: runs, "the job to run again", 15)

    assert runs == [tick]
    assert [job.lost_deliveries for job in await ticks.jobs()] == [1]
    assert (await ticks.info("s")).runs == 1


@pytest.mark.behaviour("F39")
async def test_a_tick_counts_as_missed_while_the_last_job_is_unfinished(
    queue: Queue, ticks: Ticks
) -> None:
    started, goes_on = asyncio.Event(), asyncio.Event()

    @queue.task
    async def long() -> None:
        started.set()
        await goes_on.wait()

    await queue.schedule("s", long.bind(), every=3600, overlap="skip")
    async with Worker(queue):
        first = await ticks.make_due("s")
        await asyncio.wait_for(started.wait(), 10)
        await ticks.make_due("s")
        await ticks.handled("s", 1, 1)
        await queue.schedule("s", long.bind(), every=7200, overlap="skip")
        await ticks.make_due("s")
        await ticks.handled("s", 0, 1)
        goes_on.set()
        await queue.job(f"s:{first}").result(10)
        last = await ticks.make_due("s")
        await ticks.handled("s", 1, 1)
        await queue.job(f"s:{last}").result(10)

    assert sorted(job.id for job in await ticks.jobs()) == sorted([f"s:{first}", f"s:{last}"])


async def test_a_paused_queue_collects_the_jobs_of_its_ticks(
    queue: Queue, ticks: Ticks, runs: list[int]
) -> None:
    await queue.schedule("s", note(queue), every=3600)
    await queue.pause()
    async with Worker(queue):
        tick = await ticks.make_due("s")
        await ticks.handled("s", 1)
        waiting = (await queue.counts()).queued
        before = list(runs)
        await queue.resume()
        await wait_until(lambda: runs, "the job to run", 10)

    assert (before, waiting) == ([], 1)
    assert runs == [tick]


@pytest.mark.behaviour("T51")
@pytest.mark.parametrize("skew", [-86_400.0, 86_400.0])
async def test_the_workers_clock_decides_nothing(
    real_queue: Queue, real_url: str, monkeypatch: pytest.MonkeyPatch, skew: float
) -> None:
    found: list[str] = []

    @real_queue.task
    async def note() -> None:
        found.append(current_job().id)

    seconds, nanos = time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: seconds() + skew)
    monkeypatch.setattr(time, "time_ns", lambda: nanos() + int(skew) * 10**9)
    planner = real_queue.planner()
    now = await planner.now()
    await real_queue.schedule("s", note.bind(), every=1, end=from_ms(now + 3_600_000))
    stored = await planner.get("s")
    async with Worker(real_queue):
        await wait_until(lambda: len(found) >= 2, "two ticks", 20)

    assert stored is not None
    assert abs(stored.anchor - nanos() // 1_000_000) < 60_000
    assert found[:2] == [f"s:{stored.anchor + each}" for each in (1000, 2000)]


@pytest.mark.behaviour("T51")
@pytest.mark.parametrize("step", [-3600.0, 3600.0])
async def test_a_step_of_the_workers_clock_neither_loses_nor_doubles_a_tick(
    real_queue: Queue, monkeypatch: pytest.MonkeyPatch, step: float
) -> None:
    found: list[str] = []
    skew = 0.0

    @real_queue.task
    async def note() -> None:
        found.append(current_job().id)

    seconds, nanos = time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: seconds() + skew)
    monkeypatch.setattr(time, "time_ns", lambda: nanos() + int(skew) * 10**9)
    await real_queue.schedule("s", note.bind(), every=1)
    stored = await real_queue.planner().get("s")
    assert stored is not None
    async with Worker(real_queue):
        await wait_until(lambda: found, "the first tick", 20)
        skew = step
        await wait_until(lambda: len(found) >= 3, "two ticks after the step", 20)

    assert found[:3] == [f"s:{stored.anchor + each}" for each in (1000, 2000, 3000)]


@pytest.mark.requirement("D15")
@pytest.mark.parametrize("way", ["promote", "promote_all", "reschedule", "later"])
async def test_a_job_that_failed_and_is_moved_still_knows_its_tick(
    queue: Queue, ticks: Ticks, way: str
) -> None:
    found: list[tuple[int, int]] = []

    @queue.task(attempts=2, backoff=Fixed(3600))
    async def report() -> None:
        job = current_job()
        found.append((job.attempt, round(job.scheduled_for.timestamp() * 1000)))
        if job.attempt == 1:
            raise ValueError

    start = await ticks.now() - MINUTE // 2
    await queue.schedule("s", report.bind(), every=60, start=from_ms(start))
    await ticks.set("s", start)
    async with Worker(queue):
        await wait_until(lambda: _is_retrying(queue), "the first attempt to fail", 20)
        (job,) = await queue.jobs("retrying")
        if way == "promote_all":
            assert await queue.promote_all() == 1
        elif way == "promote":
            await queue.job(job.id).promote()
        else:
            await queue.job(job.id).reschedule(delay=0.05 if way == "later" else 0)
        await wait_until(lambda: len(found) == 2, "the second attempt", 20)

    assert found == [(1, start), (2, start)]


async def _is_retrying(queue: Queue) -> bool:
    return (await queue.counts()).retrying == 1


async def test_of_late_ticks_with_one_unique_key_the_job_is_told_that_there_is(
    queue: Queue, ticks: Ticks, runs: list[int]
) -> None:
    told: list[Transition] = []
    once = queue.tasks["note"].options(unique="k").bind()
    start = await ticks.now() - 2 * MINUTE - MINUTE // 2
    await queue.schedule("s", once, every=60, start=from_ms(start), missed="all")
    await ticks.set("s", start)
    await queue.pause()
    async with Worker(queue, observers=[told.append]):
        await wait_until(lambda: told, "the job to be told", 15)

    assert [(step.type, step.job_id) for step in told] == [("enqueued", f"s:{start}")]
    assert told[0].waited is not None
    assert told[0].waited >= 150, "as late as the tick of the job"
    assert [job.id for job in await ticks.jobs()] == [f"s:{start}"]
