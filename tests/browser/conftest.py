"""One Chromium and one dashboard a module, and pages that report what went wrong."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Dialog, Page, expect, sync_playwright

from tests.support.servers import ServerProcess
from tests.support.stage import Stage

# A busy machine is not a fault.
expect.set_options(timeout=15_000)

_SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Told by the page itself, before any script of it runs.
_WATCH = """
window.violations = [];
document.addEventListener('securitypolicyviolation', (event) => {
  window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});
"""


@dataclass
class Tab:
    """A page with what was seen of it.

    Attributes:
        page: The page.
        base: Where the dashboard is.
        faults: Errors of scripts, messages of the console, dialogs, requests to other places.
    """

    page: Page
    base: str
    faults: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        """Go to a page of the dashboard."""
        answer = self.page.goto(self.base + path)
        assert answer is not None
        assert answer.status == 200, f"{path}: {answer.status}"
        return self.page

    def check(self) -> None:
        """Fail if the page broke its policy, or a script failed."""
        assert self.page.evaluate("window.violations") == []
        assert self.faults == []


# Not of the session: while Playwright is there, its event loop counts as running in this thread,
# and no async test of another module could begin one.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    assert found, "the tests of the dashboard need Chromium on PATH: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=_SWITCHES)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def stage(valkey_server: ServerProcess) -> Iterator[Stage]:
    """A dashboard over two queues, with a worker of the first."""
    stage = Stage(valkey_server.url)
    stage.start()
    yield stage
    stage.stop()


@pytest.fixture
def tab(browser: Browser, stage: Stage) -> Iterator[Tab]:
    """A page that must neither report an error nor ask another place for anything."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(15_000)
    context.add_init_script(_WATCH)
    tab = Tab(context.new_page(), stage.url)
    watch(tab)
    yield tab
    tab.check()
    context.close()


def watch(tab: Tab) -> None:
    """Take down what should not happen."""
    page, faults = tab.page, tab.faults
    page.on("pageerror", lambda error: faults.append(f"script: {error}"))
    page.on("console", lambda m: faults.append(m.text) if m.type in {"error", "warning"} else None)

    def refuse(dialog: Dialog) -> None:
        faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    page.on("dialog", refuse)
    page.on(
        "request",
        lambda request: (
            None if request.url.startswith(tab.base) else faults.append(f"asked {request.url}")
        ),
    )
