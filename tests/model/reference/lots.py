"""Whose turn it is among the jobs that the limit of a task holds back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.model.reference.turns import FRONT

if TYPE_CHECKING:
    from tests.model.reference.job import Job
    from tests.model.reference.queue import Queue

__all__ = ["in_order", "turn_in", "turn_of"]

BAND = 2**42


def in_order(scope: str, job: Job) -> tuple[bool, int, int, bytes]:
    """Return by what jobs that are held back in a scope stand in line."""
    return scope not in job.slots, turn_of(job), job.place or 0, job.id.encode()


def turn_of(job: Job) -> int:
    """Return the turn that a job has, which is its place where it has no other."""
    return (job.place or 0) if job.turn is None else job.turn


def turn_in(queue: Queue, scope: str, job: Job) -> int:
    """Return the turn that a job has, or is to have, in a scope.

    In that of a key it is its place at its own priority, from which it may have risen.

    It is behind the last of its key that has no slot, or behind the first of all, but no further
    than its place; before one of its key with a further place it has the turn of that one. Who goes
    first has its place as its turn, and is not looked at for those of others.
    """
    place = job.place or 0
    if scope[0] != "t":
        return (1023 - job.options.priority) * BAND + place % BAND
    if job.turn is not None or not queue.is_fair or place % BAND < FRONT:
        return turn_of(job)
    lot = [
        other
        for other in queue.jobs.values()
        if other.held_back == scope and scope not in other.slots
    ]
    lot = [other for other in lot if (other.place or 0) % BAND >= FRONT]
    turns = [turn_of(other) for other in lot if turn_of(other) // BAND == place // BAND]
    if not turns:
        return place
    head = min(turns)
    own = [
        other
        for other in lot
        if other.options.key == job.options.key and (other.place or 0) // BAND == place // BAND
    ]
    own.sort(key=lambda other: (other.place or 0, turn_of(other), other.id.encode()))
    behind = [other for other in own if (other.place or 0) > place]
    if behind:
        return turn_of(behind[0])
    last = turn_of(own[-1]) if own else 0
    return min(max(place, head), max(head, last) + 1)
