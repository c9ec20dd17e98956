"""docs/redis.md tells of every key, every letter and every script what the code says of them.

The table of scripts is written by ``python -m tests.docs.script_table``.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aiojobs_redis._redis.keys import KEY_NAMES
from tests.docs.script_table import PAGE as PATH
from tests.docs.script_table import row_of
from tests.quality.paths import lua_includes, lua_scripts

PAGE = PATH.read_text(encoding="utf-8")

TYPES = {"HASH", "ZSET", "STREAM"}


def table_under(heading: str) -> list[list[str]]:
    """Return the cells of the first table after a heading, without its own head."""
    _, found, rest = PAGE.partition(f"\n## {heading}\n")
    assert found, f"docs/redis.md has no heading {heading!r}"
    lines = rest[rest.index("\n|") + 1 :].split("\n\n", 1)[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


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
