"""A dashboard of several queues, one of whose servers does not answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import httpx2
import pytest

from aiojobs_redis import Queue
from aiojobs_redis.web import Dashboard
from tests.web.conftest import Reach, memory_queue

PAGE = {"accept": "text/html"}
REFUSES = "redis://127.0.0.1:1/0"


@pytest.fixture
async def silent() -> AsyncIterator[str]:
    """The URL of a server that takes connections and says nothing."""
    open_ones: list[asyncio.StreamWriter] = []

    async def take(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ones.append(writer)

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    server.close()
    for writer in open_ones:
        writer.close()


@pytest.fixture
async def queues(silent: str) -> AsyncIterator[list[Queue]]:
    """A queue that is well with a job, and one that is away."""
    well, away = memory_queue("well"), Queue("away", silent)

    @well.task
    async def add(a: int) -> None: ...

    await add.enqueue(1)
    yield [well, away]
    await away.close()


def text(answer: httpx2.Response) -> str:
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", answer.text.partition("<main")[2]))


@pytest.mark.parametrize(
    "path", ["/", "/queues", "/jobs", "/dead", "/workers", "/schedules", "/tasks", "/redis"]
)
async def test_every_page_shows_the_queues_that_answer(
    queues: list[Queue], reach: Reach, path: str
) -> None:
    page = await reach(Dashboard(queues)).get(path, headers=PAGE)

    assert page.status_code == 200, text(page)
    assert re.search(r"away\W+does not answer", text(page)), text(page)
    if path not in {"/dead", "/workers", "/schedules", "/tasks", "/redis"}:
        assert 'href="/jobs?queue=well' in page.text or 'href="/queues/well"' in page.text


async def test_a_queue_that_refuses_is_a_row_with_the_reason(reach: Reach) -> None:
    client = reach(Dashboard([memory_queue("well"), Queue("away", REFUSES)]))
    for path in ("/", "/queues"):
        page = await client.get(path, headers=PAGE)
        row = page.text.partition('<tr id="q-away">')[2].partition("</tr>")[0]
        assert "does not answer" in row
        assert "127.0.0.1:1" in row
        assert '<tr id="q-well">' in page.text


async def test_a_live_view_goes_on_without_it(queues: list[Queue], reach: Reach) -> None:
    client = reach(Dashboard(queues))
    part = await client.get("/jobs?state=queued", headers=PAGE | {"hx-request": "true"})
    assert part.status_code == 200
    assert part.text.count('aria-label="Select job') == 1
    assert re.search(r"away\W+does not answer", text(part))


async def test_the_error_of_one_queue_leads_to_the_others(reach: Reach) -> None:
    client = reach(Dashboard([memory_queue("well"), Queue("away", REFUSES)]))

    page = await client.get("/jobs?queue=away", headers=PAGE)
    assert page.status_code == 503
    picker = page.text.partition('<nav class="pick"')[2].partition("</nav>")[0]
    assert 'href="/jobs?queue=well"' in picker
    assert '<a href="/jobs?queue=away" aria-current="true">' in picker
    one = await client.get("/queues/away", headers=PAGE)
    assert (one.status_code, 'href="/jobs?queue=well"' in one.text) == (503, True)


async def test_where_none_answers_that_is_told(reach: Reach) -> None:
    client = reach(Dashboard([Queue("a", REFUSES), Queue("b", REFUSES)]))

    page = await client.get("/", headers=PAGE)
    assert page.status_code == 503
    listed = await client.get("/api/queues")
    assert listed.status_code == 503
    assert "no queue answers" in listed.json()["detail"]
    assert "a: " in listed.json()["detail"]


async def test_the_api_lists_the_others_and_names_what_is_away(
    queues: list[Queue], reach: Reach
) -> None:
    client = reach(Dashboard(queues))

    found = (await client.get("/api/queues")).json()

    assert [(each["queue"], each["queued"]) for each in found["queues"]] == [("well", 1)]
    [away] = found["away"]
    assert away["queue"] == "away"
    assert "did not answer within 1 s" in away["detail"]
    assert (await client.get("/api/queues/away")).status_code == 503
    schemas = (await client.get("/api/openapi.json")).json()["components"]["schemas"]
    assert schemas["QueueList"]["required"] == ["queues", "away"]


async def test_all_that_match_are_those_of_the_queues_that_answer(
    queues: list[Queue], reach: Reach
) -> None:
    client = reach(Dashboard(queues, read_only=False))
    form = {"all": "1", "state": "queued", "back": "/jobs?state=queued"}
    headers = PAGE | {"sec-fetch-site": "same-origin"}

    asked = await client.post("/do/cancel", data=form, headers=headers)
    assert "Cancel the queued job that matches?" in text(asked)
    assert re.search(r"away\W+does not answer", text(asked))
    answer = await client.post("/do/cancel", data=form | {"sure": "1"}, headers=headers)
    assert answer.headers["location"].endswith("did=cancel&n=1&of=1")
