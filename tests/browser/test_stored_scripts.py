"""Whatever jobs, workers and links bring with them, a page shows it as text."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import quote

import pytest
import redis
from playwright.sync_api import expect

from aiojobs_redis import Fixed, Job, current_job
from tests.browser.conftest import Tab
from tests.browser.payloads import PAYLOADS
from tests.support.servers import ServerProcess
from tests.support.stage import Stage

pytestmark = pytest.mark.requirement("S15")

FIVES = [PAYLOADS[at : at + 5] for at in range(0, 50, 5)]


def error_named(name: str) -> type[Exception]:
    return type(name.replace("\0", ""), (Exception,), {})


@pytest.fixture(scope="module")
def jobs(stage: Stage) -> list[Job[Any]]:
    """Jobs with five texts each in every field that takes one; the last half of them are dead.

    Beside them a dead job for each text, for the lists.
    """
    queue = stage.queue

    @queue.task(attempts=1)
    async def scream(text: str) -> None:
        raise error_named(text)(text)

    @queue.task(attempts=5, backoff=Fixed(0))
    async def shout(texts: list[str], again: dict[str, str]) -> dict[str, str]:
        job = current_job()
        text = texts[job.attempt - 1]
        await job.log(text)
        await job.progress(1, total=2, note=texts)
        for each in texts:
            job.state[each] = each
            await job.step(each, list, [each])
        if job.attempt < 5 or job.headers["end"] == "dead":
            raise error_named(text)(text)
        return {each: each for each in texts}

    async def seed() -> list[Job[Any]]:
        screams = [scream.options(id=text, key=text).bind(text) for text in PAYLOADS]
        await queue.enqueue_many(screams)
        shouts = [
            shout.options(
                id=f"{end} {texts[0]}",
                headers={"end": end} | {text: text for text in texts},
            ).bind(texts, {text: text for text in texts})
            for end, texts in zip(["completed", "dead"] * 5, FIVES, strict=True)
        ]
        for text in PAYLOADS[:10]:
            await queue.schedule(text, scream.bind(text), every=3600)
            await queue.limit(concurrency=99, key=text)
        return await queue.enqueue_many(shouts)

    jobs = stage.run(seed())

    async def ended() -> bool:
        counts = await queue.counts()
        return (counts.dead, counts.completed) == (55, 5)

    stage.wait(ended, "all of them to end")
    return jobs


def check(tab: Tab) -> None:
    assert tab.page.evaluate("typeof window.pwned") == "undefined", tab.page.url
    assert tab.page.evaluate("window.violations") == [], tab.page.url


def test_there_are_fifty_of_them() -> None:
    assert len(set(PAYLOADS)) == 50


def test_a_text_of_a_job_never_runs(tab: Tab, stage: Stage, jobs: list[Job[Any]]) -> None:
    name = stage.queue.name
    for job in jobs:
        page = tab.open(f"/queues/{name}/job?id={quote(job.id)}")
        assert page.locator("h1").inner_text().startswith("shout")
        check(tab)
    assert page.locator("#arguments-json").text_content()


def test_lists_groups_and_searches_show_texts_as_they_are(
    tab: Tab, stage: Stage, jobs: list[Job[Any]]
) -> None:
    name = stage.queue.name
    paths = ["/", "/jobs?state=dead", "/jobs?state=completed", "/dead", "/schedules", "/tasks"]
    for path in [*paths, "/workers", "/queues", f"/queues/{name}"]:
        page = tab.open(path)
        page.mouse.move(400, 400)
        check(tab)
    page = tab.open("/jobs?state=dead&q=" + quote(PAYLOADS[0]))
    expect(page.get_by_label("Search jobs")).to_have_value(PAYLOADS[0])
    expect(page.locator("tbody tr").first).to_contain_text("<script>window.pwned=1</script>")
    page.get_by_role("button", name="Remove selected").click()
    expect(page.locator("main")).to_contain_text("no job is chosen")
    tab.faults.clear()  # the browser reports the 422
    check(tab)


def test_a_text_of_a_worker_never_runs(
    tab: Tab, stage: Stage, valkey_server: ServerProcess
) -> None:
    now = time.time_ns() // 1_000_000
    # What another program that may write to Redis puts in the place of its workers.
    with redis.Redis.from_url(valkey_server.url) as client:
        for text in PAYLOADS:
            entry = {
                **{"host": text, "pid": 1, "version": text, "started_at": now},
                **{"concurrency": 1, "running": 0},
            }
            line = f"{now},{json.dumps(entry)}"
            client.hset(f"test:{{{stage.other.name}}}:workers", text, line)
    for path in (f"/workers?queue={stage.other.name}", f"/queues/{stage.other.name}", "/"):
        page = tab.open(path)
        check(tab)
    page = tab.open("/workers")
    for text in PAYLOADS[:3]:
        expect(page.locator("main")).to_contain_text(text)
    check(tab)


def test_a_text_of_a_link_never_runs(tab: Tab, stage: Stage) -> None:
    for texts in FIVES:
        given = quote(" ".join(texts), safe="")
        for path in (f"/queues/{given}", f"/jobs?state={given}&order={given}&q={given}"):
            tab.page.goto(stage.url + path)
            check(tab)
    tab.page.goto(f"{stage.url}/queues?did={quote(PAYLOADS[0])}&n={quote(PAYLOADS[0])}")
    expect(tab.page.locator(".notice")).to_have_count(0)
    tab.faults.clear()  # the browser reports each 404
    check(tab)
