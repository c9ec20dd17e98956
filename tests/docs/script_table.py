"""The table of scripts in docs/redis.md, made from the headers of the scripts.

``python -m tests.docs.script_table`` writes it into the page.
"""

from __future__ import annotations

import re
from pathlib import Path

from tests.docs.pages import DOCS
from tests.quality.paths import lua_scripts
from tests.quality.test_lua_headers import declared, header_of

__all__ = ["PAGE", "row_of"]

PAGE = DOCS / "redis.md"

_HEAD = "| script | KEYS | ARGV | Returns |\n|---|---|---|---|\n"
_TABLE = re.compile(re.escape(_HEAD) + r"(?:\|.*\n)*")
_PART = re.compile(r"\s*\b(?P<table>KEYS|ARGV)\[(?P<place>\d+(?:\.\.\d+)?)\]\s+")
_SENTENCE = re.compile(r"-- [A-Z][a-z]")


def _passage(path: Path, start: str) -> str:
    """Return a part of a header: from a line that begins so to the next sentence."""
    lines = header_of(path)
    first = next((n for n, line in enumerate(lines) if line.startswith(f"-- {start}")), None)
    if first is None:
        return ""
    end = first + 1
    while end < len(lines) and (lines[end].startswith("-- ARGV[") or _goes_on(lines[end])):
        end += 1
    return " ".join(line.removeprefix("-- ") for line in lines[first:end])


def _goes_on(line: str) -> bool:
    return not _SENTENCE.match(line) and not line.startswith("-- KEYS[")


def row_of(path: Path) -> str:
    """Return the row that belongs into the table of scripts."""
    keys = " ".join(f"`{name}`" for _, name in declared(path, "KEYS"))
    _, *parts = _PART.split(" " + _passage(path, "ARGV["))
    places, texts = parts[1::3], parts[2::3]
    arguments = [
        f"**{place}** {' '.join(text.split())}" for place, text in zip(places, texts, strict=True)
    ]
    cells = (f"`{path.stem}`", keys, "; ".join(arguments) or "none", _returned(path))
    return "| " + " | ".join(cell.replace(" | ", " or ") for cell in cells) + " |"


def _returned(path: Path) -> str:
    return " ".join(_passage(path, "Returns ").removeprefix("Returns ").split())


if __name__ == "__main__":
    rows = "".join(f"{row_of(path)}\n" for path in lua_scripts())
    text, count = _TABLE.subn(lambda _: _HEAD + rows, PAGE.read_text(encoding="utf-8"))
    if count != 1:
        raise SystemExit(f"{PAGE} has {count} tables of scripts")
    PAGE.write_text(text, encoding="utf-8")
