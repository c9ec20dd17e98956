"""Looks at all runs four times a second for what has outrun its timeout or its lease.

A timer for each job would cost more than the rest of its life in the worker; one look costs less
than a microsecond a run. Timeouts under 5 s have timers of their own.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from aiojobs_redis.worker import clock
from aiojobs_redis.worker.run import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiojobs_redis.worker.lane import Lane

__all__ = ["INTERVAL", "look"]

INTERVAL = 0.25


def look(lanes: Sequence[Lane]) -> None:
    """End runs that are past their timeout or whose lease could not be renewed in time."""
    now, boot = time.monotonic(), clock.now()
    for lane in lanes:
        for run in list(lane.held.values()):
            if run.done or run.reason is not None:
                continue
            if run.timeout is not None and now > run.started + run.timeout:
                run.stop(Reason.TIMEOUT)
            elif boot > run.deadline:
                run.stop(Reason.FENCED)
