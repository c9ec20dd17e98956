"""Who of a key has its turn when it comes, where some have a priority among those of their key.

Each job waits at a turn of its own. When one is to start and another of its key goes before it, the
two trade places, with all that they hold of limits, and the one that gave its turn up goes by the
place that it had first from then on.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.model.reference import limits

if TYPE_CHECKING:
    from tests.model.reference.job import Job
    from tests.model.reference.queue import Queue

__all__ = ["is_ranked", "stand", "trade"]

LOOKS = 10


def is_ranked(queue: Queue) -> bool:
    """Return whether any job goes by an order, and note where none does any more."""
    queue.ranked = any(job.order is not None for job in queue.jobs.values())
    return queue.ranked


def stand(queue: Queue, job: Job, place: int) -> int:
    """Note by which order a job goes that comes to a place, which is returned."""
    ranked = job.options.key is not None and job.options.key_priority > 0
    job.order = place if ranked else None
    queue.ranked = queue.ranked or ranked
    return place


def _place(job: Job) -> tuple[int, int]:
    order = (job.place or 0) if job.order is None else job.order
    return -job.options.key_priority, order


def _others(queue: Queue, job: Job) -> list[Job]:
    mine = (job.options.priority, job.options.key)
    found = [
        other
        for other in queue.jobs.values()
        if other.order is not None and (other.options.priority, other.options.key) == mine
    ]
    return sorted(found, key=lambda other: (*_place(other), other.id.encode()))[:LOOKS]


def _may_start_now(queue: Queue, job: Job) -> bool:
    spent = job.options.starts >= (job.options.max_starts or math.inf)
    return job.lost < 2 and not job.has_expired(queue.now) and not spent


def _is_free(queue: Queue, job: Job) -> bool:
    """Whether no limit of a task, nor of a task and a key, concerns it."""
    name = limits.name_of(queue, job)
    held = any(scope[0] in "bt" for scope in (*job.slots, job.held_back or "-"))
    scopes = (f"t{name}", f"b{name}/{job.options.key}")
    return not held and not any(
        scope[0] in queue.limited and limits.rule_of(queue, scope) for scope in scopes
    )


def _are_alike(queue: Queue, one: Job, other: Job) -> bool:
    if not queue.limited or limits.name_of(queue, one) == limits.name_of(queue, other):
        return True
    return _is_free(queue, one) and _is_free(queue, other)


def trade(queue: Queue, taken: list[Job], at: int, windows: str | None, parked: set[str]) -> Job:
    """Return who starts instead of a job, which has its place then.

    One that has started before and has kept its slot is not asked.

    Args:
        queue: The queue.
        taken: The jobs of this claim, in order.
        at: Where in that the job is, which may start.
        windows: Those in which an earlier claim of it was counted.
        parked: Jobs that this claim has held back.
    """
    job = taken[at]
    if job.options.key is None or job.lost >= 2:
        return job
    for other in _others(queue, job):
        if _place(other) >= _place(job):
            break
        waits = other.state == "queued" or other.held_back is not None
        waits = waits and other.id not in parked and not other.suspect
        if waits and _may_start_now(queue, other) and _are_alike(queue, job, other):
            _change_places(queue, job, other, windows)
            if other in taken:
                taken[taken.index(other)] = job
            taken[at] = other
            return other
    return job


def _change_places(queue: Queue, job: Job, other: Job, windows: str | None) -> None:
    order = job.place if job.order is None else job.order
    if queue.limited:
        letters = (job.options.windows or "").partition("/")[0]
        new = f"{letters}/{limits.name_of(queue, other)}" if letters else None
        other.options = replace(other.options, windows=new)
        job.options = replace(job.options, windows=windows)
    for name in ("place", "slots", "held_back", "turn", "state", "time"):
        mine, its = getattr(job, name), getattr(other, name)
        setattr(job, name, its)
        setattr(other, name, mine)
    job.order, other.order = order, None
    queue.ranked = True
