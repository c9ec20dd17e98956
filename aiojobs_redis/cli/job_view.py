"""How a watched job is shown: a bar with the log above it, lines for pipes, or JSON lines."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol, Self

import click

from aiojobs_redis.cli.render import has_rich, json_text, styled, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiojobs_redis import JobInfo, LogLine

__all__ = ["View", "make_view"]


class View(Protocol):
    """What shows how far the job is."""

    def __enter__(self) -> Self:
        """Begin to show."""
        ...

    def __exit__(self, *_: object) -> None:
        """End it."""
        ...

    def update(self, info: JobInfo, lines: Sequence[LogLine]) -> None:
        """Show what has changed, and new entries of the log."""
        ...


def make_view(job_id: str, *, as_json: bool) -> View:
    """Return the view that fits stdout.

    Args:
        job_id: The job.
        as_json: One JSON object for each thing that changed.
    """
    bar = not as_json and sys.stdout.isatty() and has_rich()
    return _Bar(job_id) if bar else _Lines(as_json=as_json)


class _Lines:
    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._state: tuple[object, ...] = ()
        self._progress: object = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def update(self, info: JobInfo, lines: Sequence[LogLine]) -> None:
        # The log first: what a job wrote belongs before its end.
        for line in lines:
            self._say("log", asdict(line), f"{text_of(line.at)}\t{text_of(line.text)}")
        if info.progress is not None and info.progress != self._progress:
            self._progress = info.progress
            shown = _progress_of(info)
            self._say("progress", asdict(info.progress), shown)
        state = (info.state, info.attempt)
        if state != self._state:
            self._state = state
            record = {"state": info.state, "attempt": info.attempt, "worker": info.worker}
            self._say("state", record, f"{info.state}\tattempt {info.attempt}")

    def _say(self, kind: str, record: dict[str, Any], text: str) -> None:
        line = json_text({"type": kind} | record) if self._as_json else f"{kind}\t{text}"
        click.echo(line)


class _Bar:
    def __init__(self, job_id: str) -> None:
        from rich.progress import (
            BarColumn,
            Progress,
            SpinnerColumn,
            TaskProgressColumn,
            TextColumn,
            TimeElapsedColumn,
        )

        self._progress: Any = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", markup=False),
        )
        self._task = self._progress.add_task(text_of(job_id), total=None, note="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, info: JobInfo, lines: Sequence[LogLine]) -> None:
        for line in lines:
            text = styled(f"{text_of(line.at)}  ", dim=True) + text_of(line.text)
            self._progress.console.print(_ansi(text))
        seen = info.progress
        done, total = (seen.done, seen.total) if seen else (0, None)
        if info.state == "completed":
            done = total = total or 1
        self._progress.update(
            self._task,
            description=f"{text_of(info.task)} {info.state}, attempt {info.attempt}",
            completed=done,
            total=total,
            note=_note_of(info),
        )


def _ansi(text: str) -> Any:
    from rich.text import Text

    return Text.from_ansi(text)


def _note_of(info: JobInfo) -> str:
    seen = info.progress
    return "" if seen is None or seen.note is None else text_of(seen.note)


def _progress_of(info: JobInfo) -> str:
    seen = info.progress
    assert seen is not None  # noqa: S101 asked for where there is one
    note = _note_of(info)
    return f"{text_of(seen.done)}\t{text_of(seen.total)}" + (f"\t{note}" if note else "")
