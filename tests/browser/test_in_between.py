"""What a person sees between two pages: questions, menus, refusals, the list of keys, the login."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from aiojobs_redis import Job
from tests.browser.axe import faults_in_both_themes
from tests.browser.conftest import Tab
from tests.support.stage import Stage


@pytest.fixture(scope="module")
def job(stage: Stage) -> Job[Any]:
    """A job that waits for its time, beside a schedule and a limit."""
    queue = stage.other

    async def seed() -> Job[Any]:
        await queue.limit(concurrency=3, task="greet")
        await queue.schedule("nightly", queue.bind("greet", "moon"), cron="30 2 * * *")
        await queue.enqueue("greet", "another", delay=900)
        return await queue.enqueue("greet", "later", delay=900)

    return stage.run(seed())


def drain(page: Page, base: str, job: Job[Any]) -> None:
    page.goto(f"{base}/queues/{job.queue.name}")
    page.get_by_role("button", name="Drain…").click()
    expect(page.locator("h1")).to_contain_text("Remove the 0 waiting jobs")


def remove(page: Page, base: str, job: Job[Any]) -> None:
    page.goto(f"{base}/queues/{job.queue.name}/job?id={job.id}")
    page.get_by_role("button", name="Remove…").click()
    expect(page.locator("h1")).to_have_text("Remove 1 job?")


def unschedule(page: Page, base: str, job: Job[Any]) -> None:
    page.goto(f"{base}/schedules?queue={job.queue.name}")
    page.get_by_role("button", name="Remove nightly").click()
    expect(page.locator("h1")).to_have_text("Remove the schedule nightly?")


def open_menu(page: Page, base: str, job: Job[Any]) -> None:
    page.goto(f"{base}/jobs?state=scheduled&queue={job.queue.name}")
    page.get_by_text("All 2 matching").click()
    expect(page.get_by_role("button", name="Promote all 2…")).to_be_visible()


def promote_all(page: Page, base: str, job: Job[Any]) -> None:
    open_menu(page, base, job)
    page.get_by_role("button", name="Promote all 2…").click()
    expect(page.locator("h1")).to_have_text("Run all 2 scheduled jobs that match now?")


def edit(page: Page, base: str, job: Job[Any]) -> None:
    page.goto(f"{base}/queues/{job.queue.name}")
    page.get_by_text("Edit", exact=True).click()
    expect(page.get_by_role("button", name="Save")).to_be_visible()


def refused(page: Page, base: str, job: Job[Any]) -> None:
    page.goto(f"{base}/queues/{job.queue.name}")
    page.get_by_role("button", name="Set limit").click()
    expect(page.locator("main")).to_contain_text("fill one of them in")


def gone(page: Page, base: str, job: Job[Any]) -> None:
    page.goto(f"{base}/queues/{job.queue.name}/job?id=gone")
    expect(page.locator("h1")).to_have_text("There is nothing here")


def keys(page: Page, base: str, job: Job[Any]) -> None:
    page.goto(base)
    page.get_by_role("button", name="Keys").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def lost(page: Page, base: str, job: Job[Any]) -> None:
    page.goto(f"{base}/workers")
    page.route("**/workers", lambda route: route.abort())
    page.evaluate("document.getElementById('main').dataset.every = '0'")
    page.keyboard.press("r")
    expect(page.locator("#lost")).to_be_visible()


WHAT: dict[str, Callable[[Page, str, Job[Any]], None]] = {
    one.__name__: one
    for one in (drain, remove, unschedule, open_menu, promote_all, edit, refused, gone, keys, lost)
}


@pytest.mark.parametrize("name", WHAT)
def test_what_comes_in_between_is_accessible_in_both_themes_and_fits_a_phone(
    tab: Tab, stage: Stage, job: Job[Any], name: str
) -> None:
    page = tab.page
    page.emulate_media(reduced_motion="reduce")
    WHAT[name](page, stage.url, job)
    assert faults_in_both_themes(page) == []
    page.set_viewport_size({"width": 360, "height": 740})
    over = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert over <= 0, f"{over} px too wide"
    tab.faults.clear()  # the browser reports refusals


def test_the_login_is_accessible_in_both_themes(browser: Browser, stage: Stage) -> None:
    guarded = Stage(stage.queue.store.server.label, token="a-token-of-the-tests-0123456789")
    guarded.start()
    page = browser.new_page(viewport={"width": 360, "height": 740})
    try:
        page.goto(f"{guarded.url}/queues")
        assert faults_in_both_themes(page) == []
        page.get_by_label("Token").fill("wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_be_visible()
        assert faults_in_both_themes(page) == []
    finally:
        page.close()
        guarded.stop()
