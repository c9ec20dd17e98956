"""How many jobs of a key may wait for their first start, where they were enqueued with a number.

Each such job counts from its enqueue to its first start, or to its end without one.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.model.reference.job import NewJob, Options
    from tests.model.reference.queue import Queue

__all__ = ["Lines"]


class Lines:
    """The lines of all keys during one call, in which each job counts for those behind it.

    Args:
        queue: The queue.
        most: Jobs of each key, None for any number.
    """

    def __init__(self, queue: Queue, most: int | None) -> None:
        self._most = most
        self._length = Counter(
            job.options.key for job in queue.jobs.values() if job.options.counted and not job.ended
        )

    def has_room(self, new: NewJob, old: NewJob | Options | None = None) -> bool:
        """Take a place, that of an old one where it has the same key; whether there was one."""
        if self._most is None:
            return True
        key = new.key if new.counted else None
        before = old.key if old is not None and old.counted else None
        if key == before:
            return True
        if key is not None and self._length[key] >= self._most:
            return False
        self._length[key] += 1
        self._length[before] -= 1
        return True

    def give_back(self, new: NewJob) -> None:
        """Let a job that was refused for something else count no more."""
        if new.counted:
            self._length[new.key] -= 1
