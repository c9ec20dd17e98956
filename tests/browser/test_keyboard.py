"""Every kind of action without a mouse: by Tab, Space and Enter alone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from aiojobs_redis import JobState
from tests.browser.conftest import Tab
from tests.support.stage import Stage

# Its accessible name, as far as the pages give one, and whether the ring around it is drawn.
_FOCUSED = """() => {
  const at = document.activeElement;
  const label = at.labels && at.labels.length ? at.labels[0].textContent : at.textContent;
  const ring = getComputedStyle(at);
  return [(at.getAttribute('aria-label') || label || '').trim(),
          `${ring.outlineStyle} ${ring.outlineWidth}`];
}"""


def reach(page: Page, name: str) -> None:
    """Go on with Tab until what has that name has the focus, and is seen to have it."""
    passed: list[str] = []
    # Before that, the page may stand there without its style.
    page.wait_for_load_state("load")
    # Past the last one the browser begins again with the first.
    for _ in range(160):
        page.keyboard.press("Tab")
        at, ring = page.evaluate(_FOCUSED)
        if at == name:
            assert ring == "solid 2px", f"{name} has the focus, and nothing shows it: {ring}"
            return
        passed.append(at[:30])
    raise AssertionError(f"no {name!r} among {passed[-40:]}")


def press(page: Page, name: str, key: str = "Enter") -> None:
    """Go to what has that name and press a key on it."""
    reach(page, name)
    page.keyboard.press(key)


def type_into(page: Page, name: str, text: str) -> None:
    """Go to a field and fill it."""
    reach(page, name)
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type(text)


def test_a_job_is_changed_and_removed(tab: Tab, stage: Stage) -> None:
    job = stage.run(stage.other.enqueue("greet", "by keys", delay=900))
    page = tab.open(f"/jobs?state=scheduled&queue={stage.other.name}&q=keys")
    press(page, job.id)
    expect(page.locator(".facts")).to_contain_text("Attempt")
    type_into(page, "Priority", "7")
    page.keyboard.press("Enter")
    expect(page.locator(".notice")).to_have_text("1 job has another priority.")
    type_into(page, "Run in seconds", "600")
    press(page, "Reschedule")
    expect(page.locator(".notice")).to_have_text("1 job has another time.")
    press(page, "Cancel", " ")
    expect(page.locator(".notice")).to_have_text("1 job cancelled.")
    press(page, "Enqueue a copy")
    expect(page.locator(".notice")).to_have_text("1 job enqueued.")
    press(page, "Remove…")
    expect(page.locator("h1")).to_have_text("Remove 1 job?")
    press(page, "Remove it")
    expect(page.locator(".notice")).to_have_text("1 job removed.")
    assert stage.run(job.state()) is None
    stage.run(stage.other.drain())


def test_jobs_are_ticked_and_all_that_match_are_taken(tab: Tab, stage: Stage) -> None:
    queue = stage.other
    jobs = stage.run(
        queue.enqueue_many([queue.bind("greet", f"keys {n}", delay=900) for n in range(3)])
    )
    page = tab.open(f"/jobs?state=scheduled&queue={queue.name}")
    press(page, f"Select job {jobs[1].id}", " ")
    expect(page.locator("#ticked")).to_have_text("1 selected")
    press(page, "Cancel selected")
    expect(page.locator(".notice")).to_have_text("1 job cancelled.")
    press(page, "All 2 matching")
    press(page, "Remove all 2…")
    expect(page.locator("h1")).to_contain_text("that match?")
    press(page, "Remove them")
    expect(page.locator(".notice")).to_have_text("2 jobs removed.")
    assert [stage.run(job.state()) for job in jobs] == [None, JobState.CANCELLED, None]


def test_a_queue_is_paused_limited_edited_and_drained(tab: Tab, stage: Stage) -> None:
    queue = stage.other
    stage.run(queue.enqueue("greet", "goes"))
    page = tab.open(f"/queues/{queue.name}")
    press(page, "Pause")
    expect(page.locator(".notice")).to_contain_text("The queue is paused")
    press(page, "Resume")
    expect(page.locator(".notice")).to_have_text("The queue goes on.")
    type_into(page, "At once", "4")
    page.keyboard.press("Enter")
    expect(page.locator(".notice")).to_have_text("The limit is in force.")
    press(page, "Edit")
    type_into(page, "At once", "5")
    press(page, "Save")
    expect(page.locator("main")).to_contain_text("limit 5")
    press(page, "Take away")
    expect(page.locator(".notice")).to_have_text("The limit is taken away.")
    press(page, "Drain…")
    expect(page.locator("h1")).to_have_text(f"Remove the 1 waiting job of {queue.name}?")
    press(page, "No, go back")
    expect(page.locator("h1")).to_have_text(queue.name)
    press(page, "Drain…")
    expect(page.locator("h1")).to_have_text(f"Remove the 1 waiting job of {queue.name}?")
    press(page, "Remove 1 job")
    expect(page.locator(".notice")).to_have_text("1 waiting job removed.")


def test_a_schedule_is_run_paused_and_removed(tab: Tab, stage: Stage) -> None:
    queue = stage.other
    stage.run(queue.schedule("keyed", queue.bind("greet", "x"), every=3600))
    page = tab.open(f"/schedules?queue={queue.name}")
    for button, says in (
        ("Run keyed now", "The schedule has made a job."),
        ("Pause keyed", "The schedule is paused."),
        ("Resume keyed", "The schedule goes on with its next tick."),
    ):
        press(page, button)
        expect(page.locator(".notice")).to_have_text(says)
    press(page, "Remove keyed")
    expect(page.locator("h1")).to_have_text("Remove the schedule keyed?")
    press(page, "Remove the schedule")
    expect(page.locator(".notice")).to_contain_text("The schedule is removed")
    stage.run(queue.drain())


def test_dead_letters_run_again(tab: Tab, stage: Stage) -> None:
    job = stage.run(stage.queue.enqueue("fail", "once more"))

    async def dead() -> bool:
        return await job.state() is JobState.DEAD

    stage.wait(dead, "it to be dead")
    page = tab.open(f"/dead?queue={stage.queue.name}")
    press(page, "Run the dead jobs of fail with LookupError again")
    expect(page.locator("h1")).to_contain_text("Run the dead jobs")
    press(page, "Run them again")
    expect(page.locator(".notice")).to_contain_text("runs again")


@pytest.mark.parametrize("path", ["/queues/{q}", "/jobs?state=scheduled&queue={q}"])
def test_the_focus_stays_where_it_is_while_a_page_follows(
    tab: Tab, stage: Stage, path: str
) -> None:
    stage.run(stage.other.enqueue("greet", "focus", delay=900))
    page = tab.open(path.replace("{q}", stage.other.name))
    reach(page, "Drain…" if path.startswith("/queues") else "Cancel selected")
    before = page.evaluate(_FOCUSED)
    for _ in range(2):
        with page.expect_response(lambda answer: "hx-request" in answer.request.headers):
            page.keyboard.press("r")
        page.wait_for_load_state("networkidle")
    assert page.evaluate(_FOCUSED) == before
    stage.run(stage.other.drain(scheduled=True))
