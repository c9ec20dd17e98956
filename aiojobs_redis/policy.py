"""What a worker does with the jobs of a task: how long, how often, and what after an error."""

from __future__ import annotations

import inspect
import logging
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from aiojobs_redis.duration import to_ms
from aiojobs_redis.options import LIBRARY_DEFAULTS
from aiojobs_redis.printing import log_error
from aiojobs_redis.retry import Exponential, Fixed, Linear, planned_delay

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiojobs_redis.context import JobContext
    from aiojobs_redis.dependencies import OnFailure
    from aiojobs_redis.options import JobOptions
    from aiojobs_redis.task import Task

__all__ = ["Policy", "policy_from", "policy_of"]

_log = logging.getLogger("aiojobs_redis.worker")


@dataclass(frozen=True, slots=True)
class Policy:
    """Options of one task, as the worker applies them.

    Attributes:
        attempts: Tries in all.
        timeout: Seconds an attempt may run, None for no limit.
        backoff: Wait between attempts.
        retry_on: Errors worth another attempt, None for all.
        fail_on: Errors that end the job, None for none.
        executor: ``async``, ``thread`` or ``process``.
        bare: Whether to await the function is all that an attempt in this worker does.
        on_parent_failure: What a failed one of the jobs means that it waits for, where the job
            itself does not say.
    """

    attempts: int
    timeout: float | None
    backoff: Any
    retry_on: Callable[[BaseException], bool] | None
    fail_on: Callable[[BaseException], bool] | None
    executor: str
    bare: bool = False
    on_parent_failure: OnFailure = "fail"

    def override(self, options: Mapping[str, Any]) -> Policy:
        """Return the policy with the options of one job."""
        timeout_ms = options.get("timeout", ...)
        backoff = options.get("backoff")
        return Policy(
            options.get("attempts", self.attempts),
            self.timeout if timeout_ms is ... else _seconds(timeout_ms),
            self.backoff if backoff is None else _stored_backoff(backoff),
            self.retry_on,
            self.fail_on,
            self.executor,
            self.bare,
            options.get("on_parent_failure", self.on_parent_failure),
        )

    def as_data(self) -> dict[str, Any]:
        """Return what of it is data, as `override` takes it."""
        backoff = {} if callable(self.backoff) else {"backoff": self.backoff}
        return {"attempts": self.attempts, **backoff}

    def gives_up(self, error: BaseException, attempt: int) -> bool:
        """Whether this error ends the job."""
        if attempt >= self.attempts or _says(self.fail_on, error, otherwise=False):
            return True
        return not _says(self.retry_on, error, otherwise=True)

    async def delay(self, error: BaseException, attempt: int, job: JobContext) -> float | None:
        """Return the seconds until the next attempt, None to give up."""
        if not callable(self.backoff):
            return planned_delay(self.backoff, attempt, random.random())  # noqa: S311 - jitter
        try:
            seconds: Any = self.backoff(attempt, error, job)
            if inspect.isawaitable(seconds):
                seconds = await seconds
            if seconds is None or seconds < 0:
                return None
            return to_ms("backoff", seconds) / 1000
        except GeneratorExit:
            raise
        except BaseException as broken:
            # Whatever it was, even a stop of the worker: the attempt has failed, and is counted.
            text = "the back-off of task %s failed; the default one is used"
            log_error(_log, broken, text, job.task)
            return Exponential().delay(attempt, random.random())  # noqa: S311 - jitter


def _says(
    judge: Callable[[BaseException], bool] | None, error: BaseException, *, otherwise: bool
) -> bool:
    if judge is None:
        return otherwise
    try:
        return judge(error)
    except BaseException as broken:
        text = "retry_on or fail_on cannot judge %s; it is ignored"
        log_error(_log, broken, text, type(error).__name__)
        return otherwise


def policy_of(task: Task[..., Any]) -> Policy:
    """Return the policy of a task: its options over those of its queue and of the library."""
    options = task.defaults.over(task.queue.defaults)
    return policy_from(options, "async" if task.is_async else "thread")


def policy_from(options: JobOptions, usual: str) -> Policy:
    """Return the policy of some options over those of the library.

    Args:
        options: The options.
        usual: The executor where they name none: what the function is.
    """
    values = options.over(LIBRARY_DEFAULTS).values
    executor = values.get("executor") or usual
    if executor == "thread":
        # As a default of the queue it is for plain functions only.
        executor = usual
    return Policy(
        values["attempts"],
        _seconds(values["timeout"]),
        values["backoff"],
        values.get("retry_on"),
        values.get("fail_on"),
        executor,
        on_parent_failure=values.get("on_parent_failure", "fail"),
    )


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else ms / 1000


def _stored_backoff(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    return msgspec.convert(value, Exponential | Fixed | Linear)
