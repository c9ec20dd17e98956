"""Running jobs that wait for jobs which they have named, most of them enqueued by themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.model.reference import abroad, flows
from tests.model.reference.job import Error, Job

if TYPE_CHECKING:
    from tests.model.reference.queue import Queue

__all__ = ["forget_named", "wait_for"]


def wait_for(
    queue: Queue, job: Job, names: Sequence[str], policy: str, floors: Mapping[str, int]
) -> bool:
    """Let a job wait whose attempt has ended; whether it may, and is not dead instead.

    What has completed counts at once; what has failed, or is not there, is told soon. In `floors`
    is, by queue, the number below which what it told comes late.
    """
    if _is_circle(queue, job.id, names):
        queue.reported = {job.id: "work"}
        queue.note("failed", job.id)
        queue.bury(job, Error("wait_refused", queue.now, job.failures + 1))
        queue.reported = {}
        queue.tally("work", "dead", 1)
        return False
    before = queue.parents.get(job.id, [])
    for options in ("options", "written"):
        own = getattr(job, options)
        more = replace(
            own,
            on_parent_failure=own.on_parent_failure or policy,
            named=len(before) if own.named is None else own.named,
        )
        setattr(job, options, more)
    job.lost = 0
    queue.parents[job.id] = list(dict.fromkeys([*before, *names]))
    waits = [_holds(queue, job.id, name) for name in dict.fromkeys(names)]
    abroad.raise_to(queue, floors, names)
    if any(waits):
        job.state, job.time, job.place = "blocked", queue.now, None
    else:
        queue.enter(job)
    return True


def _holds(queue: Queue, child: str, name: str) -> bool:
    """Let a job wait for another one; whether it does."""
    queue.edges[name, child] = "a"
    if name.startswith(flows.ABROAD):
        known = queue.abroad.get(name)
        if known is None:
            queue.abroad[name] = abroad.Known()
        elif name not in queue.asked:
            queue.abroad[name] = known._replace(number=known.number + 1)
        queue.asked.add(name)
        return True
    state = flows.state_of(queue, name)
    if state == "completed":
        queue.edges[name, child] = "d"
        return False
    if state in ("dead", "cancelled", ""):
        queue.marks.add(name)
    return True


def _is_circle(queue: Queue, child: str, names: Sequence[str]) -> bool:
    """Whether one of these jobs is the job itself, or waits for it."""
    found = list(names)
    for name in found:
        found += [up for (up, down), at in queue.edges.items() if (down, at) == (name, "a")]
        if child in found:
            return True
    return False


def forget_named(queue: Queue, job: Job) -> None:
    """Let a job that starts anew depend on no more than it was enqueued with."""
    count, parents = job.written.named, queue.parents.get(job.id, [])
    if count is None:
        return
    job.written = replace(job.written, named=None)
    for name in parents[count:]:
        queue.edges.pop((name, job.id), None)
    queue.parents[job.id] = parents[:count]
    if not parents[:count]:
        del queue.parents[job.id]
    flows.forget_unknown(queue)
