"""Starts the runs of a lane: what is stored is decoded, its task found, and an asyncio task made.

Whatever is stored, and whatever an attempt does, ends that one run and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from aiojobs_redis._redis.eager import EAGER
from aiojobs_redis._redis.inspector import error_line
from aiojobs_redis._redis.keys import check_name
from aiojobs_redis.errors import PayloadRejected, PayloadTooLarge
from aiojobs_redis.guarded_log import GuardedLog
from aiojobs_redis.printing import log_error
from aiojobs_redis.spec import read_spec
from aiojobs_redis.verdict import describe
from aiojobs_redis.worker.completion import Completion
from aiojobs_redis.worker.executor import cut_off
from aiojobs_redis.worker.recording import recorded
from aiojobs_redis.worker.run import USUAL_LEASE_MS, Reason

if TYPE_CHECKING:
    from aiojobs_redis.policy import Policy
    from aiojobs_redis.task import Task
    from aiojobs_redis.worker.executor import Executor
    from aiojobs_redis.worker.lane import Lane
    from aiojobs_redis.worker.run import Run

__all__ = ["Starter", "dead"]

_log = GuardedLog("aiojobs_redis.worker")


class Starter:
    """Starts runs.

    Args:
        lane: Their lane, which is told how each of them ends.
        executor: Runs the attempts.
    """

    def __init__(self, lane: Lane, executor: Executor) -> None:
        self._lane = lane
        self._executor = executor
        history = lane.queue.history
        # Decided once a worker: an attempt that nobody records goes straight to the executor.
        self._attempt = executor.execute if history is None else recorded(executor.execute, history)
        self._tasks = lane.queue.tasks
        self._max_payload = lane.queue.max_payload
        self._end = lane.end

    def start(self, run: Run, loop: asyncio.AbstractEventLoop) -> None:
        """Start one run in that loop, the running one; what cannot start ends at once."""
        try:
            policy = self._read(run)
        except Exception as error:
            self._end(run, dead(run, error))
            return
        task = run.task
        if task is None or policy is None:
            self._park(run)
            return
        if run.lease_ms < USUAL_LEASE_MS:
            self._lane.on_lease(run)
        # What waits for a process or for company first has its time counted from there on.
        waits = not policy.bare and (policy.executor == "process" or task.batching is not None)
        run.begin(None if waits else policy.timeout, loop)
        if self._lane.observing:
            self._lane.transitions.started(run)
        job = asyncio.Task(self._execute(run, task, policy), loop=loop, **EAGER)
        if not job.done():
            run.job = job

    async def _execute(self, run: Run, task: Task[..., Any], policy: Policy) -> None:
        run.begun = True
        if run.reason is not None:
            self._lane.hand_back(run)
            return
        try:
            if run.carries:
                await run.notes.load()
            completion = await self._attempt(run, task, policy)
            if run.left is not None and completion is not None:
                completion = await run.left.close(completion)
        except PayloadRejected as error:
            _log.warning("job %s is dead, it was not run: %s", run.id, error)
            completion = dead(run, error)
        except asyncio.CancelledError:
            # Stopped after the task itself had ended, in a back-off that waits for something.
            completion = None if run.reason is Reason.LOST else cut_off(run)
        except BaseException as error:
            if isinstance(error, GeneratorExit) and run.is_closed:
                raise
            completion = _unrecorded(run, error)
        self._end(run, completion)

    def fallen(self, run: Run) -> None:
        """End a run whose asyncio task has ended and said nothing, as nobody has foreseen."""
        if not run.begun:
            self._lane.hand_back(run)
        elif not run.done:
            error = RuntimeError("the asyncio task of the attempt ended without an outcome")
            self._end(run, _unrecorded(run, error))

    def _read(self, run: Run) -> Policy | None:
        """Decode the spec and find the task; None when it is not known here."""
        if len(run.body) > self._max_payload:
            self._check_size(run)
        spec = run.spec = read_spec(run.body)
        task = run.task = self._tasks.get(spec.task)
        if task is None:
            # It becomes part of the members of a key, so it has to be a name.
            check_name("task", spec.task)
            return None
        policy = self._executor.policy(task)
        return policy.override(spec.options) if spec.options else policy

    def _check_size(self, run: Run) -> None:
        if len(run.body) > self._max_payload:
            raise PayloadTooLarge(
                f"the stored payload is {len(run.body)} bytes, this worker's queue takes "
                f"{self._max_payload}: raise max_payload here as in the producer, then replay"
            )

    def _park(self, run: Run) -> None:
        name = run.spec.task if run.spec is not None else ""
        self._end(run, Completion(run, "b", "", name.encode()))


def dead(run: Run, error: BaseException) -> Completion:
    """Return the end of a run that cannot go on."""
    run.failed(error)
    line = describe(error, run.claim.failures + 1)
    return Completion(run, "d", "", line, type(error).__name__)


def _unrecorded(run: Run, error: BaseException) -> Completion:
    """Return the end of a run of which even the outcome failed; nothing here may fail as well."""
    text = "the outcome of the attempt could not be recorded, see the log of the worker"
    line = error_line("Unrecorded", text, "", run.claim.failures + 1)
    end = Completion(run, "d", "", line, "Unrecorded")
    with contextlib.suppress(BaseException):
        end = dead(run, error)
    log_error(_log, error, "job %s: its outcome cannot be recorded", run.id)
    return end
