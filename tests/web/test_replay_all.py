"""Ended jobs run again over HTTP and from the pages: by state, by when they ended, and how many."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from aiojobs_redis import JobState, Queue, Worker
from aiojobs_redis.web import Dashboard
from aiojobs_redis.web.pages import listing
from tests.web.conftest import Reach, memory_queue, with_tasks

FORM = {"sec-fetch-site": "same-origin", "accept": "text/html"}
PATH = "/api/dead/replay_all"


async def replayed(client: httpx2.AsyncClient, **body: Any) -> int:
    answer = await client.post(PATH, json=body)
    assert answer.status_code == 200, answer.text
    count: int = answer.json()["count"]
    return count


async def ended(queue: Queue, dead: int = 0, cancelled: int = 0, completed: int = 0) -> None:
    """Let so many jobs end in each way."""
    calls = [queue.bind("fail", f"{n}") for n in range(dead)]
    calls += [queue.bind("add", n, n) for n in range(completed)]
    await queue.enqueue_many(calls)
    await Worker(queue).run(burst=True)
    jobs = await queue.enqueue_many(queue.bind("add", n, n, delay=60) for n in range(cancelled))
    await asyncio.gather(*(job.cancel("not wanted") for job in jobs))


async def died_at(queue: Queue) -> list[datetime]:
    return [info.finished_at for info in await queue.dead_letters() if info.finished_at]


async def counted(queue: Queue) -> tuple[int, int, int]:
    counts = await queue.counts()
    return counts.dead, counts.cancelled, counts.completed


async def test_the_state_and_the_number_are_asked_for(
    client: httpx2.AsyncClient, web_queue: Queue
) -> None:
    await ended(web_queue, dead=3, cancelled=2, completed=2)

    assert await replayed(client, state="cancelled", limit=1) == 1
    assert await replayed(client, state="completed", task="fail") == 0
    assert await replayed(client, state="completed", error=None) == 2
    assert await replayed(client, limit=2) == 2
    assert await counted(web_queue) == (1, 1, 0)


async def test_those_that_ended_before_a_moment_run_again(
    client: httpx2.AsyncClient, web_queue: Queue
) -> None:
    await ended(web_queue, dead=1)
    (first,) = await died_at(web_queue)
    next_minute = datetime.now(UTC) + timedelta(minutes=1)

    assert await replayed(client, before=first.isoformat()) == 0, "not that of the moment itself"
    assert await replayed(client, before=f"{next_minute:%Y-%m-%dT%H:%MZ}") == 1, "without seconds"


async def test_what_was_asked_for_is_recorded(web_queue: Queue, reach: Reach) -> None:
    client = reach(Dashboard(web_queue, read_only=False))
    before = "2026-12-24T18:00:00+01:00"
    await replayed(client, state="cancelled", before=before, limit=5)

    begun, done = (await web_queue.actions())[::-1]
    assert begun.details == {"state": "cancelled", "before": before, "limit": 5}
    assert done.outcome == "0 jobs"


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        ({"state": "running"}, "$.state", "the value is 'running'"),
        ({"state": 5}, "$.state", "the value is 5"),
        ({"before": "yesterday"}, "$.before", "the value is 'yesterday'"),
        ({"before": "2026-12-24T18:00:00"}, "$.before", "timezone"),
        ({"before": "2201-01-01T00:00:00Z"}, "$.before", "before the year 2200, got 2201-01-01"),
        ({"limit": 0}, "$.limit", "expected `int` >= 1; the value is 0"),
        ({"limit": "2"}, "$.limit", "the value is '2'"),
        ({"limits": 2}, "$.limits", "is not known here"),
    ],
)
async def test_what_is_not_acceptable_is_named_and_nothing_runs(
    reach: Reach, body: dict[str, Any], field: str, said: str
) -> None:
    queue = with_tasks(memory_queue("one"))
    await ended(queue, dead=1)

    answer = await reach(Dashboard(queue, read_only=False)).post(PATH, json=body)

    assert answer.status_code == 422, answer.text
    problem = answer.json()
    assert problem["field"] == field
    assert said in problem["detail"]
    assert re.search("Nothing was (written|changed)", problem["detail"])
    assert await counted(queue) == (1, 0, 0)


@pytest.fixture
async def two(reach: Reach) -> tuple[list[Queue], httpx2.AsyncClient]:
    queues = [with_tasks(memory_queue(name)) for name in ("a", "b")]
    for queue in queues:
        await ended(queue, dead=2, cancelled=2)
    return queues, reach(Dashboard(queues, read_only=False))


async def told(client: httpx2.AsyncClient, action: str, **fields: str) -> str:
    """Return what a page says after an action."""
    form = {"back": "/dead", "sure": "1", **fields}
    done = await client.post(f"/do/{action}", data=form, headers=FORM)
    assert done.status_code == 303, done.text
    page = await client.get(done.headers["location"], headers=FORM)
    found = re.search(r'class="notice"[^>]*>([^<]*)', page.text)
    assert found is not None, page.text
    return found[1]


Two = tuple[list[Queue], httpx2.AsyncClient]


async def test_the_page_that_asks_lets_a_person_begin_with_a_few(two: Two) -> None:
    (queue, _), client = two
    asked = await client.post("/do/replay_all", data={"queue": "a", "back": "/dead"}, headers=FORM)
    assert 'name="limit"' in asked.text
    assert 'name="before"' in asked.text

    assert await told(client, "replay_all", queue="a", limit="1") == "1 dead job runs again."
    assert await told(client, "replay_all", queue="a", limit="", before="") == (
        "1 dead job runs again."
    )
    assert await counted(queue) == (0, 2, 0)


async def test_a_person_gives_the_moment_in_utc(two: Two) -> None:
    (queue, _), client = two
    now = datetime.now(UTC)
    hour = timedelta(hours=1)

    early = await told(client, "replay_all", queue="a", before=f"{now - hour:%Y-%m-%dT%H:%M}")
    late = await told(client, "replay_all", queue="a", before=f"{now + hour:%Y-%m-%dT%H:%M:%S}")

    assert (early, late) == ("0 dead jobs run again.", "2 dead jobs run again.")
    assert await counted(queue) == (0, 2, 0)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("before", "yesterday", "before must be a time such as 2026-12-24T18:00, got"),
        ("limit", "many", "limit must be a whole number, got"),
        ("limit", "0", "limit must be"),
    ],
)
async def test_what_a_person_typed_wrong_is_shown_and_nothing_runs(
    two: Two, field: str, value: str, said: str
) -> None:
    (queue, _), client = two
    form = {"queue": "a", "back": "/dead", "sure": "1", field: value}
    answer = await client.post("/do/replay_all", data=form, headers=FORM)

    assert answer.status_code == 422, answer.text
    assert said in answer.text
    assert await counted(queue) == (2, 2, 0)


@pytest.mark.parametrize("state", ["dead", "cancelled"])
async def test_all_that_match_run_again_in_one_call_of_each_queue(
    two: Two, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    queues, client = two
    monkeypatch.setattr(listing, "SEARCHED", 1)
    form = {"all": "1", "state": state, "q": ""}

    asked = await client.post("/do/retry", data=form, headers=FORM)
    assert f"Run all 4 {state} jobs that match again?" in asked.text
    assert "repeat it" not in asked.text
    assert 'name="limit"' in asked.text

    # Three of four: both of the first queue, one of the second, and none is said to be left alone.
    assert await told(client, "retry", **form, limit="3") == "3 jobs run again."
    assert await told(client, "retry", **form) == "1 job runs again."
    for queue in queues:
        assert await queue.jobs(state) == []


async def test_jobs_that_are_taken_one_by_one_are_not_narrowed(two: Two) -> None:
    (queue, _), client = two
    jobs = await queue.jobs(JobState.DEAD)
    form: dict[str, Any] = {"queue": "a", "id": [job.id for job in jobs], "back": "/dead"}
    ticked = await client.post("/do/retry", data=form, headers=FORM)
    words = {"all": "1", "state": "dead", "q": "ValueError 1"}
    matching = await client.post("/do/retry", data=words, headers=FORM)

    for asked in (ticked, matching):
        assert "again?" in asked.text
        assert 'name="limit"' not in asked.text
