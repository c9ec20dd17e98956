"""Every Lua file says what it takes and returns, and its one wrapper agrees."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from aiojobs_redis._redis.scripts import SCRIPTS
from aiojobs_redis._redis.splice import source
from tests.quality.paths import lua_includes, lua_scripts

FIRST_LINE = re.compile(r"-- (?P<name>\w+)\.lua: \S")
DECLARED = re.compile(
    r"\b(?P<table>KEYS|ARGV)\[(?P<first>\d+)(?:\.\.(?P<last>\d*))?\]\s+(?P<name>[\w.]+)"
)
USED = re.compile(r"\b(?P<table>KEYS|ARGV)\[(?P<index>\d+)\]")
BINDING = re.compile(
    r"^local (?P<names>[\w, ]+) = (?P<values>KEYS\[\d+\](?:, KEYS\[\d+\])*)$", re.M
)


def header_of(path: Path) -> list[str]:
    """Return the comment lines at the top, without the `#!lua` line that Redis reads."""
    lines = path.read_text(encoding="utf-8").splitlines()
    if lines[0].startswith("#!"):
        del lines[0]
    end = next((n for n, line in enumerate(lines) if not line.startswith("-- ")), len(lines))
    return lines[:end]


def declared(path: Path, table: str) -> list[tuple[int, str]]:
    """Return index and name of what the header declares; `ARGV[2..5]` declares four."""
    found = []
    for m in DECLARED.finditer("\n".join(header_of(path))):
        if m["table"] == table:
            first = int(m["first"])
            found += [(index, m["name"]) for index in range(first, int(m["last"] or first) + 1)]
    return found


@pytest.mark.parametrize("path", lua_scripts() + lua_includes(), ids=lambda path: path.stem)
def test_the_first_line_names_the_file_and_its_duty(path: Path) -> None:
    first = FIRST_LINE.match(header_of(path)[0])

    assert first is not None
    assert first["name"] == path.stem


@pytest.mark.parametrize("path", lua_scripts(), ids=lambda path: path.stem)
def test_the_header_declares_keys_arguments_and_what_is_returned(path: Path) -> None:
    for table in ("KEYS", "ARGV"):
        indexes = [index for index, _ in declared(path, table)]
        assert indexes == list(range(1, len(indexes) + 1))
    assert declared(path, "KEYS")
    assert any(line.startswith("-- Returns ") for line in header_of(path))


@pytest.mark.parametrize("path", lua_scripts(), ids=lambda path: path.stem)
def test_what_is_declared_is_what_is_used(path: Path) -> None:
    code = "\n".join(line.partition("--")[0] for line in source(path.stem).splitlines())
    used = {(m["table"], int(m["index"])) for m in USED.finditer(code)}
    if "unpack(KEYS)" in code:
        used |= {("KEYS", index) for index, _ in declared(path, "KEYS")}
    names = {(table, index) for table in ("KEYS", "ARGV") for index, _ in declared(path, table)}

    assert used <= names
    assert {key for key in names if key[0] == "KEYS"} <= used


@pytest.mark.parametrize("path", lua_scripts(), ids=lambda path: path.stem)
def test_keys_are_bound_to_the_names_of_the_header(path: Path) -> None:
    bound: list[tuple[int, str]] = []
    for m in BINDING.finditer(path.read_text(encoding="utf-8")):
        indexes = [int(index) for index in re.findall(r"\d+", m["values"])]
        bound += zip(indexes, m["names"].split(", "), strict=True)

    assert set(bound) <= set(declared(path, "KEYS"))


@pytest.mark.parametrize("path", lua_scripts(), ids=lambda path: path.stem)
def test_the_wrapper_passes_the_keys_of_the_header(path: Path) -> None:
    assert list(SCRIPTS[path.stem].keys) == [name for _, name in declared(path, "KEYS")]


def test_every_script_has_exactly_one_wrapper() -> None:
    wrapped = Counter(script.name for script in SCRIPTS.values())

    assert wrapped == Counter(path.stem for path in lua_scripts())


@pytest.mark.parametrize("path", lua_scripts(), ids=lambda path: path.stem)
def test_no_script_carries_a_function_that_it_does_not_use(path: Path) -> None:
    code = "\n".join(line.partition("--")[0] for line in source(path.stem).splitlines())
    defined = re.findall(r"^local function (\w+)", code, re.M)

    assert [name for name in defined if len(re.findall(rf"\b{name}\b", code)) < 2] == []


def test_every_include_is_taken_in_by_a_script() -> None:
    texts = "\n".join(path.read_text(encoding="utf-8") for path in lua_scripts())
    lists = re.findall(r"^--@(?:where \w+ |features )?include ([\w ]+)$", texts, re.M)
    taken = set(" ".join(lists).split())
    if "\n--@plain " in texts:
        taken.add("plain")

    assert taken == {path.stem for path in lua_includes()}
