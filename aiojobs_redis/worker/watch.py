"""Looks at all runs four times a second for what has outrun its timeout or its lease.

Also for runs that cannot end any more, since their asyncio task has: whatever the reason, they
would keep their slots and their leases as long as the worker lives.

A timer for each job would cost more than the rest of its life in the worker; one look costs less
than a microsecond a run. Timeouts under 5 s have timers of their own. A lease that cannot be
renewed is given up in time, not at the next look: its margin may be shorter than the interval.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from aiojobs_redis.guarded_log import GuardedLog
from aiojobs_redis.worker import clock
from aiojobs_redis.worker.run import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiojobs_redis.worker.lane import Lane
    from aiojobs_redis.worker.run import Run

__all__ = ["INTERVAL", "look"]

_log = GuardedLog("aiojobs_redis.worker")

_SHOWN = 5

INTERVAL = 0.25
"""Seconds between two looks at most; no run starts whose lease may run out before the next one."""


def look(lanes: Sequence[Lane]) -> float:
    """End runs that are past their timeout or whose lease could not be renewed in time.

    Returns:
        Seconds until the next look: up to `INTERVAL`, or up to the end of the next lease.
    """
    now, boot = time.monotonic(), clock.now()
    next_end = boot + INTERVAL
    for lane in lanes:
        given_up: list[Run] = []
        unwinding: list[Run] = []
        for run in list(lane.held.values()):
            if run.fallen:
                # Not now: what is called at the end of its asyncio task may be about to be called.
                asyncio.get_running_loop().call_soon(lane.fallen, run)
            if run.done or run.revoked_now:
                continue
            ends = run.reason is not None
            if not ends and run.timeout is not None and now > run.started + run.timeout:
                run.stop(Reason.TIMEOUT)
            elif boot >= run.deadline:
                # One that unwinds, too: somebody else may run the job from now on.
                (unwinding if ends else given_up).append(run)
                run.stop(Reason.FENCED)
            elif run.deadline < next_end:
                next_end = run.deadline
        if given_up:
            _log.warning(
                "queue %s: the leases of %d jobs could not be renewed in time, so they are "
                "interrupted here and run again, no attempt spent: %s",
                lane.queue.name,
                len(given_up),
                ", ".join(run.id for run in given_up[:_SHOWN]),
            )
        if unwinding:
            _log.warning(
                "queue %s: %d jobs have not ended within a lease after they were interrupted, so "
                "they lose it, are interrupted again, and may run elsewhere: %s",
                lane.queue.name,
                len(unwinding),
                ", ".join(run.id for run in unwinding[:_SHOWN]),
            )
    return next_end - boot
