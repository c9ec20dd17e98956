"""The last runs of a schedule: which ticks they were, and what became of them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from aiojobs_redis import Queue, Worker
from aiojobs_redis.web import Dashboard
from aiojobs_redis.web.pages.past import ticks_before
from tests.support.waiting import wait_until
from tests.web.conftest import Reach, memory_queue

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


def days(expression: str, last: datetime, tz: str = "UTC", count: int = 4) -> list[str]:
    return [f"{tick:%m-%d %H:%M:%S}" for tick in ticks_before(expression, tz, last, count)]


def test_ticks_before_one_are_found_by_the_expression() -> None:
    assert days("*/5 * * * *", NOON) == [
        *("11-26 11:55:00", "11-26 11:50:00", "11-26 11:45:00", "11-26 11:40:00")
    ]
    assert days("*/20 * * * * *", NOON, count=2) == ["11-26 11:59:40", "11-26 11:59:20"]
    assert days("0 12 * * 1-5", NOON)[-2:] == ["11-23 12:00:00", "11-20 12:00:00"]
    assert days("0 12 26 * *", NOON, count=2) == ["10-26 12:00:00", "09-26 12:00:00"]
    assert days("every 90 s", NOON, count=2) == ["11-26 11:58:30", "11-26 11:57:00"]


def test_a_change_of_the_clocks_lies_between_two_of_them() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    last = datetime(2026, 10, 26, 2, 30, tzinfo=berlin)
    first, second = ticks_before("30 2 * * *", "Europe/Berlin", last, 2)
    assert (first.hour, second.hour) == (2, 2)
    assert last.timestamp() - second.timestamp() == timedelta(days=2, hours=1).total_seconds()


@pytest.mark.parametrize("expression", ["nonsense", "every 1e300 s", "0 0 30 2 *"])
def test_an_expression_that_cannot_be_followed_has_none(expression: str) -> None:
    assert ticks_before(expression, "UTC", NOON, 4) == ()
    assert ticks_before("@daily", "UTC", NOON, 0) == ()


def test_the_search_for_rare_ticks_ends() -> None:
    assert len(ticks_before("0 0 29 2 *", "UTC", datetime(2028, 2, 29, tzinfo=UTC), 4)) <= 4


async def test_a_schedule_shows_how_its_last_runs_ended(reach: Reach) -> None:
    queue: Queue = memory_queue("shown")

    @queue.task(attempts=1)
    async def tick() -> None:
        raise ValueError("no")

    await queue.schedule("often", tick.bind(), every=1)
    async with Worker(queue):

        async def dead() -> bool:
            return (await queue.counts()).dead >= 3

        await wait_until(dead, "three runs", 20)
        await queue.pause_schedule("often")
    newest = (await queue.schedules())[0].last_job
    await queue.job(newest or "").remove()
    client = reach(Dashboard(queue))
    page = (await client.get("/schedules", headers={"accept": "text/html"})).text

    runs = page.partition("Last runs")[2].partition("</ol>")[0]
    assert "not kept" in runs.partition("</li>")[0]
    assert 2 <= runs.count('<span class="pill dead">') <= 4
    for id in re.findall(r"id=(often%3A\d+)", runs):
        assert (await client.get(f"/queues/shown/job?id={id}")).status_code == 200
