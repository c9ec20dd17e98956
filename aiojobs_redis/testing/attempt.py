"""One attempt of one job, in this process, by a worker of its own on a server of its own."""

from __future__ import annotations

import asyncio
import copy
import secrets
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

import msgspec

from aiojobs_redis._redis.memory import forget_memory_server
from aiojobs_redis.errors import ArgumentsInvalid, ConfigInvalid, JobStateError
from aiojobs_redis.job import JobState
from aiojobs_redis.options import JobOptions
from aiojobs_redis.outcome import Retry
from aiojobs_redis.policy import policy_of
from aiojobs_redis.queue import Queue
from aiojobs_redis.task import BoundCall, ConfiguredTask, Task
from aiojobs_redis.testing.at_enqueue import Inline
from aiojobs_redis.testing.given import task_of
from aiojobs_redis.verdict import encoded_result
from aiojobs_redis.worker.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from aiojobs_redis.context import JobContext
    from aiojobs_redis.handle import Job

__all__ = ["perform"]

P = ParamSpec("P")
R = TypeVar("R")

_MOST_ATTEMPTS = 1000
_KEPT = JobOptions(keep_result=None, keep_dead=None, keep_cancelled=None)
# What decides when, and beside which other jobs, it runs: it runs now, and alone.
_ELSEWHERE = frozenset({"at", "delay", "depends_on", "expires", "on_parent_failure", "unique"})


async def perform(
    task: Task[P, R] | ConfiguredTask[P, R] | BoundCall[R],
    /,
    *args: Any,
    attempt: int = 1,
    worker: Callable[[Sequence[Queue]], Worker] = Worker,
    **kwargs: Any,
) -> R:
    """Run one attempt of a job as a worker does, and return its result.

    The arguments and the result go through the codec, `current_job()` has a job, timeouts count,
    and middleware and what tasks ask for by `Depends` come from the worker. The job is in no queue
    of the application, before or after; what the task enqueues is. A task for processes runs in
    this one. `FromParents` gets nothing: call the function for that.

    Args:
        task: The task, by itself, with options, or as a bound call.
        args: Its positional arguments.
        attempt: Number of the attempt, 1 to 1,000; those before it have failed.
        worker: Makes the worker, for one with a lifespan or middleware.
        kwargs: Its keyword arguments.

    Raises:
        BaseException: What the attempt raised, as it was raised: an error, or an outcome such as
            `Retry`, `Snooze` or `Fail`. After a timeout that is `TimeoutError`.
        ArgumentsInvalid: The arguments do not fit the task.
        ResultNotEncodable: The result has no MessagePack form, or is not what the task declares.
        ResultTooLarge: It is over 1 MiB.
        ConfigInvalid: It is no task, or the number of the attempt is out of range.
        LifespanFailed: The lifespan of the worker raised.
    """
    own = task_of("perform", task)
    if not isinstance(attempt, int) or isinstance(attempt, bool):
        raise ConfigInvalid(f"attempt must be a whole number from 1, got {attempt!r:.80}")
    if not 1 <= attempt <= _MOST_ATTEMPTS:
        raise ConfigInvalid(f"attempt must be from 1 to {_MOST_ATTEMPTS}, got {attempt}")
    for name, given in (("attempt", attempt != 1), ("worker", worker is not Worker)):
        if given and name in own.parameters and not isinstance(task, BoundCall):
            raise ArgumentsInvalid(
                f"{name} is both for perform() and a parameter of {own.name}(): give the arguments "
                f"with {own.name}.bind(...)"
            )
    if isinstance(task, BoundCall) and (args or kwargs):
        raise ArgumentsInvalid("perform() takes no arguments beside those of a bound call")
    call: BoundCall[Any] = task if isinstance(task, BoundCall) else task.bind(*args, **kwargs)
    place = f"perform-{secrets.token_hex(8)}"
    try:
        async with _queue_like(own.queue, place) as queue:
            return cast("R", await _perform(queue, own, call, attempt, worker))
    finally:
        forget_memory_server(place)
        if isinstance(own.queue.adding, Inline):
            await own.queue.adding.settle()


async def _perform(
    queue: Queue,
    own: Task[..., Any],
    call: BoundCall[Any],
    attempt: int,
    make: Callable[[Sequence[Queue]], Worker],
) -> Any:
    task = _task_like(own, queue)
    values = {name: v for name, v in call.options.values.items() if name not in _ELSEWHERE}
    tries = max(attempt, values.get("attempts", policy_of(own).attempts))
    options = JobOptions()
    options.values = values | _KEPT.values | {"attempts": tries, "unique": None}
    job = await queue.enqueue_call(msgspec.structs.replace(call, made_by=task, options=options))
    for _ in range(attempt - 1):
        (lease,) = await queue.claim(1)
        await lease.fail(Retry(0))
    worker = make([queue])
    witness = _Witness(task, worker)
    # The outermost: it sees what the worker sees.
    worker._middleware = (witness, *worker._middleware)  # pyright: ignore[reportPrivateUsage]
    await worker.run(burst=True)
    return await _outcome(job, task, witness.raised)


class _Witness:
    """Middleware that keeps what is raised, and lets the worker run no second attempt.

    Args:
        task: What runs.
        worker: What runs it.
    """

    def __init__(self, task: Task[..., Any], worker: Worker) -> None:
        self._task = task
        self._worker = worker
        self.raised: BaseException | None = None

    async def __call__(
        self, job: JobContext, call_next: Callable[[JobContext], Awaitable[Any]]
    ) -> Any:
        try:
            value = await call_next(job)
            encoded_result(self._task.codec, value)
        except BaseException as error:
            self.raised = error
            raise
        else:
            return value
        finally:
            self._worker.stop()


async def _outcome(job: Job[Any], task: Task[..., Any], raised: BaseException | None) -> Any:
    info = await job.info()
    if info is None:
        raise JobStateError(f"the job of {task.name} was removed while it ran")
    if raised is not None:
        timed_out = isinstance(raised, asyncio.CancelledError) and info.errors
        if timed_out and info.errors[-1].type == "TimeoutError":
            raise TimeoutError(info.errors[-1].message) from raised
        raise raised
    if info.state not in {JobState.COMPLETED, JobState.DEAD}:
        raise JobStateError(
            f"the attempt of {task.name} did not run: its job is {info.state.value}. The worker "
            "was stopped before"
        )
    return await job.result()


def _queue_like(queue: Queue, place: str) -> Queue:
    return Queue(
        queue.name,
        f"memory://{place}",
        namespace=queue.namespace,
        defaults=queue.defaults,
        max_payload=queue.max_payload,
    )


def _task_like(task: Task[..., Any], queue: Queue) -> Task[..., Any]:
    """Return a task of another queue; one that runs in processes runs in a thread, or here."""
    own = copy.copy(task)
    own.queue = queue
    if policy_of(task).executor == "process":
        here = JobOptions(executor="async" if task.is_async else "thread")
        own.defaults = here.over(task.defaults)
    queue.registry.add(own)
    return own
