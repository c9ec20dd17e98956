"""Cron in forty zones over three years of changing clocks: each run is where an oracle has it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from aiojobs_redis.cron import Cron
from tests.support import figures
from tests.support.cron_oracle import runs, spans
from tests.support.tiers import sizes

# The first of three years in which something happens. The first five are the sample: shifts of
# half an hour, at midnight, in spring for a month, and of a whole day.
ZONES = {
    "America/New_York": 2025,
    "Australia/Lord_Howe": 2024,
    "Africa/Casablanca": 2024,
    "America/Sao_Paulo": 2017,
    "Pacific/Apia": 2010,
    "Pacific/Chatham": 2025,
    "America/Santiago": 2024,
    "Europe/Berlin": 2025,
    "Africa/Cairo": 2023,
    "Africa/El_Aaiun": 2024,
    "Africa/Juba": 2020,
    "Africa/Tripoli": 2012,
    "America/Anchorage": 2025,
    "America/Asuncion": 2022,
    "America/Caracas": 2015,
    "America/Chicago": 2025,
    "America/Denver": 2025,
    "America/Halifax": 2025,
    "America/Havana": 2025,
    "America/Los_Angeles": 2025,
    "America/Nuuk": 2022,
    "America/Scoresbysund": 2023,
    "America/St_Johns": 2009,
    "Antarctica/Casey": 2018,
    "Antarctica/Troll": 2025,
    "Asia/Amman": 2020,
    "Asia/Beirut": 2025,
    "Asia/Gaza": 2024,
    "Asia/Jerusalem": 2025,
    "Asia/Kathmandu": 1985,
    "Asia/Kolkata": 2025,
    "Asia/Pyongyang": 2015,
    "Asia/Tehran": 2020,
    "Asia/Tokyo": 2025,
    "Asia/Ulaanbaatar": 2015,
    "Atlantic/Azores": 2025,
    "Australia/Adelaide": 2025,
    "Europe/Dublin": 2025,
    "Europe/Volgograd": 2018,
    "Pacific/Norfolk": 2019,
}
EXPRESSIONS = [
    "30 1 * * *",
    "30 2 * * *",
    "0 0 * * *",
    "0,15,45 0-3 * * *",
    "5 23 L * *",
    "30 0,2 1,15 * SUN",
    "20 */3 * * *",
    "*/20 1-3 * 3-4,9-11 *",
]


@pytest.mark.behaviour("F37")
@sizes(ci={"zones": 3}, whole={"zones": 40})
def test_every_run_over_three_years_is_where_the_oracle_has_it(size: Mapping[str, Any]) -> None:
    wrong: list[str] = []
    compared = changes = 0
    for zone, year in list(ZONES.items())[: size["zones"]]:
        start, end = (datetime(each, 1, 1, tzinfo=UTC) for each in (year, year + 3))
        known = spans(zone, int(start.timestamp()), int(end.timestamp()))
        changes += len(known) - 1
        for expression in EXPRESSIONS:
            expected = runs(expression, known)
            found = _runs_of(expression, zone, expected[0] - 1, expected[-1])
            compared += len(expected)
            if found != expected:
                wrong.append(f"{expression} in {zone}: {sorted({*found} ^ {*expected})[:4]}")

    assert wrong == []
    assert changes > 4 * size["zones"]
    figures.record(
        "F37",
        n=compared,
        tier=size["tier"],
        note=f"{size['zones']} zones, 3 years, 8 expressions, {changes} changes; 0 mismatches",
    )


def _runs_of(expression: str, zone: str, after: int, last: int) -> list[int]:
    schedule, found = Cron(expression, zone), [after * 1000]
    while found[-1] < last * 1000:
        found.append(schedule.next_after_ms(found[-1]))
    return [ms // 1000 for ms in found[1:]]
