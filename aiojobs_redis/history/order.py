"""The order of claims (I13), judged where the history leaves no doubt what was queued.

A job that was surely queued during a claim, ranks before a claimed one, and was handed out by a
later call, was passed over. *Surely queued*: its enqueue had been acknowledged before the claim was
sent, and its own first claim was sent after the reply of this one was read. Only jobs that are
ready at once count, and only their first lease, and no queue in which tasks
had a limit, or jobs aged.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aiojobs_redis.history.model import History, Job, Lease

__all__ = ["overtaken"]


def overtaken(history: History, jobs: Mapping[str, Job]) -> Iterator[tuple[Job, Lease, Job, Lease]]:
    """Yield each job that was claimed before one that ranks before it.

    Yields:
        The job, its lease, the job that it passed over, and that one's lease.
    """
    jobs = {id: job for id, job in jobs.items() if job.queue not in history.reordered}
    fresh = [(job, lease) for job in jobs.values() if (lease := _fresh(history, job)) is not None]
    waiting = sorted(fresh, key=lambda pair: -pair[1].asked)
    at, found = 0, _Waiting()
    for job, lease in sorted(fresh, key=lambda pair: -pair[1].granted):
        # All that was asked for only after this reply had been read is waiting during this claim.
        while at < len(waiting) and waiting[at][1].asked > lease.granted:
            found.add(*waiting[at])
            at += 1
        passed = found.before(job, lease)
        if passed is not None:
            yield job, lease, *passed


class _Waiting:
    """Jobs that wait, the one that was acknowledged first of each priority."""

    def __init__(self) -> None:
        self._priorities: list[int] = []
        self._first: dict[int, tuple[int, Job, Lease]] = {}

    def add(self, job: Job, lease: Lease) -> None:
        enqueue = job.enqueue
        at = enqueue.answered if enqueue is not None else 0
        known = self._first.get(job.priority)
        if known is None:
            self._priorities.insert(bisect_left(self._priorities, job.priority), job.priority)
        if known is None or at < known[0]:
            self._first[job.priority] = (at, job, lease)

    def before(self, job: Job, lease: Lease) -> tuple[Job, Lease] | None:
        """Return one that a claim had to prefer to this job."""
        for priority in self._priorities[bisect_left(self._priorities, job.priority) :]:
            at, other, its_lease = self._first[priority]
            invoked = job.enqueue.invoked if job.enqueue is not None else 0
            limit = lease.asked if priority > job.priority else min(invoked, lease.asked)
            if at < limit:
                return other, its_lease
        return None


def _fresh(history: History, job: Job) -> Lease | None:
    """Return the first lease of a job whose order can be judged."""
    enqueue = job.enqueue
    if not job.plain or job.moved or job.more or enqueue is None or not enqueue.accepted:
        return None
    if not enqueue.added:
        return None
    lease = min(
        (lease for lease in job.leases if lease.granted), key=lambda one: one.fence, default=None
    )
    if lease is None or lease.generation != 1 or lease.failures or lease.lost:
        return None
    # Through a fault of Redis nothing is sure.
    sure = history.undone(job.queue, enqueue.invoked, lease.granted) is None
    return lease if sure else None
