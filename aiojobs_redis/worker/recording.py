"""Writes down when attempts start and end, for a queue that records its history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiojobs_redis.history.recorder import HistoryRecorder
    from aiojobs_redis.policy import Policy
    from aiojobs_redis.task import Task
    from aiojobs_redis.worker.completion import Completion
    from aiojobs_redis.worker.run import Run

    Execute = Callable[[Run, Task[..., Any], Policy], Awaitable[Completion | None]]

__all__ = ["recorded"]


def recorded(execute: Execute, history: HistoryRecorder) -> Execute:
    """Return what executes an attempt and writes down its start and its end.

    Args:
        execute: Executes it.
        history: Where to.
    """

    async def attempt(run: Run, task: Task[..., Any], policy: Policy) -> Completion | None:
        history.started(run.id, run.token, run.claim.failures + 1, policy.attempts)
        completion: Completion | None = None
        try:
            completion = await execute(run, task, policy)
        finally:
            reason = run.reason.value if run.reason is not None else "none"
            history.ended(run.id, run.token, completion.code if completion else reason)
        return completion

    return attempt
