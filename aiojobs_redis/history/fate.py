"""What became of a job after the last call that is known to have set it going."""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import TYPE_CHECKING

from aiojobs_redis.history.events import TERMINAL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiojobs_redis.history.model import Deed, Job, Lease
    from aiojobs_redis.history.rules import Case

__all__ = ["Fate", "acknowledged", "fate_of", "leases_since", "start_of"]


class Fate:
    """What became of a job that was set going."""

    ENDED, UNFINISHED, UNDONE, LOST = "ended", "unfinished", "undone", "lost"


def acknowledged(job: Job) -> Deed | None:
    """Return the first enqueue that was acknowledged, None when none was."""
    return next((deed for deed in job.enqueues() if deed.accepted), None)


def start_of(job: Job, before: float = math.inf) -> Deed | None:
    """Return the last call until a time, ns, that is known to have set a job going, or None.

    That is an enqueue that added it or a replay. Where somebody else had added it, an enqueue that
    was answered tells that it was there.
    """
    deeds = [
        deed
        for deed in (*job.enqueues(), *job.replays)
        if deed.accepted and deed.added and deed.invoked <= before
    ]
    return max(deeds, key=lambda deed: deed.invoked, default=acknowledged(job))


def leases_since(start: Deed, leases: Sequence[Lease]) -> Sequence[Lease]:
    """Return those of some leases that may be of the life that a call began.

    A job that holds a lease is neither added nor replayed, so an earlier one ended before.
    """
    return [lease for lease in leases if lease.granted >= _since(start)]


def fate_of(case: Case) -> str:
    """Return what became of a job."""
    history, job = case.history, case.job
    start = start_of(job)
    if start is None or leases_since(start, case.life.ends):
        return Fate.ENDED
    if job.ended and job.ended >= _since(start):
        return Fate.ENDED
    known = [start.answered, *(lease.granted for lease in case.life.leases)]
    gone = not job.state and job.seen > max(known + [deed.invoked for deed in job.replays])
    if not gone and case.queue not in history.drained:
        return Fate.UNFINISHED
    if history.undone(case.queue, start.invoked, math.inf):
        return Fate.UNDONE
    return Fate.ENDED if _may_have_ended(case, start) else Fate.LOST


def _since(start: Deed) -> int:
    # Nobody knows when a job was set going that an enqueue found there.
    return start.invoked if start.added else 0


def _may_have_ended(case: Case, start: Deed) -> bool:
    job, leases = case.job, leases_since(start, case.life.leases)
    enqueues = [deed for deed in job.enqueues() if deed.replaced or not start.added]
    expires = start.expires or any(deed.expires for deed in enqueues)
    if expires or any(_may_concern(deed, start) for deed in job.cancels):
        return True
    if not leases:
        return False
    last = leases[-1]
    if any(deed.kind in TERMINAL and not deed.refused for deed in last.finishes()):
        return True
    end = last.accepted()
    if end is not None and end.kind == "wait":
        # It may have died of a job that it waited for.
        return True
    # A job whose last allowed lease runs out is buried by Redis itself; leases that nobody read of
    # count too. One that was given back starts from none.
    ran_out = last.lost + 1 if end is None else 0 if end.kind == "release" else last.lost
    unseen = len(case.unread) - bisect_right(case.unread, last.asked)
    return bool(last.deliveries) and ran_out + unseen >= last.deliveries


def _may_concern(cancel: Deed, start: Deed) -> bool:
    over = 0 < cancel.answered < _since(start)
    return not cancel.refused and not over
