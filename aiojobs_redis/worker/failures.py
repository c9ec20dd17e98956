"""Tells the application of attempts that failed, once Redis has accepted what becomes of the job.

A report before that could be wrong: where the lease was lost meanwhile, somebody else decides.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from aiojobs_redis.errors import ConfigInvalid
from aiojobs_redis.printing import log_error

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from aiojobs_redis.context import JobContext
    from aiojobs_redis.worker.completion import Completion

__all__ = ["Failure", "FailureHook", "Failures"]

_log = logging.getLogger("aiojobs_redis.worker")

_FAILED = frozenset({"t", "d"})


@dataclass(frozen=True, slots=True)
class Failure:
    """An attempt that failed, and what became of its job.

    Attributes:
        job: The job, as the attempt saw it.
        error: What was raised; None where the worker cut off an attempt that may run only once.
        dead: Whether that was the end of the job; otherwise it waits for its next attempt.
    """

    job: JobContext
    error: BaseException | None
    dead: bool


FailureHook: TypeAlias = Callable[[Failure], Awaitable[None] | None]


class Failures:
    """Calls the hook of one worker.

    Args:
        hook: A plain or an async callable of a `Failure`. What it raises is logged.

    Raises:
        ConfigInvalid: It cannot be called.
    """

    def __init__(self, hook: FailureHook) -> None:
        if not callable(hook):
            raise ConfigInvalid(f"on_failure must be a callable of a Failure, got {hook!r:.80}")
        self._hook = hook
        self._pending: set[asyncio.Task[None]] = set()

    def accepted(self, batch: Sequence[Completion], others: Collection[bytes]) -> None:
        """Take note of completions that Redis has answered.

        Args:
            batch: What was sent.
            others: Jobs that did not end so: what was lost, and what somebody had cancelled.
        """
        for completion in batch:
            if completion.code in _FAILED and completion.run.key not in others:
                run = completion.run
                self._tell(Failure(run.context, run.error, dead=completion.code == "d"))
                run.error = None

    async def told(self) -> None:
        """Wait until every call of the hook has ended."""
        while self._pending:
            await asyncio.wait(self._pending)

    def _tell(self, failure: Failure) -> None:
        try:
            answer = self._hook(failure)
        except (Exception, asyncio.CancelledError) as error:
            # Nobody is cancelled where nobody waits: it asked a future that was.
            log_error(_log, error, "on_failure raised for job %s", failure.job.id)
            return
        if inspect.isawaitable(answer):
            task = asyncio.create_task(_finish(answer, failure.job.id), name="aiojobs-on-failure")
            self._pending.add(task)
            task.add_done_callback(self._pending.discard)


async def _finish(answer: Awaitable[None], job: str) -> None:
    try:
        await answer
    except (Exception, asyncio.CancelledError) as error:
        itself = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and itself is not None and itself.cancelling():
            raise
        log_error(_log, error, "on_failure raised for job %s", job)
