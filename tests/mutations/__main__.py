"""Plants each fault in a copy of the package and sees which check finds it.

``python -m tests.mutations`` runs them all and writes ``docs/internals/mutants.md``; with words
after it, only those whose file and text hold all of them, and the other lines of the page stay.
A fault that nothing finds fails the run.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.mutations import (
    of_circles,
    of_detaching,
    of_errors,
    of_flows,
    of_flows_across,
    of_fronts,
    of_handovers,
    of_limits,
    of_lines,
    of_lots,
    of_operators,
    of_others,
    of_ranks,
    of_remains,
    of_repairs,
    of_reports,
    of_turns,
    of_unique,
    of_words,
    of_workers,
)
from tests.mutations.mutant import Mutant
from tests.quality.paths import ROOT

__all__ = ["ALL", "PAGE", "known", "render", "suspects"]

ALL = (
    *(*of_workers.MUTANTS, *of_others.MUTANTS, *of_repairs.MUTANTS, *of_remains.MUTANTS),
    *(*of_limits.MUTANTS, *of_unique.MUTANTS, *of_flows.MUTANTS),
    *(*of_flows_across.MUTANTS, *of_handovers.MUTANTS, *of_operators.MUTANTS),
    *(*of_circles.MUTANTS, *of_detaching.MUTANTS),
    *(
        *of_lines.MUTANTS,
        *of_lots.MUTANTS,
        *of_words.MUTANTS,
        *of_errors.MUTANTS,
        *of_turns.MUTANTS,
        *of_fronts.MUTANTS,
        *of_ranks.MUTANTS,
        *of_reports.MUTANTS,
    ),
)
PAGE = ROOT / "docs" / "internals" / "mutants.md"
# What is asked first, and what is asked where that finds nothing.
MODEL = ("tests/model/test_model.py",)
SCRIPTS = ("tests/lua", "-n", "2")

_CHECK = re.compile(r"^E  +(?:AssertionError: )?(\w+)(?: \w+)?: ", re.MULTILINE)
_ERROR = re.compile(r"^E  +([\w.]+(?:Error|Exception|Group))\b", re.MULTILINE)
_FAILED = re.compile(r"^(?:FAILED|ERROR) \S+::(\w+)", re.MULTILINE)

_HEAD = """\
# Faults planted on purpose

Each fault below is planted in a copy of the package, and the tests have to find it: those of the
[model](model.md) first, those of single scripts where it does not; of some, tests that find them
sooner. A fault that nothing finds fails the run. Written by `poe mutants`.
"""


def killers(mutant: Mutant | None, tests: Sequence[str], folder: Path) -> list[str]:
    """Return which checks find a fault, none where the tests pass; without a fault they have to."""
    for name in ("aiojobs_redis", "tests"):
        shutil.rmtree(folder / name, ignore_errors=True)
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    # Tests take the rights of users from it.
    (folder / "docs").mkdir(exist_ok=True)
    shutil.copy(ROOT / "docs" / "redis.md", folder / "docs")
    if mutant is not None:
        mutant.plant(folder / "aiojobs_redis")
    environment = {
        **os.environ,
        "PYTHONPATH": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        "AIOJOBS_REDIS_MODEL": "T0",
        "AIOJOBS_REDIS_TEST_SERVERS": "valkey",
    }
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:randomly",
        "--tb=short",
        *tests,
    ]
    run = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if run.returncode == 0:
        return []
    # With several processes, a stop at the first failure is told as an interruption.
    if not _FAILED.search(run.stdout):
        raise RuntimeError(f"the tests did not run: {run.stdout[-2000:]}{run.stderr[-2000:]}")
    if tests == MODEL:
        found = _CHECK.findall(run.stdout) or _ERROR.findall(run.stdout)
        return list(dict.fromkeys(found)) or ["another failure"]
    return list(dict.fromkeys(_FAILED.findall(run.stdout)))


def verdict(mutant: Mutant, folder: Path) -> str:
    """Return the line of a fault: who finds it, empty for nobody."""
    of_scripts = [MODEL, SCRIPTS][not mutant.model :] if mutant.path.endswith(".lua") else []
    for tests in [*([mutant.first] if mutant.first else []), *of_scripts]:
        _check_sound(tests, folder)
        found = killers(mutant, tests, folder)
        if found:
            names = ", ".join(f"`{name}`" for name in found)
            return f"model: {names}" if tests == MODEL else names
    return ""


@functools.cache
def _check_sound(tests: Sequence[str], folder: Path) -> None:
    failing = killers(None, tests, folder)
    if failing:
        raise RuntimeError(f"without any fault {tests[0]} fails: {', '.join(failing)}")


def render(found: Mapping[Mutant, str]) -> str:
    """Return the page."""
    rows = [
        f"| {mutant.fault} | `{mutant.path}` | {found[mutant] or '**nothing**'} |"
        for mutant in ALL
        if mutant in found
    ]
    head = f"{sum(map(bool, found.values()))} of {len(found)} are found."
    return "\n".join([_HEAD, head, "", "| fault | file | found by |", "|---|---|---|", *rows, ""])


def known() -> dict[Mutant, str]:
    """Return what the page says of faults that are still planted."""
    text = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    lines = {
        tuple(line.strip("| ").split(" | ")[:2]): line.split(" | ")[-1]
        for line in text.splitlines()
    }
    found = {}
    for mutant in ALL:
        line = lines.get((mutant.fault, f"`{mutant.path}`"))
        if line:
            found[mutant] = line.removesuffix(" |").replace("**nothing**", "")
    return found


def suspects(words: Sequence[str]) -> list[Mutant]:
    """Return the faults in whose file and text all these words occur."""
    return [each for each in ALL if all(word in f"{each.path} {each.fault}" for word in words)]


def main(words: Sequence[str]) -> int:
    """Run the faults, write the page, and return how many are not found."""
    lines = known() if words else {}
    with tempfile.TemporaryDirectory() as name:
        for mutant in suspects(words):
            begin = time.monotonic()
            lines[mutant] = found = verdict(mutant, Path(name))
            took = f"{time.monotonic() - begin:5.1f} s"
            print(f"{took}  {mutant.path}: {mutant.fault}: {found or 'NOTHING'}", flush=True)
            PAGE.parent.mkdir(exist_ok=True)
            PAGE.write_text(render(lines), encoding="utf-8")
    return sum(not lines[mutant] for mutant in suspects(words))


if __name__ == "__main__":
    raise SystemExit(min(main(sys.argv[1:]), 100))
