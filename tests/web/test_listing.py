"""Lists of the jobs of several queues, and of those that a search has found: by their time."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence

import httpx2
import pytest

from aiojobs_redis import Queue, Worker
from aiojobs_redis.web import Dashboard
from aiojobs_redis.web.pages import listing
from aiojobs_redis.web.pages.listing import MERGED, PAGE
from aiojobs_redis.web.pages.rows import tick
from tests.web.conftest import Reach


def sharing(*names: str) -> list[Queue]:
    url = f"memory://{uuid.uuid4().hex}"
    queues = [Queue(name, url) for name in names]
    for queue in queues:

        @queue.task(attempts=1)
        async def end(text: str) -> None:
            if text.startswith("bad"):
                raise ValueError(text)

    return queues


async def shown(client: httpx2.AsyncClient, path: str) -> list[str]:
    answer = await client.get(path, headers={"accept": "text/html"})
    assert answer.status_code == 200, answer.text
    return re.findall(r'aria-label="Select job ([^"]*)"', answer.text)


async def run_in_turn(queues: Sequence[Queue], texts: Sequence[str]) -> None:
    """Run one job after the other, in a queue each."""
    for queue, text in zip(queues, texts, strict=True):
        await queue.enqueue("end", text, id=text)
        await Worker(queue).run(burst=True)


async def test_jobs_of_several_queues_stand_by_their_time(reach: Reach) -> None:
    a, b = sharing("a", "b")
    await run_in_turn([a, b, a, b, a], ["ok 1", "ok 2", "ok 3", "ok 4", "bad 5"])
    client = reach(Dashboard([a, b]))

    assert await shown(client, "/jobs?state=completed") == ["ok 4", "ok 3", "ok 2", "ok 1"]
    oldest = await shown(client, "/jobs?state=completed&order=oldest")
    assert oldest == ["ok 1", "ok 2", "ok 3", "ok 4"]
    assert await shown(client, "/jobs?state=completed&queue=a") == ["ok 3", "ok 1"]
    searched = await shown(client, "/jobs?state=completed&q=task:end")
    assert searched == ["ok 4", "ok 3", "ok 2", "ok 1"]
    assert await shown(client, "/jobs?state=dead") == ["bad 5"]
    assert await shown(client, "/jobs?state=dead&offset=50") == []


async def test_a_list_of_several_queues_ends_where_it_says(reach: Reach) -> None:
    a, b = sharing("a", "b")
    for queue in (a, b):
        await queue.enqueue_many([queue.bind("end", str(n)) for n in range(MERGED)])
    client = reach(Dashboard([a, b]))

    seen: list[str] = []
    for offset in range(0, MERGED, PAGE):
        page = await shown(client, f"/jobs?state=queued&offset={offset}")
        assert len(page) == PAGE
        seen += page
    assert len(set(seen)) == MERGED
    last = await client.get(f"/jobs?state=queued&offset={MERGED - PAGE}")
    assert f"the first {MERGED} are listed" in last.text
    assert 'rel="next"' not in last.text
    alone = await shown(client, f"/jobs?state=queued&queue=b&offset={MERGED - PAGE}")
    assert len(alone) == PAGE


@pytest.mark.parametrize("order", ["newest", "oldest"])
async def test_every_job_of_a_queue_is_on_one_page(reach: Reach, order: str) -> None:
    [queue] = sharing("a")
    names = [f"{n:03}" for n in range(2 * PAGE + 7)]
    for name in names:
        await queue.enqueue("end", name, id=name)
    client = reach(Dashboard(queue))

    seen: list[str] = []
    for offset in (0, PAGE, 2 * PAGE, 3 * PAGE):
        seen += await shown(client, f"/jobs?state=queued&order={order}&offset={offset}")

    assert seen == (names[::-1] if order == "newest" else names)


async def test_a_search_looks_into_each_of_the_queues(
    reach: Reach, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "SEARCHED", 100)
    a, b = sharing("a", "b")
    await a.enqueue_many([a.bind("end", str(n)) for n in range(200)])
    await b.enqueue("end", "wanted", id="wanted")
    client = reach(Dashboard([a, b]))

    assert await shown(client, "/jobs?state=queued&q=wanted") == ["wanted"]
    page = await client.get("/jobs?state=queued&q=wanted")
    assert "1 found. Searched the first 51 of 201 queued jobs." in page.text


async def test_of_many_jobs_those_in_another_state_are_left_alone(reach: Reach) -> None:
    [queue] = sharing("a")
    jobs = await queue.enqueue_many(
        queue.bind("end", str(n), delay=600 if n % 3 else 0, id=f"n/{n}") for n in range(45)
    )
    client = reach(Dashboard(queue, read_only=False))
    ticked = [tick("a", job.id) for job in jobs]
    answer = await client.post(
        "/do/promote",
        data={"job": ticked, "sure": "1", "back": "/"},
        headers={"sec-fetch-site": "same-origin"},
    )

    assert answer.headers["location"] == "/?did=promote&n=30&of=45"
    assert (await queue.counts()).queued == 45
