"""The pages over plain HTTP: under a path of their own, and what their forms refuse."""

from __future__ import annotations

import re
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from aiojobs_redis import ConfigInvalid, JobState, Queue, Worker
from aiojobs_redis.web import Dashboard, Rights
from tests.support.waiting import wait_until
from tests.web.conftest import TOKEN, Reach, memory_queue

LINK = re.compile(r'(?:href|src|action|hx-get)="([^"]*)"')
PAGES = ["/", "/queues", "/queues/shown", "/jobs", "/dead", "/workers", "/schedules", "/tasks"]


def browsing(
    reach: Reach, app: Any, *, site: str = "same-origin", **options: Any
) -> httpx2.AsyncClient:
    """Return a client that asks as a browser does."""
    client = reach(app, **options)
    client.headers.update({"accept": "text/html", "sec-fetch-site": site})
    return client


@pytest.fixture
def shown() -> Queue:
    queue = memory_queue("shown")

    @queue.task
    async def add(a: int, b: int) -> int:
        return a + b

    return queue


@pytest.mark.parametrize("page", [*PAGES, "/redis"])
async def test_a_mounted_dashboard_links_to_itself_alone(
    shown: Queue, reach: Reach, page: str
) -> None:
    await shown.enqueue("add", 1, 2)
    client = browsing(
        reach, Starlette(routes=[Mount("/ops/jobs", Dashboard(shown, read_only=False))])
    )
    answer = await client.get(f"/ops/jobs{page}")
    assert answer.status_code == 200
    links = LINK.findall(answer.text)
    assert len(links) > 12
    assert {link for link in links if not link.startswith(("/ops/jobs", "#main"))} == set()


async def test_an_action_of_a_mounted_dashboard_leads_back_to_its_page(
    shown: Queue, reach: Reach
) -> None:
    job = await shown.enqueue("add", 1, 2, delay=60)
    client = browsing(
        reach, Starlette(routes=[Mount("/ops/jobs", Dashboard(shown, read_only=False))])
    )
    form = {"queue": "shown", "id": job.id, "back": "/ops/jobs/jobs?state=scheduled"}
    answer = await client.post("/ops/jobs/do/cancel", data=form)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/ops/jobs/jobs?state=scheduled&did=cancel&n=1&of=1"
    assert await job.state() is JobState.CANCELLED


@pytest.mark.requirement("S14")
@pytest.mark.parametrize(
    "back", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:1", "x", ""]
)
async def test_a_form_leads_to_no_other_place(shown: Queue, reach: Reach, back: str) -> None:
    client = browsing(reach, Dashboard(shown, read_only=False))
    answer = await client.post("/do/pause", data={"queue": "shown", "back": back})
    assert answer.headers["location"].startswith("/?did=pause")


@pytest.mark.parametrize("name", ["path", "self", "request", "params", "back", "_"])
async def test_a_field_of_any_name_is_asked_about_and_kept(
    shown: Queue, reach: Reach, name: str
) -> None:
    await shown.enqueue("add", 1, 2)
    client = browsing(reach, Dashboard(shown, read_only=False))
    answer = await client.post(f"/do/drain?queue=shown&{name}=x")
    assert answer.status_code == 200
    assert "Remove" in answer.text
    assert f"{name}=x" in answer.text


@pytest.mark.requirement("S14")
@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
async def test_a_form_of_another_site_changes_nothing(
    shown: Queue, reach: Reach, site: str
) -> None:
    for app, root in (
        (Dashboard(shown, read_only=False), ""),
        (Starlette(routes=[Mount("/ops", Dashboard(shown, read_only=False))]), "/ops"),
    ):
        client = browsing(reach, app, site=site)
        answer = await client.post(f"{root}/do/pause", data={"queue": "shown"})
        assert answer.status_code == 403
        assert "You may not do that" in answer.text
    assert not (await shown.counts()).paused
    client = browsing(reach, Dashboard(shown, read_only=False))
    assert (await client.get("/do/pause?queue=shown")).status_code == 405


@pytest.mark.requirement("B37")
async def test_a_right_to_some_actions_shows_their_buttons_alone(
    shown: Queue, reach: Reach
) -> None:
    job = await shown.enqueue("add", 1, 2, delay=60)
    rights = Rights(frozenset({"promote"}), "Eve")
    client = browsing(reach, Dashboard(shown, access=lambda _: rights))
    page = await client.get(f"/queues/shown/job?id={job.id}")
    assert set(re.findall(r'action="/do/(\w+)[?"]', page.text)) == {"promote"}
    for action in ("cancel", "remove", "drain", "replay_all", "remove_schedule"):
        answer = await client.post(f"/do/{action}", data={"queue": "shown", "id": job.id})
        assert answer.status_code == 403, action
    assert await job.state() is JobState.SCHEDULED
    assert (await client.post("/do/promote", data={"queue": "shown", "id": job.id})).is_redirect
    assert [record.who for record in await shown.actions()] == ["Eve"]


@pytest.mark.parametrize(
    ("action", "form", "says"),
    [
        ("reprioritise", {"priority": "high"}, "priority must be a whole number"),
        ("reprioritise", {}, "priority is missing"),
        ("reprioritise", {"priority": "5000"}, "1023"),
        ("reschedule", {"delay": "soon"}, "delay must be seconds"),
        ("reschedule", {}, "delay is missing"),
        ("reschedule", {"delay": "nan"}, "delay"),
        ("cancel", {"id": ""}, "no job is chosen"),
        ("limit", {"starts": "5"}, "rate"),
        ("limit", {"concurrency": "0"}, "concurrency"),
        ("limit", {"concurrency": " ", "starts": ""}, "fill one of them in"),
        ("pause", {"queue": "other"}, "there is no queue"),
        ("retry", {"job": ["x" for _ in range(3000)]}, "may have 2000 fields"),
    ],
)
async def test_what_a_form_gets_wrong_is_named_and_nothing_is_changed(
    shown: Queue, reach: Reach, action: str, form: dict[str, str], says: str
) -> None:
    job = await shown.enqueue("add", 1, 2, delay=60)
    client = browsing(reach, Dashboard(shown, read_only=False))
    answer = await client.post(f"/do/{action}", data={"queue": "shown", "id": job.id} | form)
    assert answer.status_code in {404, 422}
    assert says in answer.text
    info = await job.info()
    assert info is not None
    assert (info.state, info.priority) == (JobState.SCHEDULED, 0)
    assert await shown.limits() == []


async def test_an_action_that_does_not_exist_is_not_there(shown: Queue, reach: Reach) -> None:
    client = browsing(reach, Dashboard(shown, read_only=False))
    assert (await client.post("/do/destroy", data={"queue": "shown"})).status_code == 404


async def test_no_page_shows_a_password(reach: Reach) -> None:
    queue = Queue("shown", "redis://user:hunter2@127.0.0.1:1/0")
    client = browsing(reach, Dashboard(queue, token=TOKEN), token=TOKEN)
    answer = await client.get("/redis")
    assert answer.status_code == 503
    assert "Redis does not answer" in answer.text
    assert "hunter2" not in answer.text


@pytest.mark.requirement("S15")
async def test_every_text_of_a_job_is_escaped(shown: Queue, reach: Reach) -> None:
    mark = "<script>x</script>"

    @shown.task(attempts=1)
    async def fail(text: str) -> None:
        raise ValueError(text)

    await shown.enqueue("fail", mark, id=mark, key=mark, headers={"trace": mark}, delay=60)
    await shown.enqueue("fail", mark, id=f"2{mark}")
    await Worker(shown).run(burst=True)
    await shown.note_action(mark, mark, mark, {"why": mark}, mark)
    client = browsing(reach, Dashboard(shown, read_only=False))

    for path, params in (
        ("/jobs", {"state": "scheduled", "q": mark}),
        ("/jobs", {"state": "dead"}),
        ("/dead", {}),
        ("/queues/shown", {}),
        ("/queues/shown/job", {"id": mark}),
        ("/queues/shown/job", {"id": f"2{mark}"}),
        ("/queues/shown/job", {"id": f"none{mark}"}),
    ):
        answer = await client.get(path, params=params)
        assert mark not in answer.text, (path, params)
        assert "&lt;script&gt;" in answer.text or path == "/dead", (path, params)


async def test_a_poll_gets_the_main_part_alone(shown: Queue, reach: Reach) -> None:
    client = browsing(reach, Dashboard(shown))
    whole = await client.get("/queues")
    part = await client.get("/queues", headers={"hx-request": "true"})
    assert "<nav" in whole.text
    assert "<html" not in part.text
    assert '<main id="main"' in part.text


@pytest.mark.parametrize("name", [".", ".."])
def test_a_queue_that_no_link_could_reach_is_refused(name: str) -> None:
    with pytest.raises(ConfigInvalid, match="out of a path"):
        Dashboard(memory_queue(name))


async def test_the_gauge_of_a_queue_is_of_its_slots_or_of_its_limit(
    shown: Queue, reach: Reach
) -> None:
    client = browsing(reach, Dashboard(shown))
    # A queue that was never used has no workers.
    job = await shown.enqueue("add", 1, 2)
    async with Worker(shown, concurrency=8):
        await job.result(10)

        async def registered() -> bool:
            return bool(await shown.workers())

        await wait_until(registered, "the worker to be known")
        for limit, gauge in ((None, "0/8"), (5, "0/5"), (50, "0/8")):
            await shown.limit(concurrency=limit)
            for path in ("/queues", "/queues/shown"):
                page = (await client.get(path)).text
                assert f"<span>{gauge}</span>" in page, (path, limit)
                assert ("limit 5<" in page) == (limit == 5)
    await shown.limit(concurrency=2, task="add")
    assert "limit 2<" not in (await client.get("/queues")).text


async def test_a_browser_keeps_the_style_and_asks_whether_it_has_changed(
    shown: Queue, reach: Reach
) -> None:
    client = browsing(reach, Dashboard(shown))
    first = await client.get("/static/app.css")
    again = await client.get("/static/app.css", headers={"if-none-match": first.headers["etag"]})
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
    assert first.headers["cache-control"] == again.headers["cache-control"] == "no-cache"
    assert (await client.get("/queues")).headers["cache-control"] == "no-store"
