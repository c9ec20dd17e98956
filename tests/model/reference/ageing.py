"""A job gains priority as it waits, a level for each so many ms, where the queue is told so.

Once its wait makes up for its distance from the highest priority that waits, it goes there, to the
place that it would have had if it had come with that priority.

Each claim looks at the first ten of each priority, and at the ten that came first of those who go
first there. Where keys take turns, later jobs of other keys
may stand before one that has waited for long, so it looks at ten more, which go round.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.model.reference.queue import BAND, Queue, Round
from tests.model.reference.turns import FRONT

if TYPE_CHECKING:
    from tests.model.reference.job import Job

__all__ = ["age", "lift_aged"]

PAGE = 10


def age(queue: Queue, call: str, ms: int | None) -> int:
    """Say how long a job waits for a level, None for no ageing; whether that changed anything."""
    if call in queue.batches:
        return 1
    if queue.ageing == ms:
        return 0
    queue.open()
    queue.ageing, queue.round = ms, None
    queue.remember(call)
    return 1


def lift_aged(queue: Queue) -> None:
    """Let the first ten of each lower priority rise, and of ten behind, who has waited enough."""
    waiting = queue.queued(suspect=False)
    if queue.ageing is None or queue.paused or not waiting:
        return
    top, deep = (waiting[0].place or 0) // BAND, False
    for jobs in (waiting, queue.queued(suspect=True)):
        bands: dict[int, list[Job]] = defaultdict(list)
        for job in jobs:
            bands[(job.place or 0) // BAND].append(job)
        for band, members in bands.items():
            front = [job for job in members if (job.place or 0) % BAND < FRONT]
            behind = members[len(front) :]
            deep = deep or (jobs is waiting and band > top and max(len(front), len(behind)) >= PAGE)
            for job in (*front[-PAGE:], *behind[:PAGE]) if band > top else ():
                if Round(queue.now, top).lifts(job, queue.ageing):
                    if jobs is waiting:
                        queue.keep_head(1023 - top)
                    if jobs is waiting and job in behind:
                        queue.keep_head(1023 - band, (job.place or 0) % BAND)
                    job.place = top * BAND + (job.place or 0) % BAND
    if queue.is_fair and (deep or queue.round):
        _lift_behind(queue, queue.round or Round(queue.now, top), queue.ageing)


def _lift_behind(queue: Queue, now: Round, level: int) -> None:
    """Look at ten more, behind those of the claim before, by the moment at which the round began.

    By the clock, a job might be too young yet when it is looked at, and one of its key that came
    after it be old enough when the next claim comes to that.
    """
    waiting = queue.queued(suspect=False)
    at, name = now.last or ((now.top + 1) * BAND, "")
    if not any((job.place, job.id) == (at, name) for job in waiting):
        name = ""
    page = [job for job in waiting if (job.place or 0, job.id.encode()) > (at, name.encode())]
    stays = []
    for job in page[:PAGE]:
        place = job.place or 0
        if now.lifts(job, level):
            queue.keep_head(1023 - now.top)
            queue.turns.keep_floor(job.options.priority, job.options.key, place % BAND)
            job.place = now.top * BAND + place % BAND
        else:
            stays.append((place, job.id))
    if len(page) < PAGE:
        queue.round = None
    elif stays:
        queue.round = replace(now, last=stays[-1])
