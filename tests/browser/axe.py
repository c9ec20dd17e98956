"""What axe finds wrong with a page."""

from __future__ import annotations

from importlib.resources import files

from playwright.sync_api import Page

__all__ = ["THEMES", "faults_in_both_themes", "faults_of"]

_AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
THEMES = "light", "dark"


def faults_of(page: Page) -> list[str]:
    """Run axe on a page as it is; a line on each fault."""
    page.evaluate(_AXE)
    result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{fault['id']}: {node['html'][:160]}"
        for fault in result["violations"]
        for node in fault["nodes"]
    ]


def faults_in_both_themes(page: Page) -> list[str]:
    """Run axe on a page in light and in dark; a line on each fault."""
    found: list[str] = []
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        found += [f"{theme}: {line}" for line in faults_of(page)]
    return found
