"""Cron and interval schedules without clock changes: syntax, refusals, order, value semantics."""

from __future__ import annotations

import copy
import pickle
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiojobs_redis.cron import Cron, Every
from aiojobs_redis.errors import ConfigInvalid

pytestmark = pytest.mark.requirement("B16")

WEDNESDAY = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Santiago",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
]


def ms(instant: datetime) -> int:
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("expression", "runs"),
    [
        ("30 2 * * *", ["2026-07-02 02:30:00", "2026-07-03 02:30:00"]),
        ("*/5 * * * *", ["2026-07-01 12:05:00", "2026-07-01 12:10:00"]),
        ("10 */5 * * * *", ["2026-07-01 12:00:10", "2026-07-01 12:05:10"]),
        ("*/20 * * * * *", ["2026-07-01 12:00:20", "2026-07-01 12:00:40"]),
        ("5/20 * * * *", ["2026-07-01 12:05:00", "2026-07-01 12:25:00"]),
        ("0 22-1 * * *", ["2026-07-01 22:00:00", "2026-07-01 23:00:00", "2026-07-02 00:00:00"]),
        ("0 0 * * MON,fri", ["2026-07-03 00:00:00", "2026-07-06 00:00:00"]),
        ("0 0 * * 7", ["2026-07-05 00:00:00", "2026-07-12 00:00:00"]),
        ("0 0 1 JAN-Feb *", ["2027-01-01 00:00:00", "2027-02-01 00:00:00"]),
        ("0 0 L * *", ["2026-07-31 00:00:00", "2026-08-31 00:00:00", "2026-09-30 00:00:00"]),
        ("0 0 15W * *", ["2026-07-15 00:00:00", "2026-08-14 00:00:00"]),
        ("0 0 * * MON#2", ["2026-07-13 00:00:00", "2026-08-10 00:00:00"]),
        ("0 0 * * L5", ["2026-07-31 00:00:00", "2026-08-28 00:00:00"]),
        ("0 0 29 2 *", ["2028-02-29 00:00:00", "2032-02-29 00:00:00"]),
        ("0 0 31 * *", ["2026-07-31 00:00:00", "2026-08-31 00:00:00", "2026-10-31 00:00:00"]),
        (" 0\t0  ? * * ", ["2026-07-02 00:00:00", "2026-07-03 00:00:00"]),
        ("@hourly", ["2026-07-01 13:00:00", "2026-07-01 14:00:00"]),
        ("@Daily", ["2026-07-02 00:00:00", "2026-07-03 00:00:00"]),
        ("@midnight", ["2026-07-02 00:00:00", "2026-07-03 00:00:00"]),
        ("@weekly", ["2026-07-05 00:00:00", "2026-07-12 00:00:00"]),
        ("@monthly", ["2026-08-01 00:00:00", "2026-09-01 00:00:00"]),
        ("@yearly", ["2027-01-01 00:00:00", "2028-01-01 00:00:00"]),
        ("@annually", ["2027-01-01 00:00:00", "2028-01-01 00:00:00"]),
    ],
)
def test_expression_runs_at_the_times_it_names(expression: str, runs: list[str]) -> None:
    ticks = Cron(expression).times(WEDNESDAY, WEDNESDAY + timedelta(days=5000))
    assert [str(next(ticks)).removesuffix("+00:00") for _ in runs] == runs


@pytest.mark.parametrize(
    ("expression", "runs"),
    [
        ("0 0 10 * MON", ["2026-07-06", "2026-07-10", "2026-07-13"]),
        ("0 0 */9 * MON", ["2026-07-06", "2026-07-10", "2026-07-13"]),
        ("0 0 30 2 MON", ["2027-02-01", "2027-02-08", "2027-02-15"]),
        ("0 0 * 9 MON", ["2026-09-07", "2026-09-14", "2026-09-21"]),
    ],
)
def test_either_of_two_restricted_day_fields_will_do(expression: str, runs: list[str]) -> None:
    ticks = Cron(expression).times(WEDNESDAY, WEDNESDAY + timedelta(days=400))
    assert [str(next(ticks).date()) for _ in runs] == runs


@pytest.mark.behaviour("F38")
@pytest.mark.parametrize(
    ("expression", "named"),
    [
        ("", "0 fields"),
        ("  \n", "0 fields"),
        ("* * * *", "4 fields"),
        ("* * * * * * *", "7 fields"),
        ("@reboot", "1 fields"),
        ("a" * 10_240, "10240 characters"),
        ("0 " * 5_120, "5120 fields"),
        ("0," * 130 + "0 * * * *", "269 characters"),
        (None, "cron None"),
        (5, "cron 5"),
        ("61 * * * *", "minute '61'"),
        ("* 24 * * *", "hour '24'"),
        ("* * 0 * *", "day-of-month '0'"),
        ("* * * 13 *", "month '13'"),
        ("* * * foo *", "month 'foo'"),
        ("* * * * 8", "day-of-week '8'"),
        ("* * * * MON#6", "day-of-week 'mon#6'"),
        ("60 * * * * *", "second '60'"),
        ("0 60 * * * *", "minute '60'"),
        ("-1 * * * *", "minute '-1'"),
        ("*/0 * * * *", "minute '*/0'"),
        ("1,,2 * * * *", "minute '1,,2'"),
        ("1.5 * * * *", "minute '1.5'"),
        ("* 1-999999999 * * *", "hour '1-999999999'"),
        ("\u0663 * * * *", "minute '\u0663'"),
        ("\ud800 * * * *", "minute"),
        ("0 9-9 * * *", "hour '9-9'"),
        ("H * * * *", "minute 'h'"),
        ("0 h/2 * * *", "hour 'h/2'"),
        ("R * * * *", "minute 'r'"),
        ("0 0 r(1-5) * *", "day-of-month 'r(1-5)'"),
        ("0 0 30 2 *", "day-of-month '30', month '2'"),
        ("0 0 31 4,6,9,11 *", "day-of-month '31', month '4,6,9,11'"),
        ("0 0 31 2 MON#5", "day-of-week 'mon#5'"),
    ],
)
def test_bad_expression_is_refused_at_once_and_named(expression: str, named: str) -> None:
    fastest = 1.0
    for _ in range(3):
        began = time.process_time()
        with pytest.raises(ConfigInvalid) as caught:
            Cron(expression)
        fastest = min(fastest, time.process_time() - began)
    assert named in str(caught.value)
    assert len(str(caught.value)) < 700
    assert fastest < 0.05


@pytest.mark.parametrize(
    "tz",
    [
        *("", "Mars/Base", "../etc/passwd", "/etc/passwd", "America", "tzdata.zi", "localtime"),
        *("a\0b", "x" * 10_000, "\ud800", None, 5, b"UTC"),
    ],
)
def test_bad_zone_is_refused_and_named(tz: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        Cron("* * * * *", tz)
    assert repr(tz)[:80] in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.behaviour("F38")
@given(st.text(alphabet="0123456789*,/-#?lwhr@ monjanfri\n", max_size=40))
@settings(max_examples=500, deadline=None)
def test_any_other_text_is_refused_with_the_same_error(expression: str) -> None:
    try:
        schedule = Cron(expression)
    except ConfigInvalid:
        return
    assert schedule.next_after(WEDNESDAY) > WEDNESDAY


def test_run_is_strictly_after_the_instant_and_in_the_zone_of_the_schedule() -> None:
    noon = Cron("0 12 * * *", tz="Asia/Kathmandu")
    run = noon.next_after(WEDNESDAY)
    assert str(run) == "2026-07-02 12:00:00+05:45"
    assert noon.next_after(run) == run + timedelta(days=1)
    assert noon.next_after(run - timedelta(microseconds=1)) == run
    assert noon.next_after(run.astimezone(timezone(timedelta(hours=-3)))) == run + timedelta(days=1)


def test_milliseconds_agree_with_instants() -> None:
    schedule = Cron("*/7 * * * * *", tz="Europe/Berlin")
    instant = WEDNESDAY + timedelta(milliseconds=6_999)
    assert schedule.next_after_ms(ms(instant)) == ms(instant) + 1
    assert ms(schedule.next_after(instant)) == ms(instant) + 1
    assert schedule.next_after_ms(ms(instant) + 1) == ms(instant) + 7_001


def test_times_leave_out_the_start_and_include_the_end() -> None:
    hourly, hour = Cron("@hourly"), timedelta(hours=1)
    assert list(hourly.times(WEDNESDAY, WEDNESDAY + hour)) == [WEDNESDAY + hour]
    assert list(hourly.times(WEDNESDAY, WEDNESDAY)) == []
    assert list(hourly.times(WEDNESDAY + hour, WEDNESDAY)) == []


def test_naive_instant_is_refused() -> None:
    naive = WEDNESDAY.replace(tzinfo=None)
    with pytest.raises(ConfigInvalid, match="no zone"):
        Cron("@daily").next_after(naive)
    with pytest.raises(ConfigInvalid, match="no zone"):
        list(Cron("@daily").times(WEDNESDAY, naive))


@pytest.mark.parametrize("tz", ["UTC", "Asia/Tokyo", "America/New_York"])
def test_end_of_the_calendar_is_a_typed_error(tz: str) -> None:
    schedule = Cron("@hourly", tz)
    for instant in (10**18, -(10**18), ms(datetime.max.replace(tzinfo=UTC))):
        with pytest.raises(ConfigInvalid, match="does not run"):
            schedule.next_after_ms(instant)
    with pytest.raises(ConfigInvalid, match="does not run"):
        schedule.next_after(datetime.max.replace(tzinfo=timezone(timedelta(hours=-12))))


def test_schedules_are_values() -> None:
    cron = Cron("30 2 * * *", tz="Europe/Berlin")
    assert repr(cron) == "Cron(expression='30 2 * * *', tz='Europe/Berlin')"
    assert repr(Every(1.5)) == "Every(period_ms=1500)"
    assert {cron, Cron("30 2 * * *", tz="Europe/Berlin"), Cron("30 2 * * *")} == {
        cron,
        Cron("30 2 * * *", "UTC"),
    }
    assert {Every(60), Every(60.0), Every(timedelta(minutes=1))} == {Every(60)}
    for other in (copy.deepcopy(cron), pickle.loads(pickle.dumps(cron))):
        assert other == cron
        assert other.next_after(WEDNESDAY) == cron.next_after(WEDNESDAY)
    with pytest.raises(AttributeError):
        cron.tz = "UTC"  # type: ignore[misc]


def test_threads_can_share_a_schedule(request: pytest.FixtureRequest) -> None:
    request.addfinalizer(partial(sys.setswitchinterval, sys.getswitchinterval()))
    sys.setswitchinterval(1e-6)
    schedule = Cron("*/7 */5 * * *", tz="Australia/Lord_Howe")
    instants = [ms(WEDNESDAY) + step * 86_400_000 for step in range(1_500)]
    alone = [schedule.next_after_ms(instant) for instant in instants]
    with ThreadPoolExecutor(4) as pool:
        shared = pool.map(lambda _: [schedule.next_after_ms(at) for at in instants], range(4))
        assert all(answers == alone for answers in shared)


@st.composite
def expressions(draw: st.DrawFn) -> str:
    def part(low: int, high: int) -> str:
        first, last = sorted(draw(st.tuples(*[st.integers(low, high)] * 2)))
        span = f"{first}-{last}" if first < last else str(first)
        step = draw(st.integers(1, high))
        return draw(st.sampled_from(["*", str(first), f"{first},{last}", span, f"*/{step}"]))

    seconds = draw(st.sampled_from(["", "30 ", "*/25 "]))
    return f"{seconds}{part(0, 59)} {part(0, 23)} {part(1, 28)} {part(1, 12)} {part(0, 6)}"


@given(
    expression=expressions(),
    tz=st.sampled_from(ZONES),
    start=st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),
    fraction=st.floats(0, 1, exclude_max=True),
)
@settings(max_examples=300, deadline=None)
def test_next_run_increases_strictly_and_is_the_same_until_it_is_reached(
    expression: str, tz: str, start: datetime, fraction: float
) -> None:
    schedule = Cron(expression, tz)
    first = schedule.next_after_ms(ms(start))
    between = ms(start) + int(fraction * (first - ms(start)))
    assert ms(start) <= between < first
    assert schedule.next_after_ms(between) == first
    assert schedule.next_after_ms(first - 1) == first
    assert schedule.next_after_ms(first) > first


@pytest.mark.requirement("B15")
@pytest.mark.parametrize(
    ("now", "following"),
    [(-5, 0), (-1, 0), (0, 1_500), (1, 1_500), (1_499, 1_500), (1_500, 3_000), (150_001, 151_500)],
)
def test_interval_ticks_on_its_anchor_and_whole_periods_after_it(now: int, following: int) -> None:
    anchor = ms(WEDNESDAY)
    assert Every(1.5).next_after_ms(anchor + now, anchor) == anchor + following


@pytest.mark.parametrize(
    "seconds",
    [
        *(0, 0.999, -60, float("nan"), float("inf"), 10**400, timedelta(0), timedelta.max),
        *("60", None, True, [60]),
    ],
)
def test_bad_interval_is_refused_and_named(seconds: float) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        Every(seconds)
    assert repr(seconds)[:80] in str(caught.value)
