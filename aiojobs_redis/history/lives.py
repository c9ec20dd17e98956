"""The leases of one job in their order, and why each followed the one before it.

A *life* is what lies between an enqueue or a replay and the end of a job: within one, a job is
completed once, and is handed out again only for a cause.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from aiojobs_redis.history.events import TERMINAL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiojobs_redis.history.model import Deed, History, Job, Lease, Mark

__all__ = ["Life", "Link", "follows", "life_of"]

_CAUSES = {
    "retry": "failed_retry",
    "release": "released",
    "snooze": "snoozed",
    "wait": "waited",
    "park": "parked",
}
_OF_MARKS = {"rewind": "redis_rewind"}


class Link(NamedTuple):
    """Two leases of a job, one after the other.

    Attributes:
        earlier: The one.
        later: The other.
        cause: Why the job was handed out again; empty when nothing says why.
        same_life: Whether the job was not asked to run again in between.
        undone: Whether Redis may have forgotten things in between.
        swapped: Whether their fences do not tell the order in which they were granted.
    """

    earlier: Lease
    later: Lease
    cause: str
    same_life: bool
    undone: bool
    swapped: bool

    @property
    def judged(self) -> bool:
        """Whether the second one has to respect the first."""
        return self.same_life and not self.undone and not self.swapped


class Life(NamedTuple):
    """The leases of a job.

    Attributes:
        leases: Those whose claim is known, in the order of their grants.
        links: Each of them with the one before it.
        ends: Leases with an accepted end of the job.
    """

    leases: list[Lease]
    links: list[Link]
    ends: list[Lease]


def life_of(history: History, job: Job) -> Life:
    """Bring the leases of a job in order."""
    leases = [lease for lease in job.leases if lease.granted]
    links: list[Link] = []
    if history.marks and leases:
        _forget_times(history, job, leases)
    if len(leases) > 1:
        marks = history.marks_of(job.queue)
        leases.sort(key=lambda lease: (_epoch(marks, lease), lease.fence))
        for earlier, later in pairwise(leases):
            link = _link(history, job, earlier, later)
            later.life = earlier.life + (not link.judged)
            links.append(link)
    ends = [lease for lease in leases if (end := lease.accepted()) and end.kind in TERMINAL]
    return Life(leases, links, ends)


def follows(deed: Deed, lease: Lease) -> bool | None:
    """Whether Redis applied a call after it had granted the lease; None when it cannot be told."""
    if deed.call and deed.call == lease.call:
        # Redis takes the completions of a call before it claims for it.
        return False
    if deed.invoked > lease.granted:
        return True
    if deed.ms and lease.ms and deed.ms != lease.ms:
        return deed.ms > lease.ms
    return False if deed.answered and deed.answered < lease.asked else None


def _forget_times(history: History, job: Job, leases: Sequence[Lease]) -> None:
    """Drop the times of Redis of a job during whose life they cannot be compared."""
    deeds = [deed for lease in leases for deed in lease.finishes()]
    first = min([lease.asked for lease in leases] + [deed.invoked for deed in job.enqueues()])
    last = max([lease.granted for lease in leases] + [deed.answered for deed in deeds])
    if history.stepped(first, last):
        for lease in leases:
            lease.ms = lease.until = lease.renewed = lease.due = 0
        for deed in deeds:
            deed.ms = 0


def _epoch(marks: Sequence[Mark], lease: Lease) -> int:
    # A Redis that was set back hands out smaller numbers than before.
    return sum([mark.begin <= lease.granted for mark in marks]) if marks else 0


def _link(history: History, job: Job, earlier: Lease, later: Lease) -> Link:
    mark = history.undone(job.queue, earlier.asked, later.granted)
    same_life, cause = True, ""
    if later.generation > earlier.generation:
        same_life, cause = False, "replay"
    elif _added_between(job, earlier, later):
        same_life, cause = False, "enqueued_again"
    elif mark is not None:
        cause = _OF_MARKS.get(mark.cause, mark.cause)
    else:
        cause = _cause(job, earlier, later)
    # The reply of the later one was read before the earlier one was even asked for.
    swapped = mark is None and (earlier.fence == later.fence or later.granted < earlier.asked)
    return Link(earlier, later, cause, same_life, mark is not None, swapped)


def _cause(job: Job, earlier: Lease, later: Lease) -> str:
    if later.generation < earlier.generation:
        return ""
    for deed in earlier.finishes():
        if not deed.refused and deed.kind in _CAUSES and follows(deed, later) is not True:
            return _CAUSES[deed.kind]
    # What Redis counts also tells of leases whose holder died before it could write them down.
    if later.lost > earlier.lost or any(earlier.ms <= at <= later.ms for at in job.expiries):
        return "lease_expired"
    return "failed_retry" if later.failures > earlier.failures else ""


def _added_between(job: Job, earlier: Lease, later: Lease) -> bool:
    if job.more is None or later.failures or later.lost or later.generation != 1:
        return False
    return any(
        deed.added and not deed.refused and earlier.asked < deed.invoked < later.granted
        for deed in job.more
        if deed.accepted or earlier.accepted() is not None
    )
