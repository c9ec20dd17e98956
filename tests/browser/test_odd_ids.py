"""Ids and keys of any text: the links to them work, and so does every button and box."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from aiojobs_redis import Job, JobState
from tests.browser.conftest import Tab
from tests.support.stage import Stage

ODD = {
    "a dot": ".",
    "two dots": "..",
    "a path": "a/../b/",
    "percent": "100%2F%zz",
    "spaces": " a  b ",
    "query": "?x=1&y=2#z;+",
    "quotes": "\"'<>\\",
    "unicode": "zo\u00eb \U0001f40d \u202e",
    "lines": "one\ntwo\r\nthree\rfour\t",
    "nothing to see": "\0\x1b\x7f",
    "no text": "{{ 1 }} %s \ufeff",
}


@pytest.mark.parametrize("name", ODD)
def test_a_job_of_any_id_is_opened_and_changed_by_its_links_and_buttons(
    tab: Tab, stage: Stage, name: str
) -> None:
    queue, id = stage.other, ODD[name]
    job: Job[Any] = stage.run(queue.enqueue("greet", name, delay=900, id=id, key=id))
    page = tab.open(f"/jobs?state=scheduled&queue={queue.name}")
    page.locator("tbody th a").click()
    expect(page.locator(".facts")).to_contain_text("Attempt")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".notice")).to_have_text("1 job cancelled.")
    assert stage.run(job.state()) is JobState.CANCELLED

    page = tab.open(f"/jobs?state=cancelled&queue={queue.name}")
    page.locator('tbody input[type="checkbox"]').check()
    page.get_by_role("button", name="Remove selected").click()
    page.get_by_role("button", name="Remove it").click()
    expect(page.locator(".notice")).to_have_text("1 job removed.")
    assert stage.run(job.state()) is None


@pytest.mark.parametrize("name", ["spaces", "lines", "percent"])
def test_a_limit_and_a_schedule_of_any_name_are_taken_away(
    tab: Tab, stage: Stage, name: str
) -> None:
    queue, text = stage.other, ODD[name]
    stage.run(queue.limit(concurrency=3, key=text))
    page = tab.open(f"/queues/{queue.name}")
    page.get_by_role("button", name="Take away").click()
    expect(page.locator(".notice")).to_have_text("The limit is taken away.")
    assert stage.run(queue.limits()) == []

    stage.run(queue.schedule(text, queue.bind("greet", "x"), every=3600))
    page = tab.open(f"/schedules?queue={queue.name}")
    page.locator("button.danger").click()
    page.get_by_role("button", name="Remove the schedule").click()
    expect(page.locator(".notice")).to_contain_text("The schedule is removed")
    assert stage.run(queue.schedules()) == []
