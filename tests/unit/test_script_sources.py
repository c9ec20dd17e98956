"""What a script is made of: only what it uses, and that only where its queue uses it."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from aiojobs_redis._redis import scripts

INCLUDES = {
    "pair": "local seen, kept = {}, {}\nlocal function half(n)\n  return n / 2\nend\n"
    "local function twice(n)\n  return 2 * n\nend\n",
    "spare": "local function unused()\n  return 1\nend\n",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of scripts with the includes above; `main.lua` is left to the test."""
    (tmp_path / "include").mkdir()
    for name, text in INCLUDES.items():
        (tmp_path / "include" / f"{name}.lua").write_text(text)
    monkeypatch.setattr(scripts, "SCRIPT_DIR", tmp_path)
    scripts._read.cache_clear()
    return tmp_path


def test_a_function_that_nothing_calls_is_left_out(folder: Path) -> None:
    (folder / "main.lua").write_text("--@include pair spare\nreturn half(#seen)\n")

    assert "unused" not in scripts.source("main")
    assert "twice" not in scripts.source("main")
    assert "local function half" in scripts.source("main")


def test_what_is_made_on_a_condition_can_be_used_where_it_does_not_hold(folder: Path) -> None:
    (folder / "main.lua").write_text(
        "local busy = ARGV[1]\n--@where busy include pair\nreturn busy and half(4)\n"
    )

    assert scripts.source("main") == (
        "local busy = ARGV[1]\nlocal half\nif busy then\nlocal seen, kept = {}, {}\n"
        "function half(n)\n  return n / 2\nend\nend\nreturn busy and half(4)\n"
    )


def test_an_exchange_makes_few_functions_in_a_queue_that_uses_no_feature() -> None:
    """Each costs the server a fifth of a microsecond, in every exchange."""
    made = functions_made(scripts.source("exchange"))

    assert made[""] <= 51
    assert made["completions > 0"] <= 7


def functions_made(text: str) -> Counter[str]:
    """Count functions by the condition under which a script makes them, empty for always."""
    made: Counter[str] = Counter()
    blocks: list[str] = []
    for line in text.splitlines():
        if re.match(r"(local |function )", line) and re.search(r"\bfunction\b.*\)$", line):
            made[" and ".join(blocks)] += 1
            blocks.append("")
        elif re.match(r"if .* then$|(for|while) .* do$", line):
            blocks.append(line.removeprefix("if ").removesuffix(" then"))
        elif line.startswith("end"):
            blocks.pop()
    assert not blocks
    return made
