"""The Markdown pages of the project, and the Python blocks in them.

A block runs unless the line above it is `<!-- fragment -->`. With `<!-- with a worker -->` above
it, a worker of the page's queues runs meanwhile, as `aiojobs-redis worker` would elsewhere.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from tests.quality.paths import ROOT

__all__ = ["DOCS", "Block", "blocks_of", "pages"]

DOCS = ROOT / "docs"

FRAGMENT = "<!-- fragment -->"
WITH_WORKER = "<!-- with a worker -->"

_BLOCK = re.compile(r"(?:^(?P<note><!-- [^\n]+ -->)\n)?^```python\n(?P<code>.*?)^```$", re.M | re.S)


class Block(NamedTuple):
    """A block of Python in a page.

    Attributes:
        line: Line of the page on which the code begins, from 1.
        code: The code.
        note: The comment above it, empty for none.
    """

    line: int
    code: str
    note: str


def pages() -> list[Path]:
    """Return the README and the pages of the documentation."""
    return [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


def blocks_of(page: Path) -> list[Block]:
    """Return the Python blocks of a page in their order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(text.count("\n", 0, m.start("code")) + 1, m["code"], m["note"] or "")
        for m in _BLOCK.finditer(text)
    ]
