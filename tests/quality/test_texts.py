"""Nothing is left open in the text without an issue that says so."""

from __future__ import annotations

import re

from tests.quality.paths import PACKAGE, ROOT, lua_includes, lua_scripts, python_files
from tests.quality.test_layout import kept_files

# Spelled apart, so that this file does not find itself.
OPEN_ENDS = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b(?!\(#\d+\))")
TEXT_SUFFIXES = {".css", ".html", ".js", ".lua", ".md", ".py", ".sh", ".toml", ".yml"}


def test_every_open_end_names_its_issue() -> None:
    found = []
    for name in kept_files():
        path = ROOT / name
        if path.suffix not in TEXT_SUFFIXES and name != ".ci/run":
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        found += [
            f"{name}:{n}: {line.strip()}"
            for n, line in enumerate(lines, 1)
            if OPEN_ENDS.search(line)
        ]

    assert found == []


def test_nothing_in_the_package_is_left_unwritten() -> None:
    unwritten = "NotImplemented" + "Error"
    texts = python_files() + lua_scripts() + lua_includes()
    found = [
        str(path.relative_to(PACKAGE))
        for path in texts
        if unwritten in path.read_text(encoding="utf-8")
    ]

    assert found == []


def test_errors_are_logged_by_what_raises_none() -> None:
    # Python prints an error by code of the error; to log one with a traceback may raise.
    found = [
        f"{path.relative_to(PACKAGE)}:{number}: {line.strip()}"
        for path in python_files()
        if path.name != "printing.py"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(r"_log\.exception\(|\bexc_info=|\bformat_exception\(", line)
    ]

    assert found == []
