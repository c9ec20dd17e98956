"""How `top` shows what it sees: a picture that changes, or lines for each look."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol, Self

import click

from aiojobs_redis.cli.render import has_rich, json_text, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aiojobs_redis.cli.snapshot import Snapshot

__all__ = ["JOB", "QUEUE", "WORKER", "View", "job_rows", "make_view", "queue_row", "worker_rows"]

_STATES = ("queued", "running", "scheduled", "retrying", "blocked", "dead")
QUEUE = ("queue", *_STATES, "oldest s", "in/s", "done/s", "failed/s", "workers", "paused")
WORKER = ("worker", "queue", "host", "pid", "up s", "running", "seen s ago", "state")
JOB = ("job", "task", "queue", "for s", "progress", "worker")


class View(Protocol):
    """What shows snapshots.

    Attributes:
        live: Whether each takes the place of the one before.
    """

    live: bool

    def __enter__(self) -> Self:
        """Begin to show."""
        ...

    def __exit__(self, *_: object) -> None:
        """End it."""
        ...

    def update(self, snapshots: Sequence[Snapshot]) -> None:
        """Show one look at all queues."""
        ...

    def trouble(self, message: str) -> None:
        """Tell why there is no new one."""
        ...

    def hold(self, held: bool) -> None:
        """Tell that there will be no new one, or that there will be again."""
        ...


def make_view(*, as_json: bool) -> View:
    """Return the view that fits stdout."""
    if as_json or not sys.stdout.isatty() or not has_rich():
        return _Lines(as_json)
    from aiojobs_redis.cli.top_picture import Picture

    return Picture()


def queue_row(shot: Snapshot) -> list[str]:
    """Return a queue as a row."""
    rates, counts = shot.rates, shot.counts
    moved = ["-"] * 3
    if rates is not None:
        moved = [f"{rate:.1f}" for rate in (rates.enqueued, rates.completed, rates.failed)]
    oldest = "-" if counts.oldest_seconds is None else f"{counts.oldest_seconds:.0f}"
    states = [str(getattr(counts, state)) for state in _STATES]
    return [shot.queue, *states, oldest, *moved, str(counts.workers), text_of(counts.paused)]


def worker_rows(shot: Snapshot) -> Iterator[list[str]]:
    """Return the workers of a queue as rows."""
    for worker in shot.workers:
        up, seen = _since(worker.started_at), _since(worker.heartbeat_at)
        running = f"{worker.running}/{worker.concurrency}"
        name, host = text_of(worker.id), text_of(worker.host)
        yield [name, shot.queue, host, str(worker.pid), up, running, seen, worker.state]


def job_rows(shot: Snapshot) -> Iterator[list[str]]:
    """Return the running jobs of a queue as rows."""
    for info in shot.running:
        part = info.progress.fraction if info.progress else None
        progress = "-" if part is None else f"{part:.0%}"
        for_s = "-" if info.started_at is None else _since(info.started_at)
        yield [
            text_of(info.id),
            text_of(info.task),
            shot.queue,
            for_s,
            progress,
            text_of(info.worker),
        ]


def _since(instant: datetime) -> str:
    return f"{max(0.0, (datetime.now(UTC) - instant).total_seconds()):.0f}"


class _Lines:
    live = False

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def update(self, snapshots: Sequence[Snapshot]) -> None:
        for shot in snapshots:
            if self._as_json:
                click.echo(json_text(shot.record()))
                continue
            click.echo("\t".join(["queue", *queue_row(shot)]))
            for row in worker_rows(shot):
                click.echo("\t".join(["worker", *row]))
            for row in job_rows(shot):
                click.echo("\t".join(["job", *row]))

    def trouble(self, message: str) -> None:
        # The error that ends the command says it, if it comes to that.
        return

    def hold(self, held: bool) -> None:
        return
