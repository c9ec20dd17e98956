"""The progress display of the demo: a live bar on a terminal with rich, else a line a second."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Protocol, Self

import click

from aiojobs_redis.cli.render import has_rich

if TYPE_CHECKING:
    from aiojobs_redis import Counts

__all__ = ["View", "make_view"]


class View(Protocol):
    """What shows how far the demo is."""

    def __enter__(self) -> Self:
        """Begin to show."""
        ...

    def __exit__(self, *_: object) -> None:
        """End it."""
        ...

    def update(self, counts: Counts, ticks: int) -> None:
        """Take note of the state of the queue."""
        ...


def make_view(total: int) -> View:
    """Return the display that fits stdout.

    Args:
        total: Jobs to be done.
    """
    return _Bar(total) if sys.stdout.isatty() and has_rich() else _Lines(total)


def _summary(counts: Counts, ticks: int) -> str:
    shown = ("running", "queued", "scheduled", "retrying", "dead")
    parts = [f"{number} {name}" for name in shown if (number := getattr(counts, name))]
    return ", ".join([*parts, f"{ticks} ticks"])


class _Lines:
    def __init__(self, total: int) -> None:
        self._total = total
        self._began = time.monotonic()
        self._next = self._began

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def update(self, counts: Counts, ticks: int) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + 1
        done = min(counts.completed + counts.dead - ticks, self._total)
        click.echo(
            f"  {now - self._began:4.1f} s  {done:,} of {self._total:,} jobs done; "
            f"{_summary(counts, ticks)}"
        )


class _Bar:
    def __init__(self, total: int) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
        )

        self._progress: Any = Progress(
            TextColumn("  jobs"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
        )
        self._total = total
        self._task = self._progress.add_task("", total=total)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, counts: Counts, ticks: int) -> None:
        done = min(counts.completed + counts.dead - ticks, self._total)
        self._progress.update(self._task, completed=done, description=_summary(counts, ticks))
