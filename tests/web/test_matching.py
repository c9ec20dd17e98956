"""What "all that match" means for an action: what the list above it has shown."""

from __future__ import annotations

import dataclasses

import httpx2
import pytest

from aiojobs_redis import Queue, ServerReport, Worker
from aiojobs_redis.web import Dashboard
from aiojobs_redis.web.pages.search import Wanted, read_search, term
from tests.web.conftest import Reach, memory_queue

FORM = {"sec-fetch-site": "same-origin", "accept": "text/html"}


@pytest.fixture
def three(reach: Reach) -> tuple[Queue, httpx2.AsyncClient]:
    queue = memory_queue("a")

    @queue.task(attempts=1)
    async def end(text: str) -> None:
        raise type(text, (Exception,), {})(text)

    return queue, reach(Dashboard(queue, read_only=False))


async def test_an_id_matches_one_job_alone(three: tuple[Queue, httpx2.AsyncClient]) -> None:
    queue, client = three
    jobs = await queue.enqueue_many(queue.bind("end", str(n), delay=600) for n in range(3))
    form = {"all": "1", "state": "scheduled", "q": f"id:{jobs[1].id}", "back": "/"}

    asked = await client.post("/do/cancel", data=form, headers=FORM)
    assert "Cancel the scheduled job that matches?" in asked.text
    answer = await client.post("/do/cancel", data=form | {"sure": "1"}, headers=FORM)
    assert answer.headers["location"] == "/?did=cancel&n=1&of=1"
    assert [await job.state() for job in jobs] == ["scheduled", "cancelled", "scheduled"]
    # It is in another state than that of the list.
    again = await client.post("/do/remove", data=form | {"sure": "1"}, headers=FORM)
    assert again.headers["location"] == "/?did=remove&n=0&of=0"
    assert await jobs[1].state() == "cancelled"


async def test_the_number_of_a_group_leads_to_its_jobs_whatever_their_error_is_called(
    three: tuple[Queue, httpx2.AsyncClient],
) -> None:
    queue, client = three
    for text in ("Odd Error", "Odd Error", "Odd"):
        await queue.enqueue("end", text)
    await Worker(queue).run(burst=True)
    page = (await client.get("/dead", headers=FORM)).text

    link = page.partition('data-label="Jobs"><a href="')[2].partition('"')[0].replace("&amp;", "&")
    found = (await client.get(link, headers=FORM)).text
    assert found.count('aria-label="Select job') == 2


def test_a_term_of_a_search_is_read_as_it_was_meant() -> None:
    assert read_search(term("task", "send")) == Wanted(task="send")
    assert read_search(f"{term('error', 'Odd Error')} x") == Wanted(error="Odd Error", words=("x",))
    assert (term("error", ""), term("error", "Odd")) == ("", "error:Odd")


async def test_the_overview_tells_what_is_wrong_with_every_server(
    reach: Reach, monkeypatch: pytest.MonkeyPatch
) -> None:
    queues = [memory_queue("a"), memory_queue("b")]
    report = await queues[1].server()
    worse = dataclasses.replace(report, problems=("it is on fire",), address="b.example:6379")

    async def burning() -> ServerReport:
        return worse

    monkeypatch.setattr(queues[1], "server", burning)
    page = (await reach(Dashboard(queues)).get("/", headers=FORM)).text
    assert '<a href="/redis">b.example:6379</a>: it is on fire' in page
    assert page.count("in memory</a>") == 2
