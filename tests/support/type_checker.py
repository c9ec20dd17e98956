"""What a user's type checker says of a program."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

__all__ = ["said_of"]


def said_of(program: str, folder: Path) -> list[tuple[str, str]]:
    """Return the lines of a program of which mypy says something, each with what it says.

    In a process of its own: mypy raises the limit of recursion of the one in which it runs, so that
    what recurses without end overflows the stack there.
    """
    path = folder / "program.py"
    path.write_text(program)
    options = ("--strict", "--no-error-summary", f"--cache-dir={folder}")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr
    lines = program.splitlines()
    return [
        (lines[int(match[1]) - 1].strip(), match[2])
        for match in re.finditer(r"program\.py:(\d+): (?:error|note): (.*)", done.stdout)
    ]
