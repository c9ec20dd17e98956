"""The picture of `top` on a terminal: as much of it as has a place there."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from aiojobs_redis.cli.table import cut
from aiojobs_redis.cli.texts import printable
from aiojobs_redis.cli.top_view import JOB, QUEUE, WORKER, job_rows, queue_row, worker_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aiojobs_redis.cli.snapshot import Snapshot

__all__ = ["Picture", "Rows", "tables"]

_GIVE_WAY: Final[dict[tuple[str, ...], tuple[str, ...]]] = {
    QUEUE: ("scheduled", "retrying", "blocked", "paused", "oldest s", "failed/s", "in/s", "dead"),
    WORKER: ("host", "up s", "queue", "pid", "seen s ago"),
    JOB: ("worker", "queue", "progress", "for s"),
}
"""Columns that a narrow terminal has no place for, in the order in which they go."""
_WORDS: Final = {"queue", "worker", "host", "job", "task", "paused", "state"}
_FRAME: Final = 4
"""Lines of a table beside its rows: two blank ones, the heading, and the line below it."""
_NARROWEST_TASK: Final = 12


class Picture:
    """Shows each look in the place of the one before.

    Attributes:
        live: That it does.
    """

    live = True

    def __init__(self) -> None:
        from rich.live import Live

        self._live: Any = Live(screen=True, auto_refresh=False)
        self._rows: Rows | None = None
        self._at = ""
        self._held = False
        self._trouble = ""

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def update(self, snapshots: Sequence[Snapshot]) -> None:
        """Show one look at all queues."""
        # Made once: what a held picture tells, ages included, is of its moment.
        self._rows = Rows(
            [queue_row(shot) for shot in snapshots],
            [row for shot in snapshots for row in worker_rows(shot)],
            [row for shot in snapshots for row in job_rows(shot)],
            sum(shot.counts.running for shot in snapshots),
        )
        self._at, self._trouble = time.strftime("%H:%M:%S"), ""
        self._draw()

    def trouble(self, message: str) -> None:
        """Keep the last look, and tell why there is no new one."""
        self._trouble = message
        self._draw()

    def hold(self, held: bool) -> None:
        """Show whether the last look stays."""
        self._held = held
        self._draw()

    def _draw(self) -> None:
        from rich.console import Group
        from rich.text import Text

        width, height = self._live.console.size
        keys = "HELD  p go on  q end" if self._held else "q end  p hold"
        head = Text(cut(f"aiojobs-redis top  {self._at}  {keys}", width), style="dim")
        parts: list[Any] = [head]
        if self._trouble:
            parts.append(Text(printable(self._trouble), style="red"))
        if self._rows is not None:
            parts += tables(self._rows, width, height - len(parts))
        self._live.update(Group(*parts), refresh=True)


class Rows(NamedTuple):
    """What there is to show.

    Attributes:
        queues: The rows of that table.
        workers: Those of that one.
        jobs: Those of some jobs that run.
        running: How many run.
    """

    queues: list[list[str]]
    workers: list[list[str]]
    jobs: list[list[str]]
    running: int


def tables(rows: Rows, width: int, height: int) -> Iterator[Any]:
    """Yield what a terminal of that size has a place for, and how much more there is."""
    from rich.text import Text

    # At least a row of each, and what runs gets what is left.
    later = (_FRAME + 2 if rows.workers else 1) + (_FRAME + 2 if rows.jobs else 1)
    most = max(2, height - _FRAME - later)
    yield from _table(QUEUE, rows.queues, width, most, len(rows.queues))
    height -= min(len(rows.queues), most) + _FRAME
    most = max(2, height // 2 - _FRAME)
    if rows.workers:
        yield from _table(WORKER, rows.workers, width, most, len(rows.workers))
        height -= min(len(rows.workers), most) + _FRAME
    else:
        yield Text("no worker was seen in the last minute")
        height -= 1
    if rows.jobs:
        yield from _table(JOB, rows.jobs, width, max(2, height - _FRAME), rows.running)
    else:
        yield Text("nothing runs", style="dim")


def _table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], width: int, most: int, number: int
) -> Iterator[Any]:
    """Yield a table of as many rows and columns as have a place, and how many rows have none.

    Args:
        columns: The titles.
        rows: The cells.
        width: Of the terminal.
        most: Lines that it may have, 2 at least.
        number: How many there are, of which `rows` may be some.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    if number > most:
        rows = rows[: most - 1]
    shown, widths = _fitting(columns, rows, width)
    for at in shown:
        justify: Any = "left" if columns[at] in _WORDS else "right"
        table.add_column(columns[at], no_wrap=True, justify=justify)
    for row in rows:
        table.add_row(*(Text(cut(row[at], widths[at])) for at in shown))
    yield table
    if number > len(rows):
        yield Text(f" and {number - len(rows):,} more", style="dim")


def _fitting(
    columns: Sequence[str], rows: Sequence[Sequence[str]], width: int
) -> tuple[list[int], list[int]]:
    """Return the columns that have a place, and the width of each column."""
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    shown = list(range(len(columns)))
    flexible = columns.index("task") if "task" in columns else None

    def spare() -> int:
        return width - sum(widths[at] + 2 for at in shown)

    for name in _GIVE_WAY[tuple(columns)]:
        least = 0 if flexible is None else min(0, _NARROWEST_TASK - widths[flexible])
        if spare() >= least:
            break
        shown.remove(columns.index(name))
    if flexible is not None and spare() < 0:
        widths[flexible] = max(_NARROWEST_TASK, widths[flexible] + spare())
    return shown, widths
