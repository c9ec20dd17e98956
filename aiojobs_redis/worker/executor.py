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
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from aiojobs_redis._redis.inspector import error_line
from aiojobs_redis.context import enter_job
from aiojobs_redis.errors import ArgumentsInvalid
from aiojobs_redis.policy import Policy, policy_of
from aiojobs_redis.verdict import Verdict, describe, encoded_result, judge
from aiojobs_redis.worker.completion import Completion
from aiojobs_redis.worker.run import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aiojobs_redis.task import Task
    from aiojobs_redis.worker.processes import Processes
    from aiojobs_redis.worker.run import Run

__all__ = ["Executor", "cut_off"]

_log = logging.getLogger("aiojobs_redis.worker")


class Executor:
    """Runs the jobs of one worker.

    Args:
        threads: Sync tasks that run at once in threads.
        processes: Runs those that have a process each.
    """

    def __init__(self, threads: int, processes: Processes) -> None:
        self.threads = anyio.CapacityLimiter(threads)
        self.processes = processes
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
        if policy.executor == "process":
            return await self._execute_elsewhere(run, task, policy)
        try:
            args, kwargs = task.codec.decode(spec.call)
        except ArgumentsInvalid as error:
            verdict = Verdict("d", "", describe(error, run.claim.failures + 1), "ArgumentsInvalid")
            return self._ended(run, verdict, policy)
        enter_job(run)
        try:
            if policy.executor == "thread":
                value, raised = await anyio.to_thread.run_sync(
                    _call, task.function, args, kwargs, abandon_on_cancel=True, limiter=self.threads
                )
                if raised is not None:
                    raise raised
            else:
                value = await task.function(*args, **kwargs)
            if run.reason is Reason.LOST:
                return None
            return Completion(run, "c", run.keep_result, encoded_result(task.codec, value))
        except BaseException as error:
            if isinstance(error, GeneratorExit) and run.is_closed:
                raise
            return await self._after(run, error, policy)

    async def _execute_elsewhere(
        self, run: Run, task: Task[..., Any], policy: Policy
    ) -> Completion | None:
        try:
            verdict = await self.processes.run(run, task, policy)
        except BaseException as error:
            if isinstance(error, GeneratorExit) and run.is_closed:
                raise
            return await self._after(run, error, policy)
        return None if run.reason is Reason.LOST else self._ended(run, verdict, policy)

    async def _after(self, run: Run, error: BaseException, policy: Policy) -> Completion | None:
        if isinstance(error, asyncio.CancelledError):
            match run.reason:
                case Reason.LOST:
                    return None
                case Reason.SHUTDOWN | Reason.FENCED:
                    return cut_off(run)
                case Reason.CANCELLED:
                    line = error_line("Cancelled", "", "", run.claim.failures + 1)
                    return Completion(run, "x", "", line)
                case Reason.TIMEOUT:
                    error = TimeoutError(f"the attempt ran longer than {run.timeout:g} s")
                case None:
                    pass
        if run.reason is Reason.LOST:
            return None
        return self._ended(run, await judge(error, run.context, policy), policy)

    def _ended(self, run: Run, verdict: Verdict, policy: Policy) -> Completion:
        attempt = run.claim.failures + 1
        name = run.spec.task if run.spec else "?"
        match verdict.code:
            case "c":
                return Completion(run, "c", run.keep_result, verdict.body)
            case "t":
                _log.info(
                    "job %s of task %s failed (attempt %d of %d), again in %.3f s: %s",
                    run.id,
                    name,
                    attempt,
                    policy.attempts,
                    int(verdict.argument) / 1000,
                    verdict.kind,
                )
            case "d":
                _log.warning(
                    "job %s of task %s is dead after attempt %d: %s",
                    run.id,
                    name,
                    attempt,
                    verdict.kind,
                )
            case _:
                pass
        return Completion(run, verdict.code, verdict.argument, verdict.body)


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
