"""Links inside the documentation lead to a page that exists, and to a heading in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import pages
from tests.quality.paths import ROOT

LINK = re.compile(r"\]\((?!https?:)(?P<page>[^)#\s]*)(?:#(?P<anchor>[^)\s]+))?\)")
HEADING = re.compile(r"^#+ (?P<title>.+)$", re.M)
CODE = re.compile(r"^```.*?^```$", re.M | re.S)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as Markdown renderers make them."""
    text = CODE.sub("", page.read_text(encoding="utf-8"))
    titles = (m["title"].lower() for m in HEADING.finditer(text))
    return {re.sub(r"[^\w\- ]", "", title).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for m in LINK.finditer(CODE.sub("", page.read_text(encoding="utf-8"))):
        target = (page.parent / m["page"]).resolve() if m["page"] else page
        if not target.exists() or (m["anchor"] and m["anchor"] not in anchors(target)):
            broken.append(m[0])

    assert broken == []
