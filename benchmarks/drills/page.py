"""Writes docs/rivals-under-faults.md from the figures of docs/reliability/drills.json.

``python -m benchmarks.drills --into docs/reliability`` drills, ``python -m benchmarks.drills.page``
writes.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.drills.faults import DRILLS
from benchmarks.drills.settings import SETTINGS
from benchmarks.drills.texts import (
    COLUMNS,
    METHOD,
    NOTES,
    NOTHING_BETTER,
    OVERVIEW,
    WRONGS,
    Column,
)
from benchmarks.harness import OURS

__all__ = ["FIGURES", "PAGE", "better", "load", "overview", "page"]

_DOCS = Path(__file__).parents[2] / "docs"
PAGE = _DOCS / "rivals-under-faults.md"
FIGURES = _DOCS / "reliability" / "drills.json"

Runs = Sequence[Mapping[str, Any]]


def better(drill: str, systems: Mapping[str, Runs]) -> Iterator[str]:
    """Yield a line for each figure in which a rival did better than this package."""
    for column in COLUMNS[drill]:
        if not column.ranked:
            continue
        ours = _middle(column, systems.get(OURS.name, ()))
        if ours is None:
            continue
        ahead = {
            name: middle
            for name, runs in systems.items()
            if name != OURS.name
            and (middle := _middle(column, runs)) is not None
            and ours - middle > column.margin
        }
        if ahead:
            named = ", ".join(f"{name} {_number(ahead[name])}" for name in sorted(ahead))
            yield f"- {drill}, {column.title}: {named}; this package {_number(ours)}."


def _middle(column: Column, runs: Runs) -> float | None:
    """Return the median of a figure, None without one; what was not in time is endless."""
    done = [run for run in runs if "failed" not in run]
    if not done:
        return None
    values = [column.value(run) for run in done]
    return statistics.median(float("inf") if value is None else float(value) for value in values)


def _cell(column: Column, runs: Runs, limit: float) -> str:
    done = [run for run in runs if "failed" not in run]
    values = [column.value(run) for run in done]
    if any(isinstance(value, str) for value in values):
        return "; ".join(sorted({str(value) for value in values}))
    known = [float(value) for value in values if value is not None]
    missing = len(values) - len(known)
    text = ""
    if known:
        least, most = _number(min(known)), _number(max(known))
        text = least if least == most else f"{least} to {most}"
    if missing:
        never = column.never or f"not within {limit:.0f} s"
        part = f" in {missing} of {len(values)}" if known else ""
        text = "; ".join(filter(None, (text, never + part)))
    return text or "-"


def _number(value: float) -> str:
    if value == float("inf"):
        return "not in time"
    return f"{value:.0f}" if value == int(value) else f"{value:.1f}"


def overview(figures: Mapping[str, Mapping[str, Runs]]) -> Iterator[str]:
    """Yield a table of what went wrong: the worst run of each drill and system."""
    yield "| | " + " | ".join(figures) + " |"
    yield "|---" * (len(figures) + 1) + "|"
    names = dict.fromkeys(name for systems in figures.values() for name in systems)
    for name in names:
        cells = [_wrongs(systems.get(name, ())) for systems in figures.values()]
        yield f"| {name} | " + " | ".join(cells) + " |"


def _wrongs(runs: Runs) -> str:
    done = [run for run in runs if "failed" not in run]
    if not done:
        return "-"
    worst = {title: max(value(run) for run in done) for title, value in WRONGS.items()}
    return ", ".join(f"{_number(most)} {title}" for title, most in worst.items() if most) or "clean"


def _table(drill: str, systems: Mapping[str, Runs], limit: float) -> Iterator[str]:
    columns = COLUMNS[drill]
    yield "| | runs | " + " | ".join(column.title for column in columns) + " |"
    yield "|---" * (len(columns) + 2) + "|"
    for name, runs in systems.items():
        cells = [_cell(column, runs, limit) for column in columns]
        done = sum("failed" not in run for run in runs)
        yield f"| {name} | {done} | " + " | ".join(cells) + " |"
    for name, runs in systems.items():
        for reason in sorted({run["failed"] for run in runs if "failed" in run}):
            yield f"\n{name}, a run that could not be judged: {reason}"


def _settings(report: Mapping[str, Any]) -> Iterator[str]:
    yield "| system | version | set to | by default, a lost job runs again after |"
    yield "|---|---|---|---|"
    for name, version in report["versions"].items():
        yield f"| {name} | {version} | {SETTINGS[name].text} | {SETTINGS[name].default} |"
    for name, reason in report["skipped"].items():
        yield f"| {name} | - | skipped: {reason} | - |"


def _last_words(figures: Mapping[str, Mapping[str, Runs]]) -> Iterator[str]:
    yield "| drill | system | the last that an exiting worker said |"
    yield "|---|---|---|"
    for drill, systems in figures.items():
        for name, runs in systems.items():
            words = next((run["last_words"] for run in runs if run.get("last_words")), None)
            if words:
                plain = words.removeprefix("exit: ").replace("|", "/").replace("`", "'")
                yield f"| {drill} | {name} | `{plain[:140]}` |"


def page(report: Mapping[str, Any]) -> str:
    """Return the text of the page."""
    machine, figures = report["machine"], report["figures"]
    limit = machine["limit_s"]
    ahead = [line for drill, systems in figures.items() for line in better(drill, systems)]
    parts = [
        "# Rivals under faults",
        "<!-- Generated by `python -m benchmarks.drills.page` from reliability/drills.json. -->",
        "Six faults, done to this package and to eight other asyncio job queues in the same way.",
        "## Where others do better",
        "\n".join(ahead or [NOTHING_BETTER]),
        "## What went wrong",
        OVERVIEW,
        "\n".join(overview(figures)),
        "## How it was done",
        METHOD,
        f"Run on {machine['day']}: CPython {machine['python']}, {machine['server']}, "
        f"{machine['cores']} cores shared with other work. A range is that of the runs, of which "
        "each table gives the number.",
    ]
    for drill, systems in figures.items():
        parts += [f"## {drill}: {DRILLS[drill].title}", "\n".join(_table(drill, systems, limit))]
        if drill in NOTES:
            parts.append(NOTES[drill])
    parts += ["## Settings", "\n".join(_settings(report))]
    parts += ["## Workers that exited", "\n".join(_last_words(figures))]
    return "\n\n".join(parts) + "\n"


def load() -> dict[str, Any]:
    """Return the committed figures."""
    found: dict[str, Any] = json.loads(FIGURES.read_text(encoding="utf-8"))
    return found


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(load()), encoding="utf-8")


if __name__ == "__main__":
    main()
