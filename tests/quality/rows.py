"""Which tests cover which requirement and behaviour, read from the marks in the test files.

``python -m tests.quality.rows`` writes ``docs/requirements.md``. The files are parsed, not run, so
the page does not depend on what is installed or on which servers the machine has.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.quality.paths import ROOT

__all__ = ["GROUPS", "PAGE", "covered", "marked", "render", "titles"]

PAGE = ROOT / "docs" / "requirements.md"
TITLES = Path(__file__).parent / "rows.txt"
TESTS = ROOT / "tests"

MARKS = {"requirement", "behaviour"}

GROUPS = {
    "U": "A queue of one's own on Redis lists (Upstash)",
    "B": "A queue service on Bull or BullMQ",
    "R": "A job queue on Redis streams (redis.io)",
    "P": "A storage for jobs in Redis (Platformatic)",
    "D": "The design of a job queue",
    "T": "Behaviours that BullMQ's own tests check",
    "F": "Failures to survive",
    "S": "Security",
}

_HEAD = """\
# Covered rows

Which tests cover which requirement and which behaviour. The rows come from five systems that do
what this package does, from the behaviours that BullMQ's tests check, and from what can fail or be
attacked; a row without a test is not promised yet. Written by `python -m tests.quality.rows` from
the marks of the tests.
"""


def titles() -> dict[str, str]:
    """Return what each row asks for, by its id, in the order of the page."""
    lines = TITLES.read_text(encoding="utf-8").splitlines()
    return dict(line.split(" ", 1) for line in lines)


def covered() -> dict[str, list[str]]:
    """Return the tests of each row, as ``path::name`` below the folder of tests."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted(TESTS.rglob("test_*.py")):
        place = path.relative_to(TESTS).as_posix()
        for test, row in marked(ast.parse(path.read_text(encoding="utf-8"))):
            found[row].add(f"{place}::{test}")
    return {row: sorted(tests) for row, tests in found.items()}


def render(tests: Mapping[str, list[str]]) -> str:
    """Return the page.

    Args:
        tests: The tests of each row.
    """
    rows = titles()
    done = sum(row in tests for row in rows)
    lines = [_HEAD, f"{done} of {len(rows)} rows have a test.", ""]
    for letter, heading in GROUPS.items():
        lines += [f"## {heading}", "", "| row | what it asks for | tests |", "|---|---|---|"]
        for row, title in rows.items():
            if row.startswith(letter):
                names = "<br>".join(_short(test) for test in tests.get(row, ()))
                lines.append(f"| {row} | {title} | {names or 'none yet'} |")
        lines.append("")
    return "\n".join(lines)


def _short(test: str) -> str:
    place, _, name = test.partition("::")
    return f"`{place}` {name.removeprefix('test_').replace('_', ' ')}"


def marked(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield each test of a module with each of its rows."""
    everywhere = {row for node in tree.body if _is_pytestmark(node) for row in _rows(node)}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            of_class = everywhere | {row for mark in node.decorator_list for row in _rows(mark)}
            members = node.body
        else:
            of_class, members = everywhere, [node]
        for member in members:
            if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef) and _is_test(member):
                own = {row for mark in member.decorator_list for row in _rows(mark)}
                yield from ((member.name, row) for row in sorted(of_class | own))


def _is_test(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return node.name.startswith("test_")


def _is_pytestmark(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and any(
        isinstance(target, ast.Name) and target.id == "pytestmark" for target in node.targets
    )


def _rows(node: ast.AST) -> Iterator[str]:
    for call in ast.walk(node):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            continue
        if call.func.attr in MARKS:
            for argument in call.args:
                if isinstance(argument, ast.Constant):
                    yield str(argument.value)


if __name__ == "__main__":
    PAGE.write_text(render(covered()), encoding="utf-8")
