"""Runs one attempt of a job to its outcome.

    decode arguments ─ do not fit ─────────────────────────────────────▶ dead
          │
    call the function ─ returns ──▶ encode the result ─ cannot be ─────▶ dead
          │                                └──────────────────────────▶ completed
          ├─ Retry, an error ── attempts left ────────────────────────▶ retrying
          │                  └─ none left, fail_on, Fail ─────────────▶ dead
          ├─ Snooze ──────────────────────────────────────────────────▶ scheduled, not charged
          ├─ WaitFor ─ of jobs that can be waited for ────────────────▶ blocked, not charged
          ├─ Cancel, cancelled by a caller ───────────────────────────▶ cancelled
          ├─ timed out: an error like any other
          ├─ the worker stops, the lease could not be renewed ────────▶ handed back, not charged;
          │                                                            dead if at_most_once
          ├─ its process dies: an error like any other ───────────────▶ dead if at_most_once
          └─ the lease is lost ───────────────────────────────────────▶ nothing

At most once counts from where the task begins: a job that still waits for a process, or for company
in a batch, is handed back whatever its delivery.

Whatever a task raises, SystemExit and CancelledError included, is about that job only.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from aiojobs_redis._redis.inspector import error_line
from aiojobs_redis._redis.kin import read_results
from aiojobs_redis.context import enter_job
from aiojobs_redis.errors import ArgumentsInvalid, ProcessDied
from aiojobs_redis.guarded_log import GuardedLog
from aiojobs_redis.parents import fill_parameters
from aiojobs_redis.policy import Policy, policy_of
from aiojobs_redis.verdict import Verdict, describe, encoded_result, judge
from aiojobs_redis.waits import ready_wait
from aiojobs_redis.worker.around import around
from aiojobs_redis.worker.batches import Batches
from aiojobs_redis.worker.completion import Completion
from aiojobs_redis.worker.forks import copies, end_copy
from aiojobs_redis.worker.injection import Injector
from aiojobs_redis.worker.remote import around_process, error_of
from aiojobs_redis.worker.run import Reason
from aiojobs_redis.worker.threads import outcome_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiojobs_redis.context import JobContext
    from aiojobs_redis.middleware import JobMiddleware
    from aiojobs_redis.task import Task
    from aiojobs_redis.worker.processes import Processes
    from aiojobs_redis.worker.run import Run

__all__ = ["Executor", "cut_off", "given_up"]

_log = GuardedLog("aiojobs_redis.worker")


class Executor:
    """Runs the jobs of one worker.

    Args:
        threads: Sync tasks that run at once in threads.
        processes: Runs those that have a process each.
        middleware: What is around each attempt, the first of it outermost.

    Attributes:
        injector: Fills in the parameters that tasks ask for.
    """

    def __init__(
        self, threads: int, processes: Processes, middleware: Sequence[JobMiddleware] = ()
    ) -> None:
        self.threads: anyio.CapacityLimiter = anyio.CapacityLimiter(threads)
        self.processes = processes
        self.injector: Injector = Injector()
        self.batches: Batches = Batches(self.threads, self.injector)
        self._middleware = middleware
        self._copies = copies()
        self._policies: dict[int, Policy] = {}

    def policy(self, task: Task[..., Any]) -> Policy:
        """Return the policy of a task."""
        policy = self._policies.get(id(task))
        if policy is None:
            policy = policy_of(task)
            asks = task.needs or task.from_parents or task.batching
            bare = policy.executor == "async" and not (self._middleware or asks)
            policy = self._policies[id(task)] = replace(policy, bare=bare)
        return policy

    async def execute(self, run: Run, task: Task[..., Any], policy: Policy) -> Completion | None:
        """Run one attempt; None when there is nothing to report, the lease being lost."""
        spec = run.spec
        if spec is None:
            raise RuntimeError("a run is executed after its spec was read")
        if not policy.bare and policy.executor == "process":
            return await self._execute_elsewhere(run, task, policy)
        try:
            args, kwargs = task.codec.decode(spec.call)
        except ArgumentsInvalid as error:
            run.failed(error)
            verdict = Verdict("d", "", describe(error, run.claim.failures + 1), "ArgumentsInvalid")
            return self._ended(run, verdict, policy)
        enter_job(run)
        # What is around the function may have effects too; a batch begins when its call does.
        run.entered = task.batching is None
        try:
            if policy.bare:
                value = await task.function(*args, **kwargs)
            else:
                value = await self._through(run, task, policy, args, kwargs)
            # 0.08 us a job: a copy that goes on from here claims and answers as this worker does.
            end_copy(self._copies)
            if run.reason is Reason.LOST:
                return None
            return Completion(run, "c", run.keep_result, encoded_result(task.codec, value))
        except BaseException as error:
            end_copy(self._copies, error)
            if isinstance(error, GeneratorExit) and run.is_closed:
                raise
            return await self._after(run, _as_raised(error, policy), policy)

    async def _execute_elsewhere(
        self, run: Run, task: Task[..., Any], policy: Policy
    ) -> Completion | None:
        try:
            if self._middleware:
                enter_job(run)
                verdict = await around_process(
                    self._middleware, run, task, lambda: self.processes.run(run, task, policy)
                )
            else:
                verdict = await self.processes.run(run, task, policy)
        except BaseException as error:
            if isinstance(error, GeneratorExit) and run.is_closed:
                raise
            crashed = isinstance(error, ProcessDied) and run.entered
            if crashed and run.once and run.reason is not Reason.LOST:
                run.failed(error)
                return _abandoned(run, str(error))
            return await self._after(run, error, policy)
        if run.reason is Reason.LOST:
            return None
        run.failed(error_of(run.id, verdict))
        if verdict.code == "w":
            return await self._wait(run, verdict, policy)
        return self._ended(run, verdict, policy)

    async def _through(
        self,
        run: Run,
        task: Task[..., Any],
        policy: Policy,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> Any:
        """Call the function within all that is around it."""

        async def call(_: JobContext) -> Any:
            if task.batching is not None:
                return await self.batches.run(run, task, policy, args[0])
            words = kwargs
            if task.from_parents:
                results = await read_results(run.store, run.id)
                words = {**kwargs, **fill_parameters(task.from_parents, task.name, results)}
            if not task.needs:
                return await self._invoke(task, policy, args, words)
            return await self.injector.call(
                task.needs, lambda given: self._invoke(task, policy, args, {**words, **given})
            )

        return await around(self._middleware, call)(run.context)

    async def _invoke(
        self,
        task: Task[..., Any],
        policy: Policy,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> Any:
        if policy.executor != "thread":
            return await task.function(*args, **kwargs)
        value, raised = await anyio.to_thread.run_sync(
            outcome_of, task.function, args, kwargs, abandon_on_cancel=True, limiter=self.threads
        )
        if raised is not None:
            raise raised
        return value

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
        run.failed(error)
        verdict = await judge(error, run.context, policy)
        if verdict.code == "w":
            return await self._wait(run, verdict, policy)
        return self._ended(run, verdict, policy)

    async def _wait(self, run: Run, verdict: Verdict, policy: Policy) -> Completion:
        """End an attempt whose job waits for others; what stands in the way is its error."""
        try:
            wait = await ready_wait(run.lane.queue, verdict.body, policy.on_parent_failure)
        except Exception as error:
            run.failed(error)
            return self._ended(run, await judge(error, run.context, policy), policy)
        return Completion(run, "w", "", wait.body, abroad=wait.abroad)

    def _ended(self, run: Run, verdict: Verdict, policy: Policy) -> Completion:
        if verdict.code == "c":
            return Completion(run, "c", run.keep_result, verdict.body)
        return Completion(
            run, verdict.code, verdict.argument, verdict.body, verdict.kind, policy.attempts
        )


def _as_raised(error: BaseException, policy: Policy) -> BaseException:
    # What a function in a thread raised came through coroutines, which no StopIteration can pass.
    cause = error.__cause__
    hidden = isinstance(error, RuntimeError) and isinstance(cause, StopIteration)
    return cause if policy.executor == "thread" and hidden and cause is not None else error


def cut_off(run: Run) -> Completion:
    """Return how an attempt ends that the worker gave up: handed back, unless it runs only once.

    One whose task has not begun is handed back in any case. One whose last words wait for Redis has
    ended already: these are given up, and not how it ended.
    """
    if run.ending is not None:
        return run.ending
    if not run.entered:
        return Completion(run, "u")
    if not run.once:
        return Completion(run, "r")
    return _abandoned(run, "the attempt was cut off by its worker")


def given_up(run: Run) -> Completion:
    """Return how an attempt ends for which the worker does not wait any longer, and log why."""
    task = run.task.name if run.task else "?"
    text = (
        "job %s of task %s does not end when it is cancelled; it is handed back as it is"
        if run.ending is None
        else "job %s of task %s has ended; what it reported last cannot be written and is dropped"
    )
    _log.error(text, run.id, task)
    return cut_off(run)


def _abandoned(run: Run, why: str) -> Completion:
    text = f"{why}, and the job is delivered at most once"
    line = error_line("abandoned", text, "", run.claim.failures + 1)
    return Completion(run, "d", "", line, "abandoned")
