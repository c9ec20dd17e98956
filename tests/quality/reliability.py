"""The page of what is promised under faults, with the figures of the fault tests.

``python -m tests.quality.reliability`` writes the tables of ``docs/reliability.md`` anew: ours from
``docs/reliability/figures.jsonl``, to which a run with ``AIOJOBS_REDIS_FIGURES`` appends, and that
of others as ``docs/rivals-under-faults.md`` has it.
"""

from __future__ import annotations

import json
from typing import Any

from benchmarks.drills import page as drills
from benchmarks.drills.page import overview
from tests.quality.paths import ROOT
from tests.quality.rows import titles

__all__ = ["PAGE", "latest", "page", "table"]

PAGE = ROOT / "docs" / "reliability.md"
FIGURES = ROOT / "docs" / "reliability" / "figures.jsonl"
BEGIN, END = "<!-- figures -->\n", "<!-- end of figures -->\n"
OTHERS, END_OF_OTHERS = "<!-- others -->\n", "<!-- end of others -->\n"
_SERVERS = {"redis": "Redis 7.0", "valkey": "Valkey 9.1"}
_ORDER = {"soak": 0, "whole": 1, "ci": 2}


def latest() -> list[dict[str, Any]]:
    """Return the last line of the largest size of each test, in order of their rows."""
    lines = [json.loads(line) for line in FIGURES.read_text(encoding="utf-8").splitlines()]
    best: dict[tuple[str, str], dict[str, Any]] = {}
    for line in lines:
        key = line["row"], line["test"]
        there = best.get(key)
        if there is None or _rank(line) <= _rank(there):
            best[key] = line
    return sorted(best.values(), key=_place)


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
            f"{line['date']} | {_note(line)} |"
        )
    return "\n".join(rows) + "\n"


def page(text: str) -> str:
    """Return the page with its tables as they are now.

    Args:
        text: The page as it was.
    """
    with_figures = _between(text, BEGIN, table(), END)
    others = "\n".join(overview(drills.load()["figures"])) + "\n"
    return _between(with_figures, OTHERS, others, END_OF_OTHERS)


def _note(line: dict[str, Any]) -> str:
    note: str = line["note"]
    on = [server for kind, server in _SERVERS.items() if kind in line["test"].split("-")]
    return f"{note} ({on[0]})" if on else note


def _between(text: str, begin: str, new: str, end: str) -> str:
    head, _, rest = text.partition(begin)
    _, _, tail = rest.partition(end)
    return head + begin + new + end + tail


def _place(line: dict[str, Any]) -> tuple[bool, str, int, str]:
    # Faults first; the others are rows of the requirements.
    row = line["row"]
    return row[0] != "F", row[0], int(row[1:]), line["test"]


def _rank(line: dict[str, Any]) -> tuple[int, int]:
    return _ORDER[line["tier"]], -line["n"]


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
