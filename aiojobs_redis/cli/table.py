"""Where the cells of a table go on a terminal of some width.

A cell that is cut cannot be copied, so only the last column gives way, down to a few letters. What
has no place then stands below its row:

    id                          state  task  attempt
    01M8BZQQT76S2G4H729DBT1WVD  dead   fail  1
      run at 2026-11-26 13:11:52  last error ValueError: boom
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["cut", "lay_out"]

_GAP = "  "
_LEAST = 20
"""What the last column keeps of its width."""


def lay_out(
    columns: Sequence[str], rows: Sequence[Sequence[str]], width: int
) -> tuple[str, list[str]]:
    """Return the heading and the lines of a table.

    Args:
        columns: The titles.
        rows: The cells, as many in each as there are titles.
        width: Of the terminal, in columns.
    """
    widths = [max(map(_width, column)) for column in zip(columns, *rows, strict=True)]
    beside = _how_many_fit(widths, width)
    lines: list[str] = []
    for row in rows:
        lines.append(_line(row[:beside], widths, width))
        below = [f"{name} {cell}" for name, cell in zip(columns, row, strict=True)][beside:]
        lines += _wrapped([text for text in below if not text.endswith(" -")], width)
    return _line(columns[:beside], widths, width), lines


def cut(text: str, width: int) -> str:
    """Return the beginning of a text that has a place of that width, with an ellipsis if cut."""
    if _width(text) <= width:
        return text
    kept, used = "", 0
    for letter in text:
        used += _width(letter)
        if used > width - 1:
            break
        kept += letter
    return kept + "…"


def _how_many_fit(widths: Sequence[int], width: int) -> int:
    """Return how many columns stand beside each other, at least one."""
    used = -len(_GAP)
    for number, own in enumerate(widths):
        is_last = number == len(widths) - 1
        used += len(_GAP) + (min(own, _LEAST) if is_last else own)
        if used > width:
            return max(1, number)
    return len(widths)


def _line(cells: Sequence[str], widths: Sequence[int], width: int) -> str:
    padded = [cell + " " * (own - _width(cell)) for cell, own in zip(cells, widths, strict=False)]
    line = _GAP.join(padded).rstrip()
    # A first column that is wider than the terminal is left to it: it is what one copies.
    return cut(line, width) if len(cells) > 1 else line


def _wrapped(parts: Sequence[str], width: int) -> Iterator[str]:
    line = ""
    for part in parts:
        if line and _width(line + _GAP + part) > width:
            yield line
            line = ""
        line = cut(line + _GAP + part, width)
    if line:
        yield line


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(letter) else 1 + (unicodedata.east_asian_width(letter) in "WF")
        for letter in text
    )
