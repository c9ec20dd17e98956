"""How an attempt ended, as exchange.lua takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from aiojobs_redis.worker.run import Run

__all__ = ["Completion"]


class Completion(msgspec.Struct, frozen=True, gc=False):
    """One completion.

    Attributes:
        run: The run that it ends.
        code: ``c`` completed, ``t`` try again, ``d`` dead, ``z`` snoozed, ``x`` cancelled,
            ``r`` handed back, ``u`` handed back before it had begun, ``b`` parked until a worker
            knows the task, ``w`` waiting for jobs that it named.
        argument: Retention of the result or delay in ms; empty for the default.
        body: The result, the error, the task's name, or what `Wait` has.
        kind: Type of what was raised, for the log; empty where nothing was.
        attempts: Attempts that the job has in all; 0 where that does not matter.
        abroad: Names of jobs of other queues for which it waits from now on.
    """

    run: Run
    code: str
    argument: str = ""
    body: bytes = b""
    kind: str = ""
    attempts: int = 0
    abroad: tuple[str, ...] = ()
