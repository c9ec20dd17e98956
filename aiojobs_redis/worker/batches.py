"""Puts jobs of one task together and calls its function once for all of them.

    first job ─▶ open ── full, or its wait is over ──▶ running ── returns ─▶ an outcome a job
                  ▲  │                                    ├─ raises ─▶ the same outcome for all
       other jobs ┘  └─ a job is cancelled: it leaves     └─ every job is to end ─▶ cancelled

Each job stays a run of its own, with its lease, its timeout, its retries and its end; it waits here
for its part of what the call gives. One that is cancelled while the call runs, or leaves since its
middleware has a timeout, ends at once, and the call goes on for the others.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from aiojobs_redis.context import enter_jobs
from aiojobs_redis.worker.forks import copies, end_copy
from aiojobs_redis.worker.threads import outcome_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from aiojobs_redis.policy import Policy
    from aiojobs_redis.task import Task
    from aiojobs_redis.worker.injection import Injector
    from aiojobs_redis.worker.run import Run

__all__ = ["Batches"]


class _Member:
    """A job in a batch."""

    def __init__(self, run: Run, policy: Policy, item: Any) -> None:
        self.run = run
        self.policy = policy
        self.item = item
        self.value: Any = None
        self.error: BaseException | None = None
        self.trace: TracebackType | None = None
        self.known = asyncio.Event()
        self.gone = False

    @property
    def has_left(self) -> bool:
        """Whether nobody waits for its outcome any more."""
        # Middleware may end a job of its own accord, which is no reason that the run knows.
        return self.gone or self.run.stopping or self.run.done

    def tell(self, value: Any, error: BaseException | None) -> None:
        """Give it its outcome."""
        self.value, self.error = value, error
        self.trace = None if error is None else error.__traceback__
        self.known.set()

    def outcome(self) -> Any:
        """Return its result, or raise its error."""
        if self.error is not None:
            # Others raise the same object, and each raise adds frames to those that it has.
            raise self.error.with_traceback(self.trace)
        return self.value


class _Batch:
    """Jobs of one task that are to share a call."""

    def __init__(self, task: Task[..., Any]) -> None:
        self.task = task
        self.members: list[_Member] = []
        self.timer: asyncio.Handle | None = None
        self.call: asyncio.Task[None] | None = None

    @property
    def deserted(self) -> bool:
        """Whether nobody wants its outcome any more."""
        return all(member.has_left for member in self.members)

    @property
    def is_closed(self) -> bool:
        """Whether a GeneratorExit comes from outside, the coroutine being thrown away."""
        try:
            return self.call is not None and asyncio.current_task() is not self.call
        except RuntimeError:
            return True


class Batches:
    """The batches of one worker.

    Args:
        threads: Limits plain functions, as for other tasks. Its limit is that of the slots: no
            more jobs come together, so that a full worker does not wait for more.
        injector: Fills in the parameters that tasks ask for, once a call.
    """

    def __init__(self, threads: anyio.CapacityLimiter, injector: Injector) -> None:
        self._threads = threads
        self._injector = injector
        self._open: dict[int, _Batch] = {}
        self._calls: set[asyncio.Task[None]] = set()
        self._closed = False
        # A call belongs to no job, so it does not inherit the context of any.
        self._context = contextvars.copy_context()

    async def run(self, run: Run, task: Task[..., Any], policy: Policy, item: Any) -> Any:
        """Take part in a batch, and return what its call gave for this job."""
        member = _Member(run, policy, item)
        batch = self._join(task, member)
        try:
            await member.known.wait()
        except asyncio.CancelledError:
            member.gone = True
            if batch.call is None:
                batch.members.remove(member)
            elif batch.deserted:
                batch.call.cancel()
                await asyncio.wait({batch.call})
                # What it made of its cancellation counts, as for any other task.
                if member.known.is_set():
                    return member.outcome()
            raise
        return member.outcome()

    def close(self) -> None:
        """Wait for no more jobs: the worker claims none any more."""
        self._closed = True
        for batch in list(self._open.values()):
            self._start(batch)

    async def end(self, seconds: float) -> None:
        """End what is left when all jobs have ended, since middleware did not wait for it.

        Args:
            seconds: How long a call may take to unwind.
        """
        for batch in list(self._open.values()):
            self._shut(batch)
            for member in batch.members:
                member.tell(None, asyncio.CancelledError())
        # One that was cancelled before has had its time, and is left behind as any other task.
        left = [call for call in self._calls if not call.cancelling()]
        for call in left:
            call.cancel()
        if left:
            await asyncio.wait(left, timeout=seconds)

    def _join(self, task: Task[..., Any], member: _Member) -> _Batch:
        batching = task.batching
        if batching is None:
            raise RuntimeError("only jobs of a batch task are put together")
        batch = self._open.get(id(task))
        if batch is None:
            batch = self._open[id(task)] = _Batch(task)
            # Also without a wait: jobs that came together start in the same turn of the loop.
            loop = asyncio.get_running_loop()
            wait = 0 if self._closed else batching.wait
            batch.timer = loop.call_later(wait, self._start, batch)
        batch.members.append(member)
        if len(batch.members) >= min(batching.size, self._threads.total_tokens):
            self._start(batch)
        return batch

    def _shut(self, batch: _Batch) -> None:
        del self._open[id(batch.task)]
        if batch.timer is not None:
            batch.timer.cancel()

    def _start(self, batch: _Batch) -> None:
        task = batch.task
        self._shut(batch)
        if not batch.members:
            return
        loop = asyncio.get_running_loop()
        for member in batch.members:
            member.run.begin(member.policy.timeout, loop)
        batch.call = loop.create_task(
            self._call(batch), name=f"aiojobs-batch-{task.name}", context=self._context.copy()
        )
        self._calls.add(batch.call)
        batch.call.add_done_callback(self._calls.discard)

    async def _call(self, batch: _Batch) -> None:
        task, members = batch.task, batch.members
        for member in members:
            member.run.entered = True
        enter_jobs([member.run for member in members])
        items, before = [member.item for member in members], copies()

        async def invoke(given: Mapping[str, Any]) -> Any:
            if members[0].policy.executor != "thread":
                return await task.function(items, **given)
            call = functools.partial(outcome_of, task.function, (items,), given)
            value, raised = await anyio.to_thread.run_sync(
                call, abandon_on_cancel=True, limiter=self._threads
            )
            if raised is not None:
                raise raised
            return value

        try:
            if task.needs:
                values = await self._injector.call(task.needs, invoke)
            else:
                values = await invoke({})
            end_copy(before)
            outcomes = _outcomes(task.name, values, len(members))
        except BaseException as error:
            end_copy(before, error)
            if isinstance(error, GeneratorExit) and batch.is_closed:
                raise
            for member in members:
                member.tell(None, error)
            return
        for member, value in zip(members, outcomes, strict=True):
            failed = isinstance(value, BaseException)
            member.tell(None if failed else value, value if failed else None)


def _outcomes(name: str, values: Any, count: int) -> list[Any]:
    """Return what a call gave, an item a job.

    Raises:
        TypeError: It is neither None nor a list of as many items.
    """
    if values is None:
        return [None] * count
    if not isinstance(values, list | tuple):
        raise TypeError(
            f"{name}() must return a list with one result a job, or None; it returned "
            f"{type(values).__name__}"
        )
    if len(values) != count:
        raise TypeError(f"{name}() was given {count} jobs and returned {len(values)} results")
    return list(values)
