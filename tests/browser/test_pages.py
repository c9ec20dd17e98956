"""Every page shows what is there, without a fault that axe finds, in both themes and at 360 px."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from aiojobs_redis import Job, chain
from tests.browser.axe import faults_in_both_themes
from tests.browser.conftest import Tab
from tests.support.stage import Stage


@pytest.fixture(scope="module")
def jobs(stage: Stage) -> Iterator[dict[str, Job[Any]]]:
    """Jobs in every state, schedules, a limit: something on each page."""
    queue, other = stage.queue, stage.other

    async def seed() -> dict[str, Job[Any]]:
        found: dict[str, Job[Any]] = {}
        found["completed"] = await queue.enqueue("greet", "Ada", {"well": [1, None, "yes"]})
        found["dead"] = await queue.enqueue("fail", "no such planet", headers={"token": "s3cret"})
        found["retrying"] = await queue.enqueue("flaky", "try later")
        found["running"] = await queue.enqueue("hold", "held")
        found["scheduled"] = await queue.enqueue("greet", "Eve", delay=3600, priority=7)
        found["queued"] = await other.enqueue("greet", "Bob", key="acct-7")
        found["cancelled"] = await other.enqueue("greet", "Tom")
        await found["cancelled"].cancel("not wanted")
        steps = [other.bind("greet", name) for name in ("first", "second", "third")]
        found["flow"] = (await other.enqueue_flow(chain(*steps)))[1]
        await queue.schedule(
            "nightly", queue.bind("greet", "moon"), cron="30 2 * * *", tz="Europe/Berlin"
        )
        await other.schedule("pulse", other.bind("greet", "beat"), every=3600)
        await other.pause_schedule("pulse")
        await queue.limit(concurrency=3, task="greet")
        return found

    found = stage.run(seed())

    async def settled() -> bool:
        counts = await queue.counts()
        return (counts.completed, counts.dead, counts.retrying, counts.running) == (1, 1, 1, 1)

    stage.wait(settled, "jobs in every state")
    yield found
    stage.open_gate()


def job_path(job: Job[Any]) -> str:
    return f"/queues/{job.queue.name}/job?id={job.id}"


PAGES = {
    "overview": "/",
    "queues": "/queues",
    "queue": "/queues/{queue}",
    "jobs": "/jobs?state=scheduled",
    "search": "/jobs?state=dead&q=error%3ALookupError",
    "job": "dead",
    "progress": "running",
    "flow": "flow",
    "dead": "/dead",
    "workers": "/workers",
    "schedules": "/schedules",
    "tasks": "/tasks",
    "redis": "/redis",
    "nothing": "/jobs?state=blocked&queue={queue}",
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_accessible_in_both_themes_and_fits_a_phone(
    tab: Tab, stage: Stage, jobs: dict[str, Job[Any]], name: str
) -> None:
    path = PAGES[name].format(queue=stage.queue.name)
    page = tab.open(path if path.startswith("/") else job_path(jobs[path]))
    # Colours that move are no colours that axe could look at.
    page.emulate_media(reduced_motion="reduce")
    assert faults_in_both_themes(page) == []
    page.set_viewport_size({"width": 360, "height": 740})
    over = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert over <= 0, f"{over} px too wide"


@pytest.mark.requirement("B38")
def test_the_overview_agrees_with_the_counts(
    tab: Tab, stage: Stage, jobs: dict[str, Job[Any]]
) -> None:
    page = tab.open("/")
    for state, count in {"scheduled": 1, "running": 1, "dead": 1, "retrying": 1}.items():
        expect(page.locator(f".state.{state} .count")).to_have_text(str(count))
    expect(page.locator("figure.chart")).to_have_count(4)
    expect(page.get_by_role("img", name="Throughput")).to_be_visible()
    page.locator("figure.chart summary").first.click()
    expect(page.locator("figure.chart").first.locator("tbody tr").last).to_contain_text("1")
    expect(page.locator("main")).to_contain_text("no worker was seen in the last 5 s")


def test_a_queue_tells_its_workers_priorities_limits_and_actions(
    tab: Tab, stage: Stage, jobs: dict[str, Job[Any]]
) -> None:
    page = tab.open(f"/queues/{stage.queue.name}")
    expect(page.get_by_role("region", name="Workers")).to_contain_text("1/4")
    expect(page.get_by_role("region", name="Limits and pauses")).to_contain_text("task greet")
    page = tab.open(f"/queues/{stage.other.name}")
    expect(page.get_by_role("region", name="Queued by priority")).to_contain_text("0")
    expect(page.locator("main")).to_contain_text("aiojobs-redis worker app:queue")


def test_jobs_are_found_by_state_and_by_qualifiers(
    tab: Tab, stage: Stage, jobs: dict[str, Job[Any]]
) -> None:
    page = tab.open("/jobs")
    page.get_by_role("navigation", name="State").get_by_role("link", name="dead").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody tr")).to_contain_text("LookupError: no such planet")
    for search, number in {
        "task:fail": 1,
        "task:greet": 0,
        "error:LookupError planet": 1,
        "nowhere": 0,
        f"queue:{stage.other.name}": 0,
        f"id:{jobs['queued'].id}": 1,
        "id:unknown": 0,
    }.items():
        page.get_by_label("Search jobs").fill(search)
        page.get_by_role("button", name="Search").click()
        expect(page.locator("tbody tr")).to_have_count(number)
    expect(page.locator(".empty")).to_contain_text("No job has that id here")
    assert "q=id%3Aunknown" in page.url
    assert "state=dead" in page.url


def test_a_job_shows_its_life_its_arguments_and_its_errors(
    tab: Tab, jobs: dict[str, Job[Any]]
) -> None:
    page = tab.open(job_path(jobs["dead"]))
    expect(page.get_by_role("heading", level=1)).to_have_text("fail dead")
    expect(page.locator(".error pre")).to_contain_text("LookupError: no such planet")
    expect(page.locator(".timeline")).to_contain_text("Dead")
    expect(page.get_by_role("region", name="Headers")).to_contain_text("[hidden]")
    assert "s3cret" not in page.content()
    page = tab.open(job_path(jobs["completed"]))
    expect(page.get_by_role("region", name="Result")).to_contain_text("greeted")
    expect(page.get_by_role("region", name="Log")).to_contain_text("hello Ada")
    expect(page.locator("#arguments-json")).to_contain_text('"well": [', use_inner_text=False)
    expect(page.locator("time").first).to_have_attribute("title", re.compile(r"\d\d:\d\d:\d\d\."))


def test_a_running_job_shows_its_progress_and_a_flow_its_neighbours(
    tab: Tab, jobs: dict[str, Job[Any]]
) -> None:
    page = tab.open(job_path(jobs["running"]))
    expect(page.get_by_role("region", name="Progress")).to_contain_text("75 %")
    expect(page.get_by_role("region", name="Log")).to_contain_text("waiting for the gate")
    page = tab.open(job_path(jobs["flow"]))
    expect(page.locator(".flow li")).to_have_count(3)
    page.locator(".flow .parents a").click()
    expect(page.locator(".flow li")).to_have_count(3)


def test_workers_show_what_they_run_now(tab: Tab, jobs: dict[str, Job[Any]]) -> None:
    page = tab.open("/workers")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody tr")).to_contain_text("hold('held')")
    expect(page.locator("main")).to_contain_text("1/4")


def test_a_schedule_shows_its_words_and_its_next_five_runs(
    tab: Tab, stage: Stage, jobs: dict[str, Job[Any]]
) -> None:
    page = tab.open(f"/schedules?queue={stage.queue.name}")
    expect(page.locator(".schedule")).to_contain_text("At 02:30")
    expect(page.locator(".ticks li")).to_have_count(5)
    expect(page.locator(".ticks li").first).to_contain_text("02:30:00")


def test_tasks_dead_letters_and_redis_tell_their_figures(
    tab: Tab, stage: Stage, jobs: dict[str, Job[Any]]
) -> None:
    page = tab.open(f"/tasks?queue={stage.queue.name}")
    failing = page.locator("tbody tr", has=page.get_by_role("link", name="fail"))
    expect(failing).to_contain_text("100 %")
    page = tab.open("/dead")
    expect(page.locator("tbody tr")).to_contain_text("no such planet")
    page = tab.open("/redis")
    expect(page.locator("main")).to_contain_text("noeviction")
    expect(page.locator("main")).to_contain_text("A restart of the server loses all jobs")


def test_a_page_that_is_not_there_says_where_to_go(tab: Tab, stage: Stage) -> None:
    answer = tab.page.goto(f"{stage.url}/queues/{stage.queue.name}/job?id=gone")
    assert answer is not None
    assert answer.status == 404
    expect(tab.page.locator("main")).to_contain_text("its retention ended")
    tab.faults.clear()  # the browser reports the 404 of the page
