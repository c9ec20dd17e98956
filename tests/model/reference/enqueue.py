"""Jobs come in."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from tests.model.reference import abroad, flows
from tests.model.reference.job import Job, NewJob
from tests.model.reference.lines import Lines
from tests.model.reference.queue import Queue
from tests.model.reference.unique import decide, hold

__all__ = ["admit", "enqueue", "enqueue_flow", "enqueue_one"]

NO_FLOORS: Mapping[str, int] = MappingProxyType({})


def enqueue(
    queue: Queue,
    producer: str,
    counter: int,
    jobs: Sequence[NewJob],
    max_length: int = 0,
    rate: tuple[int, int] | None = None,
    most: int | None = None,
) -> list[Any]:
    """Add jobs, each id once. A batch that was sent again is answered as the first time.

    One that was refused stays so: its first copy may still come, and must not add what was refused.
    What is answered again is remembered anew, since a confirmation by replicas needs a write.
    """
    last, _, flags = queue.batches.get(producer, (0, 0, ""))
    if counter < last:
        return ["STALE"]
    again = counter == last
    if again and flags:
        queue.batches[producer] = (counter, queue.now, flags)
        return ["OK", *flags.split(",", 1)]
    waiting = _waiting(queue)
    if again or (max_length and waiting + _growth(queue, jobs) > max_length):
        _note_refusal(queue, producer, counter)
        return ["FULL", waiting if max_length else 0]
    flags = admit(queue, jobs, rate, most)
    queue.batches[producer] = (counter, queue.now, flags)
    return ["OK", *flags.split(",", 1)]


def enqueue_flow(
    queue: Queue,
    producer: str,
    counter: int,
    jobs: Sequence[NewJob],
    max_length: int = 0,
    rate: tuple[int, int] | None = None,
    most: int | None = None,
    told: Sequence[tuple[str, str]] = (),
    floors: Mapping[str, int] = NO_FLOORS,
) -> list[Any]:
    """Add jobs of which some wait for others; a parent that is not there refuses them all.

    So does one over the rate of its key (2), and one of a key that has its number of jobs (5; the
    others are 9). In `told` are other queues, and jobs of the call for which they wait, or gates
    which it opens there; in `floors`, by queue, the number below which what it told comes late.
    """
    last, _, flags = queue.batches.get(producer, (0, 0, ""))
    if counter < last:
        return ["STALE"]
    again = counter == last
    if again and flags:
        queue.batches[producer] = (counter, queue.now, flags)
        return ["OK", flags]
    waiting = _waiting(queue)
    known = set(queue.jobs)
    for new in jobs:
        for parent in new.parents:
            there = parent in known or parent.startswith(flows.ABROAD)
            if new.id not in queue.jobs and not there:
                _note_refusal(queue, producer, counter)
                return ["MISSING", new.id, parent]
        known.add(new.id)
    circle = flows.find_circle(queue, jobs)
    if circle:
        _note_refusal(queue, producer, counter)
        return ["CIRCLE", *circle]
    if again or (max_length and waiting + _growth(queue, jobs) > max_length):
        _note_refusal(queue, producer, counter)
        return ["FULL", waiting if max_length else 0]
    spent, lines = dict(queue.full_at), Lines(queue, most)
    flags = "".join(
        (new.id not in queue.jobs and refuse(queue, new, rate, lines)) or "9" for new in jobs
    )
    if "2" in flags or "5" in flags:
        queue.full_at = spent
    else:
        flags = admit(queue, jobs)
        added = [new for new, flag in zip(jobs, flags, strict=True) if flag == "1"]
        abroad.raise_to(queue, floors, [name for new in added for name in new.parents])
        abroad.promise(queue, told)
    if queue.exists:
        # One that was refused has left nothing.
        queue.batches[producer] = (counter, queue.now, flags)
    return ["OK", flags]


def _note_refusal(queue: Queue, producer: str, counter: int) -> None:
    """Keep out a late first copy, but leave nothing of a queue that does not exist."""
    if queue.exists:
        queue.batches[producer] = (counter, queue.now, "")


def enqueue_one(queue: Queue, producer: str, counter: int, new: NewJob) -> list[Any]:
    """Add a job without options to a queue that is there; a taken id costs no arrival number."""
    last, _, flags = queue.batches.get(producer, (0, 0, ""))
    if counter < last:
        return ["STALE"]
    if counter == last:
        pass
    elif new.id in queue.jobs:
        flags = "0"
        queue.note("duplicated", new.id)
    elif queue.exists:
        flags = admit(queue, [new])
    else:
        return ["NONE"]
    queue.batches[producer] = (counter, queue.now, flags)
    return ["OK", flags]


def refuse(queue: Queue, new: NewJob, rate: tuple[int, int] | None, lines: Lines) -> str:
    """Return why a job is not added, empty where it is: 5 its line is full, 2 over its rate.

    What is refused for the one costs nothing of the other.
    """
    if not lines.has_room(new):
        return "5"
    if rate and not spend(queue, new.key or "", rate):
        lines.give_back(new)
        return "2"
    return ""


def spend(queue: Queue, key: str, rate: tuple[int, int]) -> bool:
    """Take one of the jobs that a key may add: so many at once, as many again over the window.

    Where more than all of them are missing, the clock was set back.
    """
    count, window = rate
    step, now = math.ceil(window * 1000 / count), queue.now * 1000
    at = max(now, queue.full_at.get(key, 0))
    if at > now + (count + 1) * step:
        at = now
    enough = at + step <= now + count * step
    queue.full_at[key] = at + step if enough else at
    return enough


def admit(
    queue: Queue,
    jobs: Sequence[NewJob],
    rate: tuple[int, int] | None = None,
    most: int | None = None,
) -> str:
    """Add jobs and return a flag a job, as `Decided` has them.

    Behind a comma follow the ids of the jobs that are there instead of others, each with its
    length. A batch takes an arrival number a job without a key, whether it is added or not. One
    that goes first gives it back.
    """
    lines = Lines(queue, most)
    decided = decide(queue, jobs, lines, lambda new: refuse(queue, new, rate, lines))
    for name in decided.ids:
        queue.note("duplicated", name)
    queue.open()
    next_arrival = queue.take_arrivals(sum(new.key is None for new in decided.jobs))
    added: list[Job] = []
    arrivals: list[int | None] = []
    for at, new in enumerate(decided.jobs):
        arrival = next_arrival if new.key is None else None
        next_arrival += new.key is None
        if decided.flags[at] == "0":
            queue.note("duplicated", new.id)
        if decided.flags[at] != "1":
            continue
        job = _add(queue, new, arrival, decided.behind.get(at))
        if new.unique is not None and at not in decided.behind:
            window = decided.windows.get(at, new.unique.window)
            hold(queue, new.id, new.unique._replace(window=window))
        if job.state == "new":
            added.append(job)
            arrivals.append(None if new.lifo else arrival)
            next_arrival -= new.lifo
    queue.arrivals = next_arrival - 1
    places = [queue.place(job, arrival) for job, arrival in zip(added, arrivals, strict=True)]
    queue.enter_together(added, places)
    ids = "".join(f"{len(each.encode())}:{each}" for each in decided.ids)
    return f"{decided.flags},{ids}" if ids else decided.flags


def _add(queue: Queue, new: NewJob, arrival: int | None, leader: str | None) -> Job:
    """Add a job that waits for its time, or for another one; or one that is to be ready."""
    options = new.options(queue.now)
    job = Job(new.id, new.spec, options, options, state="new")
    queue.jobs[job.id] = job
    queue.tally(new.task, "enqueued", 1)
    queue.reported = {job.id: new.task}
    queue.note("enqueued", job.id)
    queue.reported = {}
    later = options.due is not None and options.due > queue.now
    if leader is not None or later:
        if arrival is None:
            arrival = queue.keyed = (queue.keyed or 0) + 1
        job.written = job.options = replace(options, arrival=arrival)
    if leader is not None and new.unique is not None:
        job.state, job.time = "blocked", queue.now
        queue.followers[leader] = (new.unique.key, new.id)
    elif new.parents and flows.hold(queue, job.id, new.parents):
        job.state, job.time = "blocked", queue.now
    elif later:
        queue.wait(job, "scheduled", options.due or 0)
        queue.note("scheduled", job.id)
    return job


def _growth(queue: Queue, jobs: Sequence[NewJob]) -> int:
    """Return how many of these are jobs more: others are there, or take the place of one."""
    return admit(copy.deepcopy(queue), jobs).partition(",")[0].count("1")


def _waiting(queue: Queue) -> int:
    """Return how many jobs wait; blocked ones too, since they come to be queued by themselves."""
    waiting = queue.of("scheduled", "retrying", "blocked")
    return len(queue.queued(suspect=False)) + len(waiting)
