"""The chart of the oldest job: what workers have kept, and what follows from it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from aiojobs_redis import MinuteMetrics, Queue, TaskMetrics
from aiojobs_redis.web import Dashboard
from aiojobs_redis.web.pages.waits import longest, waits
from tests.support.raw import raw
from tests.web.conftest import Reach, memory_queue

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def minutes(*samples: float | None) -> list[MinuteMetrics]:
    return [
        MinuteMetrics(NOW + timedelta(minutes=at), {}, TaskMetrics(), sample)
        for at, sample in enumerate(samples)
    ]


def test_what_was_kept_is_shown_and_the_last_minute_is_now() -> None:
    assert waits(minutes(5.0, 0.0, 7.0, 99.0), 1.0) == [5.0, 0.0, 7.0, 1.0]
    assert waits(minutes(None, 3.0, None), 0.0) == [None, 3.0, 0.0]


def test_a_minute_that_nobody_kept_is_told_by_the_next_one() -> None:
    assert waits(minutes(None, None, None, None), 150.0) == [None, 30.0, 90.0, 150.0]
    assert waits(minutes(None, None, 100.0, None), 150.0) == [None, 40.0, 100.0, 150.0]


def test_of_several_queues_the_longest_wait_counts() -> None:
    assert longest([[None, 1.0, None], [2.0, 3.0, None]]) == [2.0, 3.0, None]


@pytest.mark.parametrize("path", ["/", "/queues/shown"])
async def test_a_page_draws_an_hour_that_nobody_has_looked_at(reach: Reach, path: str) -> None:
    queue: Queue = memory_queue("shown")
    await queue.enqueue("work")
    at = (await queue.metrics(minutes=30)).minutes[0].at
    await raw(
        queue, "HSET", queue.store.keys["stats"], f"{int(at.timestamp()) // 60},,oldest", 321_000
    )

    page = await reach(Dashboard(queue)).get(path, headers={"accept": "text/html"})

    assert "at most 5 min 21 s" in page.text
    row = f'<td>{at:%H:%M:%S}</td><td class="n">321.000</td>'
    assert row in page.text
