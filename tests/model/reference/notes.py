"""What running jobs leave beside their records: progress, a log, a state, steps; and emit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiojobs_redis.extras import netstrings
from tests.model.reference.job import Brief, Job, Token
from tests.model.reference.queue import Queue

__all__ = ["Note", "clear_log", "jot"]

_RECENT, _LOG = 8_192, 57_344


@dataclass(frozen=True, repr=False)
class Note(Brief):
    """One note.

    Attributes:
        id: The job.
        token: Of the lease under which it was made.
        kind: ``p`` progress, ``l`` log, ``s`` state, ``c`` steps, ``e`` events.
        number: One higher a note of a lease.
        body: What it says; of a log, steps and events a list of netstrings.
    """

    id: str
    token: Token
    kind: str
    number: int
    body: bytes


def jot(queue: Queue, notes: Sequence[Note]) -> list[Any]:
    """Write notes down, each once and only under the current token.

    Return how many were looked at, and ids whose token was old.
    """
    lost = []
    for note in notes:
        job = queue.jobs.get(note.id)
        if job is None or job.token != note.token:
            lost.append(note.id)
            continue
        # Of events nothing is left but their number, which is that of the log.
        place = "l" if note.kind == "e" else note.kind
        fence, number = job.said.get(place, (0, 0))
        if (fence == note.token.fence and number >= note.number) or (queue.tight and place in "pl"):
            continue
        job.said[place] = (note.token.fence, note.number)
        if note.kind == "p":
            job.progress = note.body
            queue.note("progress", job.id)
        elif note.kind == "e":
            for body in netstrings(note.body):
                queue.note("emitted", job.id, body.decode())
        elif note.kind == "s":
            job.saved = note.body
        else:
            _append(job, note)
    return [len(notes), lost]


def clear_log(queue: Queue, name: str, keep: int) -> int:
    """Forget the log of a job but for its last entries; whether there is such a job."""
    job = queue.jobs.get(name)
    if job is None:
        return 0
    lines = job.log + job.new_log
    job.log.clear()
    job.new_log[:] = lines[max(len(lines) - keep, 0) :]
    return 1


def _append(job: Job, note: Note) -> None:
    """Lists have an end that grows, and an older part; of a log that is cut when it is added to."""
    older, recent = (job.log, job.new_log) if note.kind == "l" else (job.steps, job.new_steps)
    recent.append(note.body)
    if sum(map(len, recent)) > _RECENT:
        older += recent
        recent.clear()
        while note.kind == "l" and sum(map(len, older)) > _LOG:
            del older[0]
