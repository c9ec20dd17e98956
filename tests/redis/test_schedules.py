"""Schedules by their API: upsert, replacement, bounds, pause, trigger, removal."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aiojobs_redis import (
    ArgumentsInvalid,
    ConfigInvalid,
    JobState,
    Queue,
    QueueUnavailable,
    Worker,
)
from aiojobs_redis._redis import planner
from aiojobs_redis.duration import from_ms
from tests.support.ticks import Ticks


@pytest.fixture
def ticks(queue: Queue, redis_client: Any) -> Ticks:
    @queue.task
    async def report(name: str = "daily") -> str:
        return name

    return Ticks(queue, redis_client)


def call(ticks: Ticks, *args: Any) -> Any:
    return ticks.queue.tasks["report"].bind(*args)


@pytest.mark.behaviour("T46")
async def test_fifty_concurrent_upserts_make_one_schedule_with_one_tick(ticks: Ticks) -> None:
    queue = ticks.queue
    await asyncio.gather(
        *(
            queue.schedule("s", call(ticks, f"{each % 5}"), every=60 + each % 5)
            for each in range(50)
        )
    )

    assert [info.id for info in await queue.schedules()] == ["s"]
    assert await ticks.raw.zcard(queue.store.keys["ticks"]) == 1
    await ticks.make_due("s")
    assert await ticks.fire() == [1]


@pytest.mark.behaviour("T47")
async def test_a_changed_pattern_applies_and_the_old_one_never_fires(ticks: Ticks) -> None:
    queue = ticks.queue
    await queue.schedule("s", call(ticks, "old"), every=60)
    due = await ticks.make_due("s")
    link = queue.store.server.link()
    seen = await queue.planner().due(link)
    await queue.schedule("s", call(ticks, "new"), cron="0 0 1 1 *")
    (stored,) = seen.schedules
    plan = stored.schedule.plan(due, seen.now, stored.anchor, stored.runs)
    made = await queue.planner().fire(link, stored, plan)
    link.abort()
    info = await ticks.info("s")

    assert made is None
    assert await ticks.fire() == []
    assert await ticks.jobs() == []
    assert info.expression == "0 0 1 1 *"
    assert info.next_at is not None
    assert (info.next_at.month, info.next_at.day) == (1, 1)
    await ticks.make_due("s")
    await ticks.fire()
    assert [job.args for job in await ticks.jobs()] == [["new"]]


async def test_the_same_definition_again_keeps_tick_phase_and_pause(ticks: Ticks) -> None:
    queue = ticks.queue
    await queue.schedule("s", call(ticks), every=3600)
    moved = (await ticks.get("s") or 0) + 5
    await ticks.set("s", moved)
    await queue.schedule("s", call(ticks), every=3600)
    kept = await ticks.get("s")
    await queue.pause_schedule("s")
    await queue.schedule("s", call(ticks), every=3600)

    assert kept == moved
    assert not (await ticks.info("s")).enabled
    await queue.resume_schedule("s")
    assert await ticks.get("s") == moved - 5


@pytest.mark.behaviour("T48")
async def test_an_interval_starts_at_its_start_and_stops_at_its_end(ticks: Ticks) -> None:
    start = from_ms(await ticks.now()) + timedelta(hours=1)
    end = start + timedelta(seconds=120)
    await ticks.queue.schedule("s", call(ticks), every=60, start=start, end=end)
    first = await ticks.info("s")

    assert first.next_at == start
    stored = await ticks.queue.planner().get("s")
    assert stored is not None
    assert stored.tick is not None
    plan = stored.schedule.plan(stored.tick, stored.tick + 300_000, stored.anchor, 0)
    assert plan.next is None
    assert plan.last == stored.tick + 120_000


@pytest.mark.behaviour("T48")
@pytest.mark.requirement("B17")
async def test_no_tick_comes_after_the_end_or_the_limit(ticks: Ticks) -> None:
    queue = ticks.queue
    await queue.schedule("counts", call(ticks), every=60, limit=2)
    for _ in range(2):
        await ticks.make_due("counts")
        assert await ticks.fire() == [1]

    assert (await ticks.info("counts")).runs == 2
    assert (await ticks.info("counts")).next_at is None
    await queue.schedule("over", call(ticks), every=3600, end=from_ms(await ticks.now() + 5000))
    assert (await ticks.info("over")).next_at is None


@pytest.mark.behaviour("T48")
@pytest.mark.requirement("B17")
async def test_a_tick_that_makes_no_job_does_not_count_for_the_limit(ticks: Ticks) -> None:
    queue = ticks.queue
    await queue.schedule("s", call(ticks), every=60, limit=2, overlap="skip")
    first = await ticks.make_due("s")
    made = [await ticks.fire()]
    await ticks.make_due("s")
    made.append(await ticks.fire())
    await queue.job(f"s:{first}").cancel()
    await ticks.make_due("s")
    made.append(await ticks.fire())
    info = await ticks.info("s")

    assert made == [[1], [0], [1]]
    assert (info.runs, info.missed, info.next_at) == (2, 1, None)


@pytest.mark.behaviour("T48")
@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, "cron or every"),
        ({"cron": "* * * * *", "every": 5}, "cron or every"),
        ({"cron": "* * 32 * *"}, "day.* '32'"),
        ({"cron": "* * * * *", "tz": "Europe/Atlantis"}, "Europe/Atlantis"),
        ({"every": 60, "end": datetime(2020, 1, 1, tzinfo=UTC)}, "end is in the past"),
        ({"every": 60, "missed": "maybe"}, "missed"),
        ({"every": 60, "overlap": "maybe"}, "overlap"),
        ({"every": 60, "limit": 0}, "limit"),
    ],
    ids=str,
)
async def test_what_cannot_be_is_refused_and_nothing_written(
    ticks: Ticks, fields: dict[str, Any], named: str
) -> None:
    with pytest.raises(ConfigInvalid, match=named):
        await ticks.queue.schedule("s", call(ticks), **fields)

    assert await ticks.queue.schedules() == []
    assert not await ticks.raw.exists(ticks.queue.store.keys["meta"])


async def test_options_that_the_ticks_decide_are_refused(ticks: Ticks) -> None:
    report: Any = ticks.queue.tasks["report"]
    for bad in ({"delay": 5}, {"id": "x"}):
        with pytest.raises(ConfigInvalid, match=next(iter(bad))):
            await ticks.queue.schedule("s", report.options(**bad).bind(), every=60)
    with pytest.raises(ArgumentsInvalid):
        await ticks.queue.schedule("s", report.bind(wrong=1), every=60)

    assert await ticks.queue.schedules() == []


async def test_options_of_the_call_are_those_of_its_jobs(ticks: Ticks) -> None:
    report: Any = ticks.queue.tasks["report"]
    bound = report.options(priority=7, headers={"trace": "abc"}).bind("x")
    await ticks.queue.schedule("s", bound, every=60)
    await ticks.make_due("s")
    await ticks.fire()
    (job,) = await ticks.jobs()

    assert (job.priority, job.args, dict(job.headers)) == (7, ["x"], {"trace": "abc"})


async def test_a_paused_schedule_makes_nothing_and_goes_on_with_its_next_tick(
    ticks: Ticks,
) -> None:
    queue = ticks.queue
    await queue.schedule("s", call(ticks), every=3600)
    wanted = await ticks.get("s")
    await ticks.make_due("s")

    assert await queue.pause_schedule("s")
    assert (await ticks.info("s")).next_at is None
    assert await ticks.fire() == []
    assert await queue.resume_schedule("s")
    assert await ticks.get("s") == wanted
    assert await ticks.jobs() == []
    assert not await queue.pause_schedule("unknown")
    assert not await queue.resume_schedule("unknown")


async def test_resuming_what_is_not_paused_loses_no_tick(ticks: Ticks) -> None:
    await ticks.queue.schedule("s", call(ticks), every=3600)
    await ticks.make_due("s")

    assert await ticks.queue.resume_schedule("s")
    assert await ticks.fire() == [1]


async def test_a_trigger_makes_a_job_beside_the_ticks(ticks: Ticks) -> None:
    queue = ticks.queue
    await queue.schedule("s", call(ticks, "now"), every=3600)
    before = await ticks.get("s")
    await queue.pause_schedule("s")
    first, second = await queue.trigger("s"), await queue.trigger("s")

    assert first is not None
    assert second is not None
    assert first.id != second.id
    async with Worker(queue):
        assert await first.result(10) == "now"
    await queue.resume_schedule("s")
    assert await ticks.get("s") == before
    assert (await ticks.info("s")).runs == 0
    assert await queue.trigger("unknown") is None


@pytest.mark.behaviour("T50")
@pytest.mark.requirement("B17")
async def test_a_removed_schedule_makes_nothing_more_and_can_be_added_at_once(
    ticks: Ticks,
) -> None:
    queue = ticks.queue
    await queue.schedule("s", call(ticks), every=60)
    await ticks.make_due("s")

    assert await queue.unschedule("s")
    assert await ticks.fire() == []
    assert not await queue.unschedule("s")
    assert await queue.schedules() == []
    await queue.schedule("s", call(ticks), every=60)
    await ticks.make_due("s")
    assert await ticks.fire() == [1]


async def test_jobs_of_a_removed_schedule_stay(ticks: Ticks) -> None:
    await ticks.queue.schedule("s", call(ticks), every=60)
    await ticks.make_due("s")
    await ticks.fire()
    await ticks.queue.unschedule("s")

    assert [job.state for job in await ticks.jobs()] == [JobState.QUEUED]


@pytest.mark.requirement("D15")
async def test_schedules_are_listed_with_their_state(ticks: Ticks) -> None:
    queue = ticks.queue
    await queue.schedule("b", call(ticks), cron="0 9 * * 1-5", tz="Asia/Tokyo")
    await queue.schedule("a", call(ticks), every=timedelta(minutes=90))
    tick = await ticks.make_due("a")
    await ticks.fire()
    first, second = await queue.schedules()

    assert [first.id, second.id] == ["a", "b"]
    assert (first.expression, second.expression) == ("every 5400 s", "0 9 * * 1-5")
    assert (second.tz, second.task, second.enabled) == ("Asia/Tokyo", "report", True)
    assert (first.runs, first.missed, first.declared) == (1, 0, False)
    assert first.last_at == from_ms(tick)
    assert first.last_job == f"a:{tick}"
    assert await queue.job(first.last_job).state() is JobState.QUEUED
    assert (second.last_at, second.last_job) == (None, None)


@pytest.mark.behaviour("T52")
async def test_a_local_time_is_kept_from_winter_to_summer(ticks: Ticks) -> None:
    await ticks.queue.schedule("s", call(ticks), cron="30 9 * * *", tz="Europe/Berlin")
    stored = await ticks.queue.planner().get("s")
    assert stored is not None
    at = int(datetime(2027, 3, 27, 0, tzinfo=UTC).timestamp() * 1000)
    hours = []
    for _ in range(3):
        tick = stored.schedule.next_tick(at, stored.anchor, 0)
        assert tick is not None
        hours.append((from_ms(tick).day, from_ms(tick).astimezone(UTC).hour))
        at = tick

    assert hours == [(27, 8), (28, 7), (29, 7)]


@pytest.mark.corrupts
async def test_a_damaged_schedule_does_not_hide_the_others(ticks: Ticks) -> None:
    queue = ticks.queue
    await queue.schedule("a", call(ticks), every=60)
    await queue.schedule("b", call(ticks), every=60)
    due = await ticks.make_due("b") - 5
    for damaged, record in (("x", "nonsense"), ("y", "a,b\n\x80"), ("z", "ab,0,0,0,,1,\n\xc1")):
        await ticks.raw.hset(queue.store.keys["schedules"], damaged, record)
        await ticks.set(damaged, due)

    assert [info.id for info in await queue.schedules()] == ["a", "b"]
    async with Worker(queue):
        await ticks.handled("b", 1)
        await ticks.make_due("a")
        await ticks.handled("a", 1)


@pytest.mark.corrupts
@pytest.mark.parametrize("record", ["nonsense", "", "zz,0,0,0,,1,\nx", "ab,0,4,0,,1,\n\xc1"])
async def test_a_definition_that_cannot_be_read_is_replaced(ticks: Ticks, record: str) -> None:
    queue = ticks.queue
    raw = record.encode("latin-1")
    await ticks.raw.hset(queue.store.keys["schedules"], "s", raw)
    async with asyncio.timeout(10):
        await queue.schedule("s", call(ticks), every=60)

    assert (await ticks.info("s")).expression == "every 60 s"
    await ticks.make_due("s")
    assert await ticks.fire() == [1]


async def test_a_call_gives_up_when_others_change_the_schedule_each_time(
    ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue, ask, tries = ticks.queue, ticks.queue.store.ask, 0

    async def rival_first(name: str, *args: Any) -> Any:
        nonlocal tries
        if name in ("schedule", "pause_schedule"):
            tries += 1
            await queue.store.ask_once("unschedule", "s", "")
            await ask("schedule", "s", f"{tries:x}", "", "", 1, 0, definition)
        return await ask(name, *args)

    await queue.schedule("s", call(ticks), every=60)
    stored = await queue.planner().get("s")
    assert stored is not None
    definition = stored.schedule.encode()
    monkeypatch.setattr(planner, "PATIENCE", 0.3)
    monkeypatch.setattr(queue.store, "ask", rival_first)
    with pytest.raises(QueueUnavailable, match=r"schedule 's'.*0\.3 s"):
        await queue.schedule("s", call(ticks), every=90)
    with pytest.raises(QueueUnavailable, match=r"schedule 's'.*0\.3 s"):
        await queue.pause_schedule("s")

    assert 4 < tries < 50
