"""Unique keys: who holds one, and what becomes of a job whose key is taken.

Nothing is done to a key when a job ends: whether the job still holds it is seen by its record.
"""

from __future__ import annotations

from tests.model.reference.job import Job, NewJob
from tests.model.reference.queue import Queue

__all__ = ["free", "hold", "holder_of", "take_again", "taken", "vacate"]


def holder_of(queue: Queue, key: str) -> str | None:
    """Return the id of the job that keeps others of this key out, by its state or its window."""
    name, end = queue.unique.get(key, ("", None))
    job = queue.jobs.get(name)
    if (job is not None and job.holds(key)) or (end is not None and queue.now < end):
        return name
    return None


def taken(queue: Queue, new: NewJob) -> str | None:
    """Return the id of the job that is there in place of a new one, None where it is added."""
    if new.unique is None or new.id in queue.jobs:
        return None
    holder = holder_of(queue, new.unique.key)
    if holder is not None and new.unique.extend and queue.unique[new.unique.key][1] is not None:
        hold(queue, holder, new)
    return holder


def hold(queue: Queue, name: str, new: NewJob) -> None:
    """Let a job have the key of a new one, from now on."""
    if new.unique is not None:
        window = new.unique.window
        queue.unique[new.unique.key] = (name, None if window is None else queue.now + window)


def take_again(queue: Queue, job: Job) -> str | None:
    """Let a job that is replayed hold its key, or return the id of the one that does.

    A window limits enqueues only.
    """
    unique = job.written.unique
    if unique is None or unique.until == "window":
        return None
    name, end = queue.unique.get(unique.key, ("", None))
    other = queue.jobs.get(name)
    if other is not None and other.holds(unique.key):
        return name
    if end is not None and queue.now >= end:
        end = None
    queue.unique[unique.key] = (job.id, end)
    return None


def free(queue: Queue, name: str) -> int:
    """Let a job give up its key, where it holds it; whether it did."""
    job = queue.jobs.get(name)
    unique = job.written.unique if job else None
    if job is None or unique is None or holder_of(queue, unique.key) != name:
        return 0
    del queue.unique[unique.key]
    job.give_up(unique.key)
    return 1


def vacate(queue: Queue) -> int:
    """Forget the keys that nobody holds; how many."""
    stale = [key for key in queue.unique if holder_of(queue, key) is None]
    for key in stale:
        del queue.unique[key]
    return len(stale)
