"""What is done about a tick that is due, and about those that nobody was there for."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiojobs_redis.errors import ConfigInvalid
from aiojobs_redis.schedule import (
    CRON_TICKS,
    TICKS,
    Missed,
    Overlap,
    Plan,
    Schedule,
    decode_schedule,
)
from aiojobs_redis.schedules import build_schedule, check_schedule_id

START = 1_800_000_000_000
MINUTE = 60_000
WEEK = 7 * 24 * 60 * MINUTE


def every(seconds: float = 60, **fields: Any) -> Schedule:
    return Schedule(task="t", spec=b"spec", every_ms=round(seconds * 1000), **fields)


def cron_of_seconds(**fields: Any) -> Schedule:
    return Schedule(task="t", spec=b"spec", cron="* * * * * *", **fields)


def build(**fields: Any) -> Schedule:
    given = {"task": "t", "spec": b"", "options": "", "cron": None, "every": None} | fields
    return build_schedule(**given)


def test_a_tick_on_time_makes_one_job_under_every_policy() -> None:
    for missed in ("last", "all", "skip"):
        plan = every(missed=missed).plan(START, START + 3, START, 0)

        assert (plan.jobs, plan.missed, plan.last) == ([START], 0, START)
        assert plan.next == START + MINUTE


@pytest.mark.parametrize(
    ("missed", "jobs", "given_up"),
    [("last", [59], 59), ("all", list(range(60)), 0), ("skip", [], 60)],
)
def test_an_hour_of_downtime_is_met_by_the_policy(
    missed: Missed, jobs: list[int], given_up: int
) -> None:
    now = START + 59 * MINUTE + 30_000
    plan = every(missed=missed).plan(START, now, START, 0)

    assert plan.jobs == [START + each * MINUTE for each in jobs]
    assert plan.missed == given_up
    assert plan.next == START + 60 * MINUTE


@pytest.mark.parametrize("missed", ["last", "all", "skip"])
def test_ticks_outside_the_window_are_given_up_under_every_policy(missed: Missed) -> None:
    plan = every(missed=missed, window_ms=1000).plan(START, START + 1001, START, 0)

    assert (plan.jobs, plan.missed) == ([], 1)
    assert plan.last == START


def test_a_plan_handles_a_hundred_ticks_and_leaves_the_rest() -> None:
    plan = every(1, missed="all").plan(START, START + 250_500, START, 0)

    assert len(plan.jobs) == TICKS == 100
    assert plan.next == START + 100_000


def catch_up(schedule: Schedule, now: int) -> list[Plan]:
    """Return the plans from a due tick at `START` to the one that is up to date."""
    plans = [schedule.plan(START, now, START, 0)]
    while (tick := plans[-1].next) is not None and tick <= now:
        plans.append(schedule.plan(tick, now, START, 0))
    return plans


def test_the_last_tick_is_only_known_in_the_plan_that_catches_up() -> None:
    plans = catch_up(cron_of_seconds(), START + 120_500)

    assert [plan.jobs for plan in plans] == [[], [], [START + 120_000]]
    assert sum(plan.missed for plan in plans) == 120


def test_an_interval_finds_its_last_tick_without_a_walk_over_all() -> None:
    plans = catch_up(every(1, window_ms=10**12), START + 10**9 + 500)

    assert [plan.jobs for plan in plans] == [[], [START + 10**9]]
    assert sum(plan.missed for plan in plans) == 10**6


@pytest.mark.parametrize("missed", ["last", "all", "skip"])
def test_an_interval_counts_the_ticks_before_the_window_without_a_walk(missed: Missed) -> None:
    plans = catch_up(every(1, missed=missed, window_ms=5000), START + 10**9 + 500)
    jobs = [tick for plan in plans for tick in plan.jobs]

    assert len(plans) == 2
    assert len(jobs) == (5 if missed == "all" else 1)
    assert sum(plan.missed for plan in plans) + len(jobs) == 10**6 + 1


def test_an_interval_that_ended_long_ago_counts_its_ticks_up_to_the_end() -> None:
    plans = catch_up(every(1, end_ms=START + 10**6), START + 10**9)

    assert sum(plan.missed for plan in plans) == 1001
    assert (plans[-1].jobs, plans[-1].next) == ([], None)


def test_a_cron_schedule_jumps_over_what_is_older_than_the_window() -> None:
    plans = catch_up(cron_of_seconds(), START + WEEK)
    given_up = sum(plan.missed for plan in plans)

    assert len(plans) == 1 + -(-3601 // CRON_TICKS)
    assert given_up == CRON_TICKS + 3600
    assert [tick for plan in plans for tick in plan.jobs] == [START + WEEK]


def test_a_cron_schedule_that_ended_during_the_downtime_is_over() -> None:
    plans = catch_up(cron_of_seconds(end_ms=START + 10**6), START + WEEK)

    assert [(plan.jobs, plan.missed, plan.next) for plan in plans] == [([], CRON_TICKS, None)]


def test_a_plan_of_a_cron_schedule_is_short() -> None:
    schedule, tick, fastest = cron_of_seconds(tz="Europe/Berlin"), START, 1.0
    for _ in range(100):
        # Of this thread alone: others may have the processor meanwhile.
        began = time.thread_time()
        tick = schedule.plan(tick, START + 1_000_000, START, 0).next or 0
        fastest = min(fastest, time.thread_time() - began)

    assert fastest < 0.01


def test_large_jobs_are_made_a_few_at_a_time() -> None:
    large = msgspec.structs.replace(every(1, missed="all"), spec=b"x" * 1024 * 1024)
    plan = large.plan(START, START + 250_500, START, 0)

    assert len(plan.jobs) == 4
    assert plan.next == START + 4000


def test_skip_takes_a_tick_that_is_late_by_less_than_half_its_distance() -> None:
    short, long = every(4, missed="skip"), every(600, missed="skip")

    assert short.plan(START, START + 2000, START, 0).jobs == [START]
    assert short.plan(START, START + 2001, START, 0).jobs == []
    assert long.plan(START, START + 10_000, START, 0).jobs == [START]
    assert long.plan(START, START + 10_001, START, 0).jobs == []


def test_jobs_that_may_not_overlap_are_not_made_several_at_once() -> None:
    plan = every(missed="all", overlap="skip").plan(START, START + 5 * MINUTE, START, 0)

    assert plan.jobs == [START + 5 * MINUTE]
    assert plan.missed == 5


def test_the_limit_ends_a_schedule_in_the_middle_of_a_plan() -> None:
    plan = every(missed="all", limit=7).plan(START, START + 9 * MINUTE, START, 4)

    assert plan.jobs == [START, START + MINUTE, START + 2 * MINUTE]
    assert plan.last == START + 2 * MINUTE
    assert (plan.missed, plan.next) == (0, START + 3 * MINUTE)


def test_a_schedule_at_its_limit_makes_no_more() -> None:
    plan = every(missed="all", limit=3).plan(START, START + MINUTE, START, 4)

    assert (plan.jobs, plan.missed) == ([], 2)


def test_a_given_up_tick_does_not_count_for_the_limit() -> None:
    plan = every(missed="skip", limit=1).plan(START, START + 30_000, START, 0)

    assert (plan.jobs, plan.missed, plan.next) == ([], 1, START + MINUTE)


def test_start_and_end_bound_the_ticks() -> None:
    schedule = every(start_ms=START, end_ms=START + 2 * MINUTE)

    assert schedule.next_tick(START - 10 * MINUTE, START, 0) == START
    assert schedule.next_tick(START + MINUTE, START, 0) == START + 2 * MINUTE
    assert schedule.next_tick(START + 2 * MINUTE, START, 0) is None


def test_a_cron_schedule_follows_its_zone() -> None:
    schedule = Schedule(task="t", spec=b"", cron="30 9 * * *", tz="America/New_York")
    after = datetime(2026, 7, 1, 14, 0, tzinfo=UTC)
    tick = schedule.next_tick(int(after.timestamp() * 1000), 0, 0)

    assert tick is not None
    assert datetime.fromtimestamp(tick / 1000, UTC) == datetime(2026, 7, 2, 13, 30, tzinfo=UTC)


@given(
    seconds=st.integers(1, 7200),
    late=st.integers(0, 10_000_000),
    missed=st.sampled_from(["last", "all", "skip"]),
    overlap=st.sampled_from(["allow", "skip"]),
    limit=st.none() | st.integers(1, 50),
    window=st.integers(0, 20_000_000),
)
def test_plans_one_after_the_other_handle_every_tick_once(
    seconds: int, late: int, missed: Missed, overlap: Overlap, limit: int | None, window: int
) -> None:
    schedule = every(seconds, missed=missed, overlap=overlap, limit=limit, window_ms=window)
    now, tick, runs, handled = START + late, START, 0, 0
    jobs: list[int] = []
    for _ in range(200):
        plan = schedule.plan(tick, now, START, runs)
        handled += len(plan.jobs) + plan.missed
        runs += len(plan.jobs)
        jobs += plan.jobs
        if plan.next is None or plan.next > now or runs == limit:
            break
        assert plan.next > tick
        tick = plan.next

    assert jobs == sorted(set(jobs))
    assert all((job - START) % (seconds * 1000) == 0 and now - job <= window for job in jobs)
    assert limit is None or runs <= limit
    if limit is None or runs < limit:
        assert plan.next is not None
        assert handled == (plan.next - START) // (seconds * 1000)


def test_a_revision_names_the_definition_and_not_who_declares_it() -> None:
    one = every(60)

    assert one.revision() == every(60, app="a", app_version="2").revision()
    others = [every(61), every(60, tz="Europe/Berlin"), every(60, limit=1), every(60, missed="all")]
    others.append(msgspec.structs.replace(one, spec=b"other"))
    assert len({one.revision(), *(other.revision() for other in others)}) == 6


def test_a_definition_survives_its_encoding() -> None:
    schedule = build(cron="*/5 * * * *", tz="Asia/Tokyo", limit=3, overlap="skip", missed="all")

    assert decode_schedule(schedule.encode()) == schedule


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({}, ["cron", "every"]),
        ({"cron": "* * * * *", "every": 5}, ["cron", "every"]),
        ({"cron": "61 * * * *"}, ["minute", "61"]),
        ({"cron": "* 25 * * *"}, ["hour", "25"]),
        ({"cron": "* * * *"}, ["4 fields"]),
        ({"cron": "nonsense"}, ["cron", "nonsense"]),
        ({"cron": "* * * * *", "tz": "Mars/Olympus"}, ["Mars/Olympus"]),
        ({"every": 0}, ["every"]),
        ({"every": 0.5}, ["every", "0.5"]),
        ({"every": float("nan")}, ["every"]),
        ({"every": -5}, ["every"]),
        ({"every": "5"}, ["every"]),
        ({"every": 5, "limit": 0}, ["limit", "0"]),
        ({"every": 5, "limit": True}, ["limit"]),
        ({"every": 5, "limit": 1.5}, ["limit"]),
        ({"every": 5, "missed": "never"}, ["missed", "never", "skip"]),
        ({"every": 5, "overlap": "no"}, ["overlap", "no"]),
        ({"every": 5, "missed_window": -1}, ["missed_window"]),
        ({"every": 5, "start": datetime(2026, 1, 1)}, ["start"]),
        ({"every": 5, "end": datetime(2026, 1, 1)}, ["end"]),
        (
            {
                "every": 5,
                "start": datetime(2026, 1, 2, tzinfo=UTC),
                "end": datetime(2026, 1, 2, tzinfo=UTC),
            },
            ["end", "start"],
        ),
    ],
    ids=repr,
)
@pytest.mark.requirement("S18")
@pytest.mark.behaviour("T48")
def test_a_definition_that_cannot_be_is_refused_with_the_field(
    fields: dict[str, Any], names: list[str]
) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        build(**fields)

    assert all(name in str(caught.value) for name in names)


def test_an_interval_may_be_a_timedelta() -> None:
    assert build(every=timedelta(hours=2)).every_ms == 7_200_000


@pytest.mark.parametrize("name", ["", "x" * 201, "\ud800", 5, None])
def test_an_id_that_cannot_be_is_refused(name: Any) -> None:
    with pytest.raises(ConfigInvalid, match="schedule id"):
        check_schedule_id(name)
