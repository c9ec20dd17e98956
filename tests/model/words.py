"""What the reference says of new jobs and completions, as the scripts take it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from aiojobs_redis.spec import quote_key
from tests.model.reference.exchange import Completion
from tests.model.reference.job import Error, NewJob, Unique
from tests.support.scripts import named

__all__ = ["completion_words", "error_line", "lengths", "or_never", "pruned", "words_of"]


def _unique(unique: Unique | None) -> str | None:
    if unique is None:
        return None
    window = "" if unique.window is None else unique.window
    ends = {"done": "d", "started": "s", "window": "-"}[unique.until]
    return f"{ends}{unique.conflict[0]}{window}{'+' * unique.extend}:{unique.key}"


def or_never(time: int | None) -> int:
    """Return a time as the scripts do, -1 for none."""
    return -1 if time is None else time


def error_line(error: Error) -> bytes:
    """Return an error as a worker sends it."""
    return json.dumps({**error._asdict(), "message": "why"}).encode()


def pruned(jobs: Sequence[tuple[str, Error | None, str]]) -> list[Any]:
    """Return three words a job that is to be cancelled, or is only asked about."""
    words: list[Any] = []
    for job, error, queues in jobs:
        words += (job.encode(errors="surrogateescape"), error_line(error) if error else "", queues)
    return words


def completion_words(ended: Completion) -> list[Any]:
    """Return the five words of a completion."""
    plain = ended.code == "c" and ended.argument is None
    argument = "" if ended.argument is None else ended.argument
    what = "1" if plain else f"{ended.code} {argument} 1"
    value = ended.value if ended.error is None else error_line(ended.error)
    if ended.code == "w":
        value = named(
            ended.names, value.decode(), [str(one) for pair in ended.floors for one in pair]
        )
    return [ended.id, f"{ended.token.fence},{ended.token.nonce}", what, ended.ms, value]


def lengths(first: int, most: int | None) -> str:
    """Return how many jobs may wait, in all and of each key."""
    return str(first) if most is None else f"{first} {most}"


def words_of(jobs: Sequence[NewJob], tasks: Sequence[str]) -> list[Any]:
    """Return three words a new job."""
    words: list[Any] = []
    for job in jobs:
        letters = {
            "p": job.priority,
            "l": job.lease,
            "d": job.max_deliveries,
            "o": job.max_starts,
            "m": 1 if job.at_most_once else None,
            "L": 1 if job.lifo else None,
            "x": job.expires,
            "k": job.keep_dead,
            "c": job.keep_cancelled,
            "y": job.delay,
            "w": job.at,
            "v": job.valid,
            "g": None if job.key is None else quote_key(job.key),
            "G": job.key_priority,
            "b": 1 if job.counted and job.key is not None else None,
            "u": _unique(job.unique),
            "a": job.task if job.named else None,
            "f": job.on_parent_failure if job.parents else None,
        }
        header = "".join(f",{key}{value}" for key, value in letters.items() if value is not None)
        words += (job.id, f"{tasks.index(job.task) + 1}{header}", job.spec)
    return words
