"""A job gains priority as it waits, a level for each so many ms, where the queue is told so.

Once its wait makes up for its distance from the highest priority that waits, it goes there, to the
place that it would have had if it had come with that priority.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tests.model.reference.queue import BAND, Queue

if TYPE_CHECKING:
    from tests.model.reference.job import Job

__all__ = ["age", "lift_aged"]


def age(queue: Queue, call: str, ms: int | None) -> int:
    """Say how long a job waits for a level, None for no ageing; whether that changed anything."""
    if call in queue.batches:
        return 1
    if queue.ageing == ms:
        return 0
    queue.open()
    queue.ageing = ms
    queue.remember(call)
    return 1


def lift_aged(queue: Queue) -> None:
    """Let the first ten of each lower priority rise, if they have waited for long enough."""
    waiting = queue.queued(suspect=False)
    if queue.ageing is None or queue.paused or not waiting:
        return
    top = (waiting[0].place or 0) // BAND
    for jobs in (waiting, queue.queued(suspect=True)):
        bands: dict[int, list[Job]] = defaultdict(list)
        for job in jobs:
            bands[(job.place or 0) // BAND].append(job)
        for band, members in bands.items():
            for job in members[:10] if band > top else ():
                since = max(job.options.enqueued, job.options.due or 0)
                below = 1023 - job.options.priority - top
                if queue.now - since >= below * queue.ageing:
                    if jobs is waiting:
                        queue.keep_head(1023 - top)
                        queue.keep_head(1023 - band, (job.place or 0) % BAND)
                    job.place = top * BAND + (job.place or 0) % BAND
