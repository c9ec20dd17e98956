"""Cron schedules where the clocks change: against cronsim, against a count of all minutes, by hand.

cronsim steps in whole hours, and so misses runs of some expressions where the clocks shift by less
than one hour: these are left to the count of minutes.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise, product, takewhile
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim

from aiojobs_redis.cron import Cron

pytestmark = [pytest.mark.requirement("B16"), pytest.mark.behaviour("T52")]

# Years in which something happens: no midnight in October or November (Sao Paulo) and September
# (Santiago), no 30 December (Apia), a month of winter time in spring (Casablanca), a shift of 15
# (Kathmandu) and of 30 minutes (Lord Howe).
YEARS = {
    "Europe/Berlin": datetime(2026, 1, 1),
    "America/New_York": datetime(2026, 1, 1),
    "Australia/Lord_Howe": datetime(2026, 1, 1),
    "America/Sao_Paulo": datetime(2018, 1, 1),
    "America/Santiago": datetime(2024, 1, 1),
    "Africa/Casablanca": datetime(2024, 1, 1),
    "Asia/Kathmandu": datetime(1985, 7, 1),
    "Pacific/Apia": datetime(2011, 7, 1),
}
TIMES_OF_DAY = [
    "30 2 * * *",
    "30 1 * * *",
    "45 1 * * *",
    "0 0 * * *",
    "15 0 * * *",
    "59 23 * * *",
    "0,30 1,2 * * *",
    "0 0-5 * * SUN",
    "0 6 * * MON",
    "30 2 1 * *",
    "0 9-17/4 * * 1-5",
    "0 0 L * *",
    "5-55/25 2 8 3,4,10 SAT,SUN",
]
INTERVALS = [
    "0 */3 * * *",
    "*/30 1-3 * * *",
    "*/30 0-4 * * SUN",
    "5 * * * SUN",
    "*/15 */6 1,2 * *",
    "*/30 30 */2 * * SUN",
]
ORACLE_ERRS = {("Australia/Lord_Howe", "0 */3 * * *"), ("Asia/Kathmandu", "*/30 1-3 * * *")}
BY_THE_MINUTE: list[tuple[str, Callable[[datetime], bool]]] = [
    ("* 2 * * *", lambda wall: wall.hour == 2),
    ("0 */3 * * *", lambda wall: wall.minute == 0 and wall.hour % 3 == 0),
    ("*/30 1-3 * * *", lambda wall: wall.minute % 30 == 0 and 1 <= wall.hour <= 3),
    ("0 * * * *", lambda wall: wall.minute == 0),
    ("45 * * * *", lambda wall: wall.minute == 45),
    ("*/7 0 * * *", lambda wall: wall.minute % 7 == 0 and wall.hour == 0),
    ("20 */2 * * *", lambda wall: wall.minute == 20 and wall.hour % 2 == 0),
    ("*/15 */2 * * *", lambda wall: wall.minute % 15 == 0 and wall.hour % 2 == 0),
    ("*/30 * * * *", lambda wall: wall.minute % 30 == 0),
]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def runs_between(expression: str, tz: str, start: datetime, end: datetime) -> list[datetime]:
    # In UTC, since Python holds a repeated local time unequal to any time of another zone.
    return [run.astimezone(UTC) for run in Cron(expression, tz).times(start, end)]


def assert_same_runs(expression: str, tz: str) -> None:
    start = YEARS[tz].replace(tzinfo=ZoneInfo(tz))
    end = (start + timedelta(days=366)).astimezone(UTC)
    oracle = (run.astimezone(UTC) for run in CronSim(expression, start))
    expected = list(takewhile(lambda run: run <= end, oracle))
    assert runs_between(expression, tz, start, end) == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tz", "expression"),
    sorted(set(product(YEARS, TIMES_OF_DAY + INTERVALS)) - ORACLE_ERRS),
)
def test_whole_year_agrees_with_the_oracle(tz: str, expression: str) -> None:
    assert_same_runs(expression, tz)


@pytest.mark.parametrize("tz", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
def test_whole_year_of_hours_agrees_with_the_oracle(tz: str) -> None:
    assert_same_runs("0 * * * *", tz)


def clock_changes(tz: str) -> list[datetime]:
    start = YEARS[tz].replace(tzinfo=UTC)
    hours = [start + timedelta(hours=hour) for hour in range(366 * 24)]
    walls = [hour.astimezone(ZoneInfo(tz)) for hour in hours]
    return [
        later.astimezone(UTC)
        for earlier, later in pairwise(walls)
        if earlier.utcoffset() != later.utcoffset()
    ]


@pytest.mark.parametrize("tz", YEARS)
def test_interval_runs_at_every_minute_that_fits_around_a_change(tz: str) -> None:
    changes = clock_changes(tz)
    assert changes
    for change in changes:
        start, end = change - timedelta(days=1), change + timedelta(days=1)
        minutes = [start + timedelta(minutes=minute) for minute in range(1, 2 * 1440 + 1)]
        walls = [minute.astimezone(ZoneInfo(tz)) for minute in minutes]
        for expression, fits in BY_THE_MINUTE:
            expected = [minute for minute, wall in zip(minutes, walls, strict=True) if fits(wall)]
            assert runs_between(expression, tz, start, end) == expected, (expression, change)


@pytest.mark.parametrize("tz", YEARS)
def test_answer_is_the_same_from_any_minute_before_the_run(tz: str) -> None:
    for change in clock_changes(tz):
        start, end = change - timedelta(hours=3), change + timedelta(hours=3)
        for expression in ("30 1 * * *", "15 0 * * *", "0,45 0-3 * * *", "*/20 * * * *"):
            schedule = Cron(expression, tz)
            runs = runs_between(expression, tz, start, end + timedelta(days=3))
            instant = start
            while instant < end:
                following = next(run for run in runs if run > instant)
                assert schedule.next_after(instant).astimezone(UTC) == following
                instant += timedelta(minutes=5, seconds=1)


@pytest.mark.parametrize(
    ("expression", "tz", "start", "runs"),
    [
        pytest.param(
            "30 1 * * *",
            "America/New_York",
            "2026-11-01T00:00-04:00",
            ["2026-11-01T01:30-04:00", "2026-11-02T01:30-05:00"],
            id="the repeated hour counts once",
        ),
        pytest.param(
            "30 1 * * *",
            "America/New_York",
            "2026-11-01T01:10-05:00",
            ["2026-11-02T01:30-05:00"],
            id="asked within the second pass",
        ),
        pytest.param(
            "30 2 * * *",
            "America/New_York",
            "2026-03-07T12:00-05:00",
            ["2026-03-08T03:00-04:00", "2026-03-09T02:30-04:00"],
            id="right after the gap",
        ),
        pytest.param(
            "0,20,40 2,3 * * *",
            "Europe/Berlin",
            "2026-03-29T00:00+01:00",
            ["2026-03-29T03:00+02:00", "2026-03-29T03:20+02:00", "2026-03-29T03:40+02:00"],
            id="one run for all that the gap swallowed",
        ),
        pytest.param(
            "*/10 30 2 * * *",
            "Europe/Berlin",
            "2026-03-29T00:00+01:00",
            ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00", "2026-03-30T02:30:10+02:00"],
            id="and for all seconds in it",
        ),
        pytest.param(
            "0 30 2 * * *",
            "Europe/Berlin",
            "2026-10-25T00:00+02:00",
            ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"],
            id="six fields count once as well",
        ),
        pytest.param(
            "*/30 * * * *",
            "Europe/Berlin",
            "2026-10-25T02:20+02:00",
            ["2026-10-25T02:30+02:00", "2026-10-25T02:00+01:00", "2026-10-25T02:30+01:00"],
            id="intervals run through the repeated hour",
        ),
        pytest.param(
            "*/30 * * * *",
            "Europe/Berlin",
            "2026-03-29T01:10+01:00",
            ["2026-03-29T01:30+01:00", "2026-03-29T03:00+02:00", "2026-03-29T03:30+02:00"],
            id="and step over the gap",
        ),
        pytest.param(
            "0 6 * * MON",
            "America/New_York",
            "2026-10-26T06:00-04:00",
            ["2026-11-02T06:00-05:00", "2026-11-09T06:00-05:00"],
            id="local time is kept over the change",
        ),
        pytest.param(
            "0 9 1 * *",
            "Europe/Berlin",
            "2026-03-01T10:00+01:00",
            ["2026-04-01T09:00+02:00", "2026-05-01T09:00+02:00"],
            id="of a monthly one too",
        ),
        pytest.param(
            "45 1 * * *",
            "Australia/Lord_Howe",
            "2026-04-05T00:00+11:00",
            ["2026-04-05T01:45+11:00", "2026-04-06T01:45+10:30"],
            id="a repeated half hour counts once",
        ),
        pytest.param(
            "45 * * * *",
            "Australia/Lord_Howe",
            "2026-04-05T01:00+11:00",
            ["2026-04-05T01:45+11:00", "2026-04-05T01:45+10:30", "2026-04-05T02:45+10:30"],
            id="unless it is an interval",
        ),
        pytest.param(
            "0 0 * * *",
            "America/Sao_Paulo",
            "2018-11-03T00:00-03:00",
            ["2018-11-04T01:00-02:00", "2018-11-05T00:00-02:00"],
            id="a day without midnight",
        ),
        pytest.param(
            "30 2 * * *",
            "Pacific/Apia",
            "2011-12-29T00:00-10:00",
            ["2011-12-29T02:30-10:00", "2011-12-31T00:00+14:00", "2011-12-31T02:30+14:00"],
            id="a day that does not exist",
        ),
    ],
)
def test_runs_around_a_change(expression: str, tz: str, start: str, runs: list[str]) -> None:
    ticks = Cron(expression, tz).times(utc(start), utc(start) + timedelta(days=90))
    assert [next(ticks).isoformat() for _ in runs] == [
        datetime.fromisoformat(run).isoformat() for run in runs
    ]
