"""The page of what is promised under faults, with the figures of the fault tests.

``python -m tests.quality.reliability`` writes the table of ``docs/reliability.md`` anew from
``docs/reliability/figures.jsonl``, to which a run with ``AIOJOBS_REDIS_FIGURES`` appends.
"""

from __future__ import annotations

import json
from typing import Any

from tests.quality.paths import ROOT
from tests.quality.rows import titles

__all__ = ["PAGE", "latest", "page", "table"]

PAGE = ROOT / "docs" / "reliability.md"
FIGURES = ROOT / "docs" / "reliability" / "figures.jsonl"
BEGIN, END = "<!-- figures -->\n", "<!-- end of figures -->\n"
_ORDER = {"soak": 0, "whole": 1, "ci": 2}


def latest() -> list[dict[str, Any]]:
    """Return the last line of the largest size of each row."""
    lines = [json.loads(line) for line in FIGURES.read_text(encoding="utf-8").splitlines()]
    best: dict[str, dict[str, Any]] = {}
    for line in lines:
        there = best.get(line["row"])
        if there is None or _rank(line) <= _rank(there):
            best[line["row"]] = line
    return sorted(best.values(), key=lambda line: int(line["row"][1:]))


def table() -> str:
    """Return the table of the figures."""
    names = titles()
    rows = [
        "| row | fault | N | lost | ran again with a cause | without | "
        "recovery p50 / max, s | size | measured | |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for line in latest():
        middle, most = line["recovery_p50"], line["recovery_max"]
        seconds = "" if middle is None else f"{middle:.2f} / {most:.2f}"
        rows.append(
            f"| {line['row']} | {names[line['row']]} | {line['n']:,} | {line['lost']} | "
            f"{line['caused']} | {line['uncaused']} | {seconds} | {line['tier']} | "
            f"{line['date']} | {line['note']} |"
        )
    return "\n".join(rows) + "\n"


def page(text: str) -> str:
    """Return the page with the table as it is now.

    Args:
        text: The page as it was.
    """
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return head + BEGIN + table() + END + tail


def _rank(line: dict[str, Any]) -> tuple[int, int]:
    return _ORDER[line["tier"]], -line["n"]


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
