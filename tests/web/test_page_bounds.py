"""What a page costs does not depend on how many jobs there are: commands are counted."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_redis import Queue
from aiojobs_redis.web import Dashboard
from aiojobs_redis.web.pages.listing import SEARCHED
from tests.support.tiers import sizes
from tests.web.conftest import Reach
from tests.web.test_bounded import Spent, fill, filled

pytestmark = pytest.mark.requirement("S17")

__all__ = ["filled"]

PAGES = {
    "/": 12,
    "/queues": 10,
    "/queues/{q}": 12,
    "/jobs?state=dead": 6,
    "/jobs?state=queued&offset=5000": 6,
    "/jobs?state=dead&q=id:d00000001": 6,
    "/workers": 6,
    "/schedules": 6,
    "/tasks": 12,
    "/redis": 2,
    # These read jobs, as many as they say.
    "/jobs?state=dead&q=task:none": 2 * SEARCHED // 250 + 6,
    "/dead": 2 * SEARCHED // 250 + 6,
}


@pytest.mark.corrupts
@sizes(ci={"many": 20_000}, whole={"many": 1_000_000})
async def test_a_page_costs_the_same_however_many_jobs_there_are(
    filled: Queue, reach: Reach, size: dict[str, Any]
) -> None:
    client, spent = reach(Dashboard(filled)), Spent(filled)
    found: dict[str, list[tuple[int, int]]] = {page: [] for page in PAGES}
    for many in (6_000, size["many"]):
        await fill(filled, many)
        for page in PAGES:
            await spent.forget()
            answer = await client.get(page.replace("{q}", filled.name))
            assert answer.status_code == 200, page
            found[page].append(await spent.take())

    assert (await filled.counts()).dead == size["many"]
    for page, ((calls, commands), (more_calls, more_commands)) in found.items():
        assert more_calls <= min(calls + 1, PAGES[page]), page
        assert more_commands <= commands * 1.1 + 5, page
