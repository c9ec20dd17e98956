"""What a script is made of: only what it uses, and that only where its queue uses it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from aiojobs_redis._redis import splice

INCLUDES = {
    "types": "for _, key in ipairs(hashes) do\n  redis.call('HLEN', key)\nend\n"
    "  redis.call('ZCARD', key)\n  redis.call('XLEN', key)\n",
    "pair": "local seen, kept = {}, {}\nlocal function half(n)\n  return n / 2\nend\n"
    "local function twice(n)\n  return 2 * n\nend\n",
    "spare": "local function unused()\n  return 1\nend\n",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of scripts with the includes above; `main.lua` is left to the test."""
    (tmp_path / "include").mkdir()
    for name, text in INCLUDES.items():
        (tmp_path / "include" / f"{name}.lua").write_text(text)
    with monkeypatch.context() as patch:
        patch.setattr(splice, "SCRIPT_DIR", tmp_path)
        splice._read.cache_clear()
        yield tmp_path
    # The includes of these tests have the names of true ones.
    splice._read.cache_clear()


def test_a_function_that_nothing_calls_is_left_out(folder: Path) -> None:
    (folder / "main.lua").write_text("--@include pair spare\nreturn half(#seen)\n")

    assert "unused" not in splice.source("main")
    assert "twice" not in splice.source("main")
    assert "local function half" in splice.source("main")


def test_what_is_made_on_a_condition_can_be_used_where_it_does_not_hold(folder: Path) -> None:
    (folder / "main.lua").write_text(
        "local busy = ARGV[1]\n--@where busy include pair\nreturn busy and half(4)\n"
    )

    assert splice.source("main") == (
        "local busy = ARGV[1]\nlocal half\nif busy then\nlocal seen, kept = {}, {}\n"
        "function half(n)\n  return n / 2\nend\nend\nreturn busy and half(4)\n"
    )


def test_a_plain_script_is_another_one_without_its_features(folder: Path) -> None:
    (folder / "include" / "plain.lua").write_text("local busy = false\n")
    (folder / "include" / "busy.lua").write_text("local busy = redis.call('GET', KEYS[2])\n")
    (folder / "main.lua").write_text(
        "-- KEYS[1] one  KEYS[2] two\nlocal one = KEYS[1]\nlocal two = KEYS[2]\n"
        "--@features include busy\n--@where busy include pair\n"
        "if busy then\n  twice(3)\nend\nreturn busy and half(4)\n"
    )
    (folder / "main_plain.lua").write_text("-- KEYS[1] one\n--@plain main without busy\n")

    assert splice.source("main_plain") == (
        "-- KEYS[1] one\nlocal one = KEYS[1]\nlocal busy = false\n\nlocal half\n"
        "return busy and half(4)\n"
    )
    assert "redis.call('GET'" in splice.source("main")


def test_what_is_seldom_called_is_made_when_it_is(folder: Path) -> None:
    (folder / "main.lua").write_text(
        "--@include pair\nlocal function rest(n)\n  return half(n) + twice(n)\nend\n"
        "local base = 1\n--@seldom half rest\n"
        "if ARGV[1] == 'rest' then\n  return rest(base + 3)\nend\nreturn twice(base)\n"
    )

    text = splice.source("main")

    assert text == (
        "local seen, kept = {}, {}\nlocal seldom\nlocal function twice(n)\n  return 2 * n\nend\n\n"
        "local base = 1\nseldom = setmetatable({}, { __index = function(made, name)\n"
        "local function half(n)\n  return n / 2\nend\n"
        "local function rest(n)\n  return half(n) + twice(n)\nend\n"
        "made.half = half\nmade.rest = rest\nreturn made[name]\nend })\n"
        "if ARGV[1] == 'rest' then\n  return seldom.rest(base + 3)\nend\nreturn twice(base)\n"
    )


def test_a_variable_in_capitals_stands_as_its_value_where_it_is_used(folder: Path) -> None:
    (folder / "main.lua").write_text(
        "local MOST, FULL = 250, 'no more'\nlocal TABLE = { 1 }\n"
        "if #ARGV > MOST then\n  -- FULL\n  return { 'FULL', FULL }\nend\nreturn TABLE\n"
    )

    assert splice.source("main") == (
        "local TABLE = { 1 }\n"
        "if #ARGV > 250 then\n  -- FULL\n  return { 'FULL', 'no more' }\nend\nreturn TABLE\n"
    )


def test_a_look_at_types_is_written_out_unless_it_is_reckoned(folder: Path) -> None:
    (folder / "main.lua").write_text(
        "require_types({ jobs, runs }, { ready }, { events })\n"
        "if waits then\n  require_types({}, { due })\nend\n"
        "require_types({ unpack(KEYS) }, {})\n"
    )

    assert splice.source("main") == (
        "redis.call('HLEN', jobs)\nredis.call('HLEN', runs)\nredis.call('ZCARD', ready)\n"
        "redis.call('XLEN', events)\nif waits then\n  redis.call('ZCARD', due)\nend\n"
        "require_types({ unpack(KEYS) }, {})\n"
    )


def test_what_is_enclosed_is_one_function_that_answers_for_the_script(folder: Path) -> None:
    (folder / "main.lua").write_text("local one = KEYS[1]\n--@enclosed\nreturn one\n")

    assert splice.source("main") == (
        "local one = KEYS[1]\nreturn (function()\nreturn one\nend)()\n"
    )


def test_each_name_of_what_is_seldom_called_is_a_function_of_both_exchanges() -> None:
    written = (splice.SCRIPT_DIR / "exchange.lua").read_text()
    names = {
        name
        for line in re.findall("^--@seldom (.*)$", written, re.MULTILINE)
        for name in line.split()
    }

    # A queue in which keys take no turns has no use for these.
    of_turns = {"risen"}
    for include in ("heads", "ranked"):
        text = (splice.SCRIPT_DIR / "include" / f"{include}.lua").read_text()
        of_turns |= {*re.findall(r"^local function (\w+)", text, re.MULTILINE)}
    for script, wanted in (("exchange", names), ("exchange_plain", names - of_turns)):
        assert set(re.findall(r"^made\.(\w+) = ", splice.source(script), re.MULTILINE)) == wanted


def test_an_exchange_makes_few_functions_in_a_queue_that_uses_no_feature() -> None:
    """Each costs the server a fifth of a microsecond, in every exchange."""
    made = functions_made(splice.source("exchange_plain"))

    assert made[""] <= 34
    assert made["completions > 0"] <= 4


def functions_made(text: str) -> Counter[str]:
    """Count functions by the condition under which a script makes them, empty for always."""
    made: Counter[str] = Counter()
    blocks: list[str] = []
    for line in text.splitlines():
        if line.startswith("seldom = setmetatable("):
            blocks.append("seldom")
        elif re.match(r"(local |function )", line) and re.search(r"\bfunction\b.*\)$", line):
            made[" and ".join(blocks)] += 1
            blocks.append("")
        elif re.match(r"if .* then$|(for|while) .* do$", line):
            blocks.append(line.removeprefix("if ").removesuffix(" then"))
        elif line.startswith("end") and line != "end)()":
            blocks.pop()
    assert not blocks
    return made
