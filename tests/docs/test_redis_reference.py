"""docs/redis.md tells of every key, every letter and every script what the code says of them.

A row of the table of scripts is made from the script's header; a failing test shows the row that
belongs there.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aiojobs_redis._redis.keys import KEY_NAMES
from tests.docs.pages import DOCS
from tests.quality.paths import lua_includes, lua_scripts
from tests.quality.test_lua_headers import declared, header_of

PAGE = (DOCS / "redis.md").read_text(encoding="utf-8")

TYPES = {"HASH", "ZSET", "STREAM"}
PART = re.compile(r"\s*\b(?P<table>KEYS|ARGV)\[(?P<place>\d+(?:\.\.\d+)?)\]\s+")
SENTENCE = re.compile(r"-- [A-Z][a-z]")


def table_under(heading: str) -> list[list[str]]:
    """Return the cells of the first table after a heading, without its own head."""
    _, found, rest = PAGE.partition(f"\n## {heading}\n")
    assert found, f"docs/redis.md has no heading {heading!r}"
    lines = rest[rest.index("\n|") + 1 :].split("\n\n", 1)[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def passage(path: Path, start: str) -> str:
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
    return not SENTENCE.match(line) and not line.startswith("-- KEYS[")


def row_of(path: Path) -> str:
    """Return the row that belongs into the table of scripts."""
    keys = " ".join(f"`{name}`" for _, name in declared(path, "KEYS"))
    _, *parts = PART.split(" " + passage(path, "ARGV["))
    places, texts = parts[1::3], parts[2::3]
    arguments = [
        f"**{place}** {' '.join(text.split())}" for place, text in zip(places, texts, strict=True)
    ]
    cells = (f"`{path.stem}`", keys, "; ".join(arguments) or "none", returned(path))
    return "| " + " | ".join(cell.replace(" | ", " or ") for cell in cells) + " |"


def returned(path: Path) -> str:
    return " ".join(passage(path, "Returns ").removeprefix("Returns ").split())


@pytest.mark.parametrize("path", lua_scripts(), ids=lambda path: path.stem)
def test_a_script_is_documented_as_its_header_says(path: Path) -> None:
    assert row_of(path) in PAGE.splitlines()


def test_only_scripts_that_exist_are_documented() -> None:
    names = [cells[0] for cells in table_under("Scripts")]

    assert names == [f"`{path.stem}`" for path in lua_scripts()]


def test_every_key_is_documented_with_its_type() -> None:
    rows = table_under("Keys")

    assert [cells[0] for cells in rows] == [f"`{name}`" for name in KEY_NAMES]
    assert {cells[1] for cells in rows} <= TYPES
    assert all(len(cells) == 5 for cells in rows)


def test_every_letter_of_a_header_is_documented() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in lua_scripts() + lua_includes())
    used = set(re.findall(r"option\([\w.]+, '(\w)'\)", code))
    documented = {cells[0].strip("`") for cells in table_under("The header of a job")}

    assert used <= documented
    assert {"p", "l", "d", "r", "k", "m", "x"} <= documented


def test_the_acl_user_may_do_what_the_scripts_do() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in lua_scripts() + lua_includes())
    called = {name.lower() for name in re.findall(r"redis\.call\('(\w+)'", code)}
    _, _, user = PAGE.partition("\nACL SETUSER ")
    allowed = set(re.findall(r"\+(\w+)", user.partition("\n```")[0]))

    assert called <= allowed
