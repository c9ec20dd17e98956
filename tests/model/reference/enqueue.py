"""Jobs come in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tests.model.reference import flows
from tests.model.reference.job import Job, NewJob
from tests.model.reference.queue import BAND, Queue
from tests.model.reference.unique import hold, taken

__all__ = ["admit", "enqueue", "enqueue_flow", "enqueue_one"]


def enqueue(
    queue: Queue,
    producer: str,
    counter: int,
    jobs: Sequence[NewJob],
    max_length: int = 0,
    rate: tuple[int, int] | None = None,
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
    waiting = len(queue.queued(suspect=False)) + len(queue.of("scheduled", "retrying"))
    if again or (max_length and waiting + len(jobs) > max_length):
        queue.batches[producer] = (counter, queue.now, "")
        return ["FULL", waiting if max_length else 0]
    flags = admit(queue, jobs, rate)
    queue.batches[producer] = (counter, queue.now, flags)
    return ["OK", *flags.split(",", 1)]


def enqueue_flow(
    queue: Queue,
    producer: str,
    counter: int,
    jobs: Sequence[NewJob],
    max_length: int = 0,
    rate: tuple[int, int] | None = None,
) -> list[Any]:
    """Add jobs of which some wait for others; a parent that is not there refuses them all.

    So does one over the rate of its key (2; the others are 9). Blocked jobs count for the length
    of the queue, since they come to be queued by themselves.
    """
    last, _, flags = queue.batches.get(producer, (0, 0, ""))
    if counter < last:
        return ["STALE"]
    again = counter == last
    if again and flags:
        queue.batches[producer] = (counter, queue.now, flags)
        return ["OK", flags]
    waiting = len(queue.queued(suspect=False))
    waiting += len(queue.of("scheduled", "retrying", "blocked"))
    known = set(queue.jobs)
    for new in jobs:
        for parent in new.parents:
            if new.id not in queue.jobs and parent not in known:
                queue.batches[producer] = (counter, queue.now, "")
                return ["MISSING", new.id, parent]
        known.add(new.id)
    if again or (max_length and waiting + len(jobs) > max_length):
        queue.batches[producer] = (counter, queue.now, "")
        return ["FULL", waiting if max_length else 0]
    spent = dict(queue.full_at)
    over = [
        rate is not None and new.id not in queue.jobs and not spend(queue, new.key or "", rate)
        for new in jobs
    ]
    if any(over):
        queue.full_at = spent
        flags = "".join("2" if each else "9" for each in over)
    else:
        flags = admit(queue, jobs)
    queue.batches[producer] = (counter, queue.now, flags)
    return ["OK", flags]


def enqueue_one(queue: Queue, producer: str, counter: int, new: NewJob) -> list[Any]:
    """Add a job without options to a queue that is there; a taken id costs no arrival number."""
    last, _, flags = queue.batches.get(producer, (0, 0, ""))
    if counter < last:
        return ["STALE"]
    if counter == last:
        pass
    elif new.id in queue.jobs:
        flags = "0"
    elif queue.exists:
        flags = admit(queue, [new])
    else:
        return ["NONE"]
    queue.batches[producer] = (counter, queue.now, flags)
    return ["OK", flags]


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


def admit(queue: Queue, jobs: Sequence[NewJob], rate: tuple[int, int] | None = None) -> str:
    """Add jobs and return a flag a job: 1 added, 0 its id was taken, 2 over the rate of its key.

    3 stands for one whose unique key was taken.

    Behind a comma follow the ids of the jobs that have the keys, each with its length. A batch
    takes an arrival number a job without a key, whether it is added or not.
    """
    queue.open()
    plain = [new for new in jobs if new.key is None]
    arrivals = iter(range(queue.take_arrivals(len(plain)), BAND))
    flags = ids = ""
    added: list[Job] = []
    places: list[int] = []
    for new in jobs:
        arrival = next(arrivals) if new.key is None else None
        if new.id in queue.jobs:
            flags += "0"
            continue
        holder = taken(queue, new)
        if holder is not None:
            flags, ids = flags + "3", f"{ids}{len(holder.encode())}:{holder}"
            continue
        if rate and not spend(queue, new.key or "", rate):
            flags += "2"
            continue
        flags += "1"
        hold(queue, new.id, new)
        options = new.options(queue.now)
        job = Job(new.id, new.spec, options, options, state="new")
        queue.jobs[job.id] = job
        queue.tally(new.task, "enqueued", 1)
        queue.reported = {job.id: new.task}
        queue.note("enqueued", job.id)
        queue.reported = {}
        late = options.due is not None and options.due > queue.now
        if late:
            if arrival is None:
                arrival = queue.keyed = (queue.keyed or 0) + 1
            job.written = job.options = replace(options, arrival=arrival)
        if new.parents and flows.hold(queue, job.id, new.parents):
            job.state, job.time = "blocked", queue.now
        elif options.due is not None and late:
            queue.wait(job, "scheduled", options.due)
        else:
            added.append(job)
            places.append(queue.place(job, arrival))
    queue.enter_together(added, places)
    return f"{flags},{ids}" if ids else flags
