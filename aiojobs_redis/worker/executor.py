"""Runs one attempt of a job to its outcome.

    decode arguments ─ do not fit ─────────────────────────────────────▶ dead
          │
    call the function ─ returns ──▶ encode the result ─ cannot be ─────▶ dead
          │                                └──────────────────────────▶ completed
          ├─ Retry, an error ── attempts left ────────────────────────▶ retrying
          │                  └─ none left, fail_on, Fail ─────────────▶ dead
          ├─ Snooze ──────────────────────────────────────────────────▶ scheduled, not charged
          ├─ Cancel, cancelled by a caller ───────────────────────────▶ cancelled
          ├─ timed out: an error like any other
          ├─ the worker stops, the lease could not be renewed ────────▶ handed back, not charged;
          │                                                            dead if at_most_once
          └─ the lease is lost ───────────────────────────────────────▶ nothing

Whatever a task raises, SystemExit and CancelledError included, is about that job only.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from aiojobs_redis._redis.inspector import error_line
from aiojobs_redis.codec import ResultNotEncodable
from aiojobs_redis.context import enter_job
from aiojobs_redis.errors import ArgumentsInvalid
from aiojobs_redis.handle import TOO_LARGE
from aiojobs_redis.outcome import Cancel, Fail, Retry, Snooze
from aiojobs_redis.worker.completion import Completion
from aiojobs_redis.worker.policy import Policy, policy_of
from aiojobs_redis.worker.run import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aiojobs_redis.task import Task
    from aiojobs_redis.worker.run import Run

__all__ = ["Executor", "cut_off", "describe"]

_log = logging.getLogger("aiojobs_redis.worker")

LARGEST_RESULT = 1024 * 1024


class Executor:
    """Runs the jobs of one worker.

    Args:
        threads: Sync tasks that run at once.
    """

    def __init__(self, threads: int) -> None:
        self.threads = anyio.CapacityLimiter(threads)
        self._policies: dict[int, Policy] = {}

    def policy(self, task: Task[..., Any]) -> Policy:
        """Return the policy of a task."""
        policy = self._policies.get(id(task))
        if policy is None:
            policy = self._policies[id(task)] = policy_of(task)
        return policy

    async def execute(self, run: Run, task: Task[..., Any], policy: Policy) -> Completion | None:
        """Run one attempt; None when there is nothing to report, the lease being lost."""
        spec = run.spec
        if spec is None:
            raise RuntimeError("a run is executed after its spec was read")
        try:
            args, kwargs = task.codec.decode(spec.call)
        except ArgumentsInvalid as error:
            return self._dead(run, error)
        enter_job(run)
        try:
            if policy.threaded:
                value, raised = await anyio.to_thread.run_sync(
                    _call, task.function, args, kwargs, abandon_on_cancel=True, limiter=self.threads
                )
                if raised is not None:
                    raise raised
            else:
                value = await task.function(*args, **kwargs)
            if run.reason is Reason.LOST:
                return None
            return Completion(run, "c", run.keep_result, self._result(task, value))
        except BaseException as error:
            if isinstance(error, GeneratorExit) and run.is_closed:
                raise
            return await self._after(run, error, policy)

    def _result(self, task: Task[..., Any], value: Any) -> bytes:
        data = task.codec.encode_result(value)
        if value is None:
            # A job without a stored result returned None.
            return b""
        return data if len(data) <= LARGEST_RESULT else TOO_LARGE + str(len(data)).encode()

    async def _after(self, run: Run, error: BaseException, policy: Policy) -> Completion | None:
        job = run.context
        if isinstance(error, asyncio.CancelledError):
            match run.reason:
                case Reason.LOST:
                    return None
                case Reason.SHUTDOWN | Reason.FENCED:
                    return cut_off(run)
                case Reason.CANCELLED:
                    return Completion(run, "x", "", error_line("Cancelled", "", "", job.attempt))
                case Reason.TIMEOUT:
                    error = TimeoutError(f"the attempt ran longer than {run.timeout:g} s")
                case None:
                    pass
        if run.reason is Reason.LOST:
            return None
        match error:
            case Snooze():
                return Completion(run, "z", str(error.delay_ms))
            case Cancel():
                line = error_line("Cancelled", error.reason, "", job.attempt)
                return Completion(run, "x", "", line)
            case Fail() | ResultNotEncodable():
                return self._dead(run, error)
            case Retry():
                return await self._again(run, error, policy, error.delay_ms)
            case _:
                return await self._again(run, error, policy, None)

    async def _again(
        self,
        run: Run,
        error: BaseException,
        policy: Policy,
        delay_ms: int | None,
    ) -> Completion:
        job = run.context
        asked = isinstance(error, Retry)
        if job.attempt >= policy.attempts if asked else policy.gives_up(error, job.attempt):
            return self._dead(run, error)
        if delay_ms is None:
            seconds = await policy.delay(error, job.attempt, job)
            if seconds is None:
                return self._dead(run, error)
            delay_ms = round(seconds * 1000)
        _log.info(
            "job %s of task %s failed (attempt %d of %d), again in %.3f s: %s",
            run.id,
            job.task,
            job.attempt,
            policy.attempts,
            delay_ms / 1000,
            type(error).__name__,
        )
        return Completion(run, "t", str(delay_ms), describe(error, job.attempt))

    def _dead(self, run: Run, error: BaseException) -> Completion:
        attempt = run.claim.failures + 1
        name = run.spec.task if run.spec else "?"
        _log.warning(
            "job %s of task %s is dead after attempt %d: %s",
            run.id,
            name,
            attempt,
            type(error).__name__,
        )
        return Completion(run, "d", "", describe(error, attempt))


def _call(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[Any, BaseException | None]:
    """Call a function in a thread; what it raises is returned beside its value.

    A future carries neither a StopIteration nor a GeneratorExit to whom awaits it.
    """
    try:
        return function(*args, **kwargs), None
    except BaseException as error:
        return None, error


def cut_off(run: Run) -> Completion:
    """Return how an attempt ends that the worker gave up: handed back, unless it runs only once."""
    if not run.once:
        return Completion(run, "r")
    text = "the attempt was cut off by its worker, and the job is delivered at most once"
    return Completion(run, "d", "", error_line("abandoned", text, "", run.claim.failures + 1))


def describe(error: BaseException, attempt: int) -> bytes:
    """Return an error as recorded, without the frames of this package above the task's."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    text = "".join(traceback.format_exception(type(error), error, trace))
    return error_line(type(error).__name__, _message(error), text, attempt)


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException as broken:
        return f"<no message: {type(broken).__name__} in __str__>"
