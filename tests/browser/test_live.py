"""The live view, the keys, the theme, and what works without any script."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Tab
from tests.support.stage import Stage

# In place of two seconds, so that a test does not wait for them.
QUICK = "document.getElementById('main').dataset.every = '0.3'"


def asked(page: Page) -> list[str]:
    """Return a list that grows with each poll of the page."""
    found: list[str] = []
    page.on(
        "request",
        lambda request: found.append(request.url) if "hx-request" in request.headers else None,
    )
    return found


def test_a_page_follows_the_queue_and_keeps_what_was_opened_and_ticked(
    tab: Tab, stage: Stage
) -> None:
    queue = stage.other
    first = stage.run(queue.enqueue("greet", "first"))
    page = tab.open(f"/jobs?state=queued&queue={queue.name}")
    page.get_by_label(f"Select job {first.id}").check()
    stage.run(queue.enqueue("greet", "second"))
    expect(page.locator("tbody tr")).to_have_count(2)
    expect(page.get_by_label(f"Select job {first.id}")).to_be_checked()
    expect(page.locator("#ticked")).to_have_text("1 selected")
    expect(page.locator(".tabs [aria-current]")).to_contain_text("2")
    stage.run(queue.drain())
    expect(page.locator(".empty")).to_contain_text("No queued jobs.")

    page = tab.open("/")
    summary = page.locator("figure.chart summary").first
    summary.click()
    with page.expect_response(lambda answer: "hx-request" in answer.request.headers):
        pass
    expect(page.locator("figure.chart details").first).to_have_attribute("open", "")


def test_the_live_view_pauses_and_stops_while_nobody_looks(tab: Tab, stage: Stage) -> None:
    page = tab.open("/queues")
    polls = asked(page)
    page.evaluate(QUICK)
    with page.expect_request(lambda request: "hx-request" in request.headers):
        pass
    page.get_by_role("button", name="Live").click()
    expect(page.locator("#pause")).to_have_text("Paused")
    page.wait_for_load_state("networkidle")
    count = len(polls)
    page.evaluate(QUICK)
    page.wait_for_timeout(1000)
    assert len(polls) == count
    page.reload()
    expect(page.locator("#pause")).to_have_text("Paused")
    page.keyboard.press("r")
    page.wait_for_load_state("networkidle")
    assert len(polls) == count + 1

    page.evaluate("Object.defineProperty(document, 'hidden', {get: () => window.away})")
    page.evaluate("window.away = true")
    page.get_by_role("button", name="Paused").click()
    page.wait_for_load_state("networkidle")
    count = len(polls)
    page.evaluate(QUICK)
    page.wait_for_timeout(1000)
    assert len(polls) == count
    with page.expect_request(lambda request: "hx-request" in request.headers):
        page.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")


def test_a_lost_connection_is_told_and_forgotten_when_it_is_back(tab: Tab, stage: Stage) -> None:
    page = tab.open("/workers")
    expect(page.locator("#lost")).to_be_hidden()
    page.evaluate(QUICK)
    page.context.set_offline(True)
    expect(page.locator("#lost")).to_contain_text("Connection lost")
    expect(page.locator("h1")).to_have_text("Workers")
    page.evaluate(QUICK)
    page.context.set_offline(False)
    expect(page.locator("#lost")).to_be_hidden()
    tab.faults.clear()  # the browser reports that it is offline


def test_keys_lead_to_the_pages_to_the_search_and_to_their_list(tab: Tab, stage: Stage) -> None:
    page = tab.open("/")
    for key, title in {"j": "Jobs", "q": "Queues", "w": "Workers", "c": "Schedules"}.items():
        page.keyboard.press(key)
        # The script of a page is there a moment after its title.
        expect(page.locator("html.js h1")).to_have_text(title)
    page.keyboard.press("/")
    expect(page.get_by_label("Search jobs")).to_be_focused()
    page.keyboard.type("qjw?")
    expect(page.get_by_label("Search jobs")).to_have_value("qjw?")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.keyboard.press("Tab")
    page = tab.open("/")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()


def test_the_theme_is_kept_by_the_server(tab: Tab, stage: Stage) -> None:
    page = tab.open("/")
    page.keyboard.press("t")
    page.keyboard.press("t")
    expect(page.locator("#theme")).to_have_text("Theme: dark")
    # Sent with it, so that no page is light for a moment first.
    assert 'data-theme="dark"' in page.request.get(stage.url + "/queues").text()
    page.keyboard.press("t")
    assert "data-theme" not in page.request.get(stage.url + "/queues").text()


def test_json_is_copied(tab: Tab, stage: Stage) -> None:
    job = stage.run(stage.other.enqueue("greet", "Ada", {"deep": [1, 2]}))
    tab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = tab.open(f"/queues/{stage.other.name}/job?id={job.id}")
    page.get_by_role("button", name="Copy JSON").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied: Any = page.evaluate("navigator.clipboard.readText().then(JSON.parse)")
    assert copied == ["Ada", {"deep": [1, 2]}]


def test_reading_and_single_actions_need_no_script(browser: Browser, stage: Stage) -> None:
    job = stage.run(stage.other.enqueue("greet", "plain", delay=600))
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    for path in ("/", "/jobs?state=scheduled", "/queues", "/workers", "/schedules", "/tasks"):
        page.goto(stage.url + path)
        assert page.locator("h1").is_visible()
    assert page.locator("#pause").is_hidden()
    page.goto(f"{stage.url}/jobs?state=scheduled&q=plain")
    page.get_by_role("link", name=job.id[:10]).click()
    page.get_by_role("button", name="Cancel").click()
    assert page.locator(".notice").inner_text() == "1 job cancelled."
    assert stage.run(job.state()) == "cancelled"
    context.close()


def test_nothing_moves_for_those_who_do_not_want_it(tab: Tab, stage: Stage) -> None:
    page = tab.open("/")
    moving = "document.getAnimations({subtree: true}).length"
    page.emulate_media(reduced_motion="no-preference")
    assert page.evaluate(moving) == 1  # the dot of the live view
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate(moving) == 0
    # The dot then says the same by its word.
    expect(page.locator("#pause")).to_have_text("Live")


def test_a_page_stays_when_redis_does_not_answer(tab: Tab, stage: Stage) -> None:
    page = tab.open("/workers")
    page.route("**/workers", lambda route: route.fulfill(status=503, body="<h1>Other</h1>"))
    page.keyboard.press("r")
    expect(page.locator("#lost")).to_contain_text("Connection lost")
    expect(page.locator("h1")).to_have_text("Workers")
    page.unroute("**/workers")
    page.keyboard.press("r")
    expect(page.locator("#lost")).to_be_hidden()
    tab.faults.clear()  # the browser reports the 503


def test_a_page_leads_to_the_login_when_its_session_has_ended(tab: Tab, stage: Stage) -> None:
    page = tab.open("/workers")
    page.route(
        "**/workers",
        lambda route: (
            route.fulfill(status=401)
            if "hx-request" in route.request.headers
            else route.continue_()
        ),
    )
    with page.expect_navigation():
        page.keyboard.press("r")
    tab.faults.clear()  # the browser reports the 401


def test_a_notice_stays_while_the_page_follows_and_is_no_part_of_its_link(
    tab: Tab, stage: Stage
) -> None:
    page = tab.open(f"/queues/{stage.other.name}")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator(".notice")).to_contain_text("The queue is paused")
    for _ in range(2):
        with page.expect_response(lambda answer: "hx-request" in answer.request.headers):
            page.keyboard.press("r")
        page.wait_for_load_state("networkidle")
    expect(page.locator(".notice")).to_contain_text("The queue is paused")
    assert page.url == f"{stage.url}/queues/{stage.other.name}"
    page.reload()
    expect(page.locator(".notice")).to_have_count(0)
    stage.run(stage.other.resume())
