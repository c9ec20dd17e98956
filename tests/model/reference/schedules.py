"""Schedules: each change compares what its caller saw with what is there."""

from __future__ import annotations

from collections.abc import Sequence

from tests.model.reference.enqueue import admit
from tests.model.reference.job import NewJob
from tests.model.reference.queue import Queue, Schedule

__all__ = ["fire", "pause_schedule", "schedule", "unschedule"]


def schedule(
    queue: Queue,
    name: str,
    revision: str,
    expected: str,
    tick: int | None,
    anchor: int,
    *,
    declared: bool,
    definition: bytes,
) -> int:
    """Create or replace a schedule; 0 where another one is there than the caller saw.

    The same revision keeps its tick, phase, counts and pause; another one keeps the pause and the
    last tick.
    """
    old = queue.schedules.get(name)
    if (old.revision if old else "") != expected:
        return 0
    queue.open()
    new = old
    if new is None or new.revision != revision:
        new = Schedule(revision, anchor, definition)
        if old is not None:
            new.paused, new.last_tick = old.paused, old.last_tick
            old.tick = None
        if not new.paused:
            _set_tick(queue, new, tick)
    new.declared, new.definition = (queue.now if declared else None), definition
    queue.schedules[name] = new
    return 1


def _set_tick(queue: Queue, changed: Schedule, tick: int | None) -> None:
    """Set the next tick, and ring for the leader where it is the first of all."""
    if tick is not None:
        head = queue.next_tick()
        queue.due = queue.due or head < 0 or tick < head
    changed.tick = tick


def unschedule(queue: Queue, call: str, name: str, before: int | None = None) -> int:
    """Remove a schedule; with `before` only one declared in code, and not since then."""
    if call in queue.batches:
        return 1
    found = queue.schedules.get(name)
    if found is None:
        return 0
    if before is not None and (found.declared is None or found.declared >= before):
        return 0
    del queue.schedules[name]
    queue.remember(call)
    return 1


def pause_schedule(
    queue: Queue, name: str, revision: str, tick: int | None, *, paused: bool
) -> int:
    """Stop a schedule, or let it go on with that tick; 0 where another one is there."""
    found = queue.schedules.get(name)
    if found is None or found.revision != revision:
        return 0
    if found.paused is not paused:
        found.paused, found.tick = paused, None
        if not paused:
            _set_tick(queue, found, tick)
    return 1


def fire(
    queue: Queue,
    name: str,
    revision: str,
    tick: int,
    *,
    then: int | None,
    jobs: Sequence[NewJob],
    last: int,
    missed: int = 0,
    skip_overlap: bool = False,
    limit: int | None = None,
    most: int | None = None,
) -> int | str:
    """Turn a tick that is still the next one into jobs, and move on; -1 where it is not.

    Returned is a character a job as of an enqueue, nothing where all are given up.
    Those of a key that has its number of jobs are given up. A schedule is over after its last
    tick, or once it has made as many jobs as it may.
    """
    found = queue.schedules.get(name)
    if found is None or found.revision != revision or found.tick != tick:
        return -1
    before = queue.jobs.get(f"{name}:{found.last_tick}")
    made, flags = 0, ""
    if jobs and skip_overlap and before is not None and not before.ended:
        missed += len(jobs)
    elif jobs:
        flags = admit(queue, jobs, most=most).partition(",")[0]
        made = flags.count("1")
        missed += flags.count("5")
        if made:
            newest = jobs[flags.rindex("1")].id
            found.last_tick = int(newest.rpartition(":")[2])
    found.runs += made
    found.missed += missed
    found.tick = None if limit is not None and found.runs >= limit else then
    queue.note("schedule", name)
    return flags
