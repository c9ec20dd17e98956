"""Actions on all that match, where that is more than is looked into at once."""

from __future__ import annotations

import re
from typing import Any

import httpx2
import pytest

from aiojobs_redis import Queue
from aiojobs_redis.web import Dashboard
from aiojobs_redis.web.pages import listing
from tests.web.conftest import Reach, memory_queue

FORM = {"sec-fetch-site": "same-origin", "accept": "text/html"}
ALL = {"all": "1", "state": "scheduled", "back": "/jobs?state=scheduled"}


@pytest.fixture(autouse=True)
def most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "SEARCHED", 6)


@pytest.fixture
async def nine() -> Queue:
    queue = memory_queue("a")

    @queue.task
    async def end(text: str) -> None: ...

    calls = [queue.bind("end", f"word {n}", delay=600) for n in range(9)]
    await queue.enqueue_many(calls)
    return queue


async def asked(client: httpx2.AsyncClient, action: str, **fields: str) -> str:
    """Return what is asked before an action."""
    page = await client.post(f"/do/{action}", data=ALL | fields, headers=FORM)
    found = re.search(r'<h1 id="ask">([^<]*)</h1><p>([^<]*)</p>', page.text)
    assert found is not None, page.text
    return " ".join(found.groups())


async def told(client: httpx2.AsyncClient, action: str, **fields: str) -> str:
    """Return what the page says after it."""
    done = await client.post(f"/do/{action}", data=ALL | fields | {"sure": "1"}, headers=FORM)
    page = await client.get(done.headers["location"], headers=FORM)
    found = re.search(r'class="notice"[^>]*>([^<]*)', page.text)
    assert found is not None, page.text
    assert 'hx-get="/jobs?state=scheduled"' in page.text
    return found[1]


async def test_what_was_not_looked_at_is_said_to_be_left(nine: Queue, reach: Reach) -> None:
    client = reach(Dashboard(nine, read_only=False))

    assert "This takes the first 6; repeat it for the rest." in await asked(client, "cancel")
    assert await told(client, "cancel") == "6 jobs cancelled. 3 more match: repeat it."
    assert (await nine.counts()).scheduled == 3
    assert await told(client, "cancel") == "3 jobs cancelled."


async def test_what_a_search_has_not_looked_into_is_said_to_be_left(
    nine: Queue, reach: Reach
) -> None:
    client = reach(Dashboard(nine, read_only=False))

    question = await asked(client, "cancel", q="word")
    assert "Only 6 of 9 scheduled jobs were looked into; repeat it for the rest." in question
    assert await told(client, "cancel", q="word") == (
        "6 jobs cancelled. 3 more were not looked into: repeat it."
    )


async def test_who_may_remove_but_not_clean_is_told_of_the_cut(nine: Queue, reach: Reach) -> None:
    some = reach(Dashboard(nine, access=lambda _: {"remove"}))
    every = reach(Dashboard(nine, access=lambda _: {"remove", "clean"}))

    assert "repeat it" not in await asked(every, "remove")
    assert "This takes the first 6; repeat it for the rest." in await asked(some, "remove")
    assert await told(some, "remove") == "6 jobs removed. 3 more match: repeat it."
    assert (await nine.counts()).scheduled == 3
    assert await told(every, "remove") == "3 jobs removed."


async def test_jobs_that_have_changed_meanwhile_are_told_apart(
    nine: Queue, reach: Reach, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = reach(Dashboard(nine, read_only=False))
    gone = (await nine.jobs("scheduled"))[0]
    plain = listing.find_jobs

    async def found(*args: Any, **named: Any) -> Any:
        jobs = await plain(*args, **named)
        await nine.job(gone.id).remove()
        return jobs

    monkeypatch.setattr("aiojobs_redis.web.pages.bulk.find_jobs", found)
    assert await told(client, "promote") == (
        "5 jobs run now. 1 other was in another state by then, and was left alone. "
        "3 more match: repeat it."
    )
