"""Lines of a file that another process is still writing."""

from __future__ import annotations

from pathlib import Path

__all__ = ["whole_lines"]


def whole_lines(path: Path) -> list[str]:
    """Return the lines of a file without their ends; the last one only if it is written whole."""
    return path.read_text().split("\n")[:-1]
