"""The handle of a job: what a producer holds of it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from aiojobs_redis._redis.abroad import hand_over
from aiojobs_redis._redis.canceller import cancel_job
from aiojobs_redis._redis.inspector import STATES, Inspector, read_errors
from aiojobs_redis._redis.job_events import JobEventStream
from aiojobs_redis._redis.kin import read_flow, read_kin
from aiojobs_redis._redis.remains import Remains
from aiojobs_redis._redis.remover import Remover
from aiojobs_redis._redis.rewriter import change_call
from aiojobs_redis.calls import check_call
from aiojobs_redis.codec import decode_untyped_result
from aiojobs_redis.detaching import remove_dependency, remove_waiting_parents
from aiojobs_redis.duration import instant_ms, to_ms
from aiojobs_redis.errors import (
    AiojobsError,
    ConfigInvalid,
    JobCancelled,
    JobFailed,
    JobNotFound,
    JobStateError,
    ResultTooLarge,
)
from aiojobs_redis.given import check_whole
from aiojobs_redis.options import JobOptions
from aiojobs_redis.tree import Place, build_tree, deepest_first

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta

    from aiojobs_redis._redis.event_stream import EventStream
    from aiojobs_redis.dependencies import Handle
    from aiojobs_redis.events import EventType
    from aiojobs_redis.extras import LogLine, Progress
    from aiojobs_redis.job import JobInfo, JobState
    from aiojobs_redis.queue import Queue
    from aiojobs_redis.task import BoundCall, Task
    from aiojobs_redis.tree import FlowTree

__all__ = ["Job"]

R = TypeVar("R")

_ONE_LOOK = 1.0
_MOST_OF_A_FLOW = 10_000

TOO_LARGE = b"\xc1"
"""First byte of what is stored for a result over the limit; MessagePack never uses it."""


class Job(Generic[R]):
    """One enqueued call.

    Attributes:
        id: The job's id.
        queue: The queue it is in.
        created: Whether this call added it; False when its id was taken, or for a handle that
            was made from an id.
    """

    __slots__ = ("_task", "created", "id", "queue")

    def __init__(
        self,
        queue: Queue,
        id: str,
        *,
        created: bool,
        task: Task[..., R] | None,
    ) -> None:
        self.queue: Queue = queue
        self.id: str = id
        self.created: bool = created
        self._task = task

    def __repr__(self) -> str:
        return f"<Job {self.id} of queue {self.queue.name}>"

    async def state(self) -> JobState | None:
        """Return where the job is in its life, None where there is no record of it.

        Raises:
            QueueUnavailable: Redis did not answer.
        """
        return (await self.queue.states([self.id]))[self.id]

    async def info(self) -> JobInfo | None:
        """Return the job's record, None where there is none.

        Raises:
            QueueUnavailable: Redis did not answer.
        """
        found = await self.queue.infos([self.id])
        return found[0] if found else None

    async def result(self, timeout: float | timedelta | None = None) -> R:
        """Wait for the job to finish and return what its task returned.

        Args:
            timeout: Seconds to wait at most; None waits for ever.

        Raises:
            JobFailed: It ended dead.
            JobCancelled: It was cancelled.
            JobNotFound: There is no record of it: its retention ended, or it never was.
            ResultTooLarge: It completed, but the result was over the limit.
            PayloadRejected: The stored result is not the one that a worker of this queue sealed.
            TimeoutError: It has not finished in time.
            QueueUnavailable: Redis did not answer.
        """
        seconds = None if timeout is None else to_ms("timeout", timeout) / 1000
        waiter = self.queue.waiter()
        try:
            # What is there already is returned however short the timeout is.
            async with asyncio.timeout(None if seconds is None else max(seconds, _ONE_LOOK)):
                outcome = await waiter.look(self.id)
            if not outcome.finished:
                async with asyncio.timeout(seconds):
                    outcome = await waiter.wait(self.id)
        except TimeoutError:
            raise TimeoutError(f"job {self.id} has not finished within {seconds:g} s") from None
        if outcome.state == "c":
            return self._decode(outcome.value)
        if outcome.state == "":
            raise JobNotFound(
                f"there is no record of job {self.id} in queue {self.queue.name}: "
                "it never was enqueued here, was removed, or its retention ended. "
                "Ask sooner, or raise keep_result (1 h by default)."
            )
        errors = read_errors(outcome.value, self.queue.store.sealing, self.id.encode())
        kind, text, trace = "unknown", "no error was recorded", ""
        if errors:
            kind, text, trace = errors[-1].type, errors[-1].message, errors[-1].traceback
        if outcome.state == "x":
            raise JobCancelled(f"job {self.id} was cancelled: {text or 'no reason given'}")
        raise JobFailed(self.id, kind, text, trace)

    def _decode(self, value: bytes) -> R:
        sealing = self.queue.store.sealing
        if sealing is not None:
            value = sealing.open("result", self.id.encode(), value)
        if value.startswith(TOO_LARGE):
            raise ResultTooLarge(
                f"job {self.id} completed, but its result of {value[1:].decode()} bytes was over "
                "the limit and was not kept. Store it elsewhere and return a reference."
            )
        if self._task is None:
            return cast("R", decode_untyped_result(value) if value else None)
        return cast("R", self._task.codec.decode_result(value or b"\xc0"))

    async def progress(self) -> Progress | None:
        """Return what the job said last of how far it is, None where it has said nothing.

        Raises:
            JobNotFound: There is no record of it.
            PayloadRejected: The queue has a codec, and did not seal it.
            QueueUnavailable: Redis did not answer.
        """
        return await Remains(self.queue.store, self.id).progress()

    def events(
        self,
        since: str | datetime | None = None,
        types: Iterable[EventType] | None = None,
    ) -> EventStream:
        """Return what happens to the job, to be read by ``async for event in job.events()``.

        It begins with the job's enqueue, and ends behind the end of the job. Of a job of which
        there is no record it delivers what is still there.

        Args:
            since: As for `Queue.events`; None for all there is of the job.
            types: The types wanted, None for all; a ``gap`` is always told.

        Raises:
            ConfigInvalid: A type does not exist, or ``since`` is not acceptable.
            JobNotFound: At the end: there is no record of the job, and there was no event of it.
        """
        store = self.queue.store
        return JobEventStream(store, self.info, self.state, self.id, since=since, types=types)

    async def logs(self, last: int | None = None, *, newest_first: bool = False) -> list[LogLine]:
        """Return the log of the job.

        Args:
            last: How many of the last entries, all by default: 1,000 and 64 KiB are kept at most.
            newest_first: Begin with the last entry; by default with the oldest one.

        Raises:
            ConfigInvalid: ``last`` is no whole number from 0.
            JobNotFound: There is no record of it.
            PayloadRejected: The queue has a codec, and did not seal an entry.
            QueueUnavailable: Redis did not answer.
        """
        if last is not None and (not isinstance(last, int) or last < 0):
            raise ConfigInvalid(f"last must be a whole number from 0, got {last!r:.80}")
        lines = await Remains(self.queue.store, self.id).log()
        wanted = lines if last is None else lines[len(lines) - min(last, len(lines)) :]
        return wanted[::-1] if newest_first else wanted

    async def clear_log(self, keep: int = 0) -> None:
        """Forget the log of the job; one that runs goes on with it.

        Args:
            keep: How many of the last entries stay, none by default.

        Raises:
            ConfigInvalid: ``keep`` is no whole number from 0.
            JobNotFound: There is no record of it.
            QueueUnavailable: Redis did not answer.
        """
        if not isinstance(keep, int) or keep < 0:
            raise ConfigInvalid(f"keep must be a whole number from 0, got {keep!r:.80}")
        await Remains(self.queue.store, self.id).clear_log(keep)

    async def saved_state(self) -> dict[str, Any]:
        """Return what the task keeps in `JobContext.state`, as it was saved last.

        Raises:
            JobNotFound: There is no record of it.
            PayloadRejected: The queue has a codec, and did not seal it.
            QueueUnavailable: Redis did not answer.
        """
        return await Remains(self.queue.store, self.id).state()

    async def steps(self) -> dict[str, Any]:
        """Return the results of the steps that the job has done, by name, as plain data.

        Raises:
            JobNotFound: There is no record of it.
            PayloadRejected: The queue has a codec, and did not seal one.
            QueueUnavailable: Redis did not answer.
        """
        return await Remains(self.queue.store, self.id).steps()

    async def cancel(self, reason: str | None = None) -> bool:
        """Cancel the job; whether there was something to cancel.

        A job that waits never runs. The worker of one that runs is told at once, or by its next
        renewal of the lease where that message was lost: a coroutine is interrupted, once, by a
        `CancelledError`, and a function in a thread can ask `JobContext.cancelled`. The job may
        still complete before that, or where its task catches the error and returns.

        Args:
            reason: Stored with the job.

        Raises:
            QueueUnavailable: Redis did not answer.
        """
        return await cancel_job(self.queue.store, self.id, reason)

    async def cancel_flow(self, reason: str | None = None) -> int:
        """Cancel every job of this job's flow that has not ended, itself included.

        The flow is all that it depends on and all that depends on it, in any number of steps and
        any direction. Dependents go first, so that none of them fails for what it waits for. The
        jobs are cancelled one by one: a call that was cut short can be made again.

        Args:
            reason: Stored with each job.

        Returns:
            How many there were to cancel, of 10,000 jobs at most.

        Raises:
            QueueUnavailable: Redis did not answer; some may have been cancelled.
        """
        kin = await read_flow(self.queue.store, self.id, _MOST_OF_A_FLOW)
        store = self.queue.store
        order = deepest_first(kin)
        return sum([await cancel_job(store.beside(one.queue), one.id, reason) for one in order])

    async def remove_dependency(self, parent: Handle | str) -> None:
        """Wait for one of the jobs that this one depends on no more, and forget it.

        It does not see that job any more, in ``parents()``, in `FromParents` or in ``tree()``,
        whether that one has ended or not. Where it was the last, this job goes on: it is queued,
        or scheduled while its own time is ahead. The other job stays as it is.

        Args:
            parent: The job: its handle, or its id where it is of the same queue.

        Raises:
            ConfigInvalid: It is neither, or of a queue on whose jobs this one cannot depend.
            JobNotFound: There is no record of this job.
            JobStateError: It waits for no other job, or does not depend on that one; nothing was
                changed.
            QueueUnavailable: Redis did not answer, and it may wait for it no more.
        """
        await remove_dependency(self.queue, self.id, parent)

    async def remove_waiting_parents(self, reason: str | None = None) -> int:
        """Cancel what this job waits for and only this job needs, as far as it has not started.

        For each such job this one waits no more, as by `remove_dependency`; then that one is
        cancelled, and what only it waited for in turn. What runs, has started or ended, or what
        another job that has not ended depends on, stays, and this job waits for it as before.

        One script does it for the jobs of a queue, 50 at a time, so none of them starts in
        between. One of another queue may start just before it is cancelled: it runs, and this job
        does not wait for it. A call that was cut short can be made again while the job waits; what
        the jobs that it has cancelled waited for may be left, and runs for nobody.

        Args:
            reason: Stored with each job that is cancelled.

        Returns:
            How many were cancelled, of 10,000 jobs at most that are above this one.

        Raises:
            JobNotFound: There is no record of this job.
            JobStateError: It waits for no other job; nothing was changed.
            QueueUnavailable: Redis did not answer; some may have been cancelled.
        """
        return await remove_waiting_parents(self.queue, self.id, reason)

    async def tree(self, limit: int = 500) -> FlowTree:
        """Return the flow around this job: what it waits for, and what waits for it.

        ``str()`` draws it, with tasks and states. Where there are more jobs than the limit it has
        the nearest ones; ask one of those for what is around it.

        Args:
            limit: Jobs at most, 1 to 10,000.

        Raises:
            ConfigInvalid: The limit is not acceptable.
            QueueUnavailable: Redis did not answer.
        """
        check_whole("limit", limit, 1, _MOST_OF_A_FLOW)
        kin = await read_kin(self.queue.store, self.id, limit)
        by_queue: dict[str, list[str]] = {}
        for place in kin:
            by_queue.setdefault(place.queue, []).append(place.id)
        infos: dict[Place, JobInfo] = {}
        for queue, ids in by_queue.items():
            read = await Inspector(self.queue.store.beside(queue)).infos(ids)
            infos |= {Place(queue, info.id): info for info in read}
        return build_tree(Place(self.queue.name, self.id), kin, infos)

    async def retry(self) -> None:
        """Run a finished job again, as its next generation: same id, fresh attempts, history kept.

        Jobs that ended because this one failed run again too, when it has ended. One that ended
        because of another job and is itself run again does not wait for that one, unless it runs
        again as well.

        Raises:
            JobNotFound: There is no record of it.
            JobStateError: It is not finished, or another job holds its unique key; nothing was
                changed.
            QueueUnavailable: Redis did not answer, and it is unknown whether it runs again.
        """
        letter, *_ = await self.queue.store.ask_once("replay", "cdxS", self.id)
        if letter.isupper():
            # Who asks next for the result of what died of it there must not find the old end. What
            # is not told now the workers tell.
            with contextlib.suppress(AiojobsError):
                await hand_over(self.queue.store, at_once=True)
            return
        if letter == b"":
            raise JobNotFound(f"there is no record of job {self.id} in queue {self.queue.name}")
        if letter.startswith(b"u"):
            holder = letter[1:].decode(errors="replace")
            raise JobStateError(
                f"job {self.id} cannot be run again: job {holder} holds its unique key and has not "
                "ended. Wait for it, cancel it, or free its key. Nothing was changed."
            )
        if letter not in {b"c", b"d", b"x"}:
            raise JobStateError(
                f"job {self.id} cannot be run again: it has not finished yet. "
                "Wait for it, or cancel it first. Nothing was changed."
            )

    async def free_unique(self) -> bool:
        """Give up the unique key that the job holds, so that the next one like it is added.

        Returns:
            Whether the job held its key until this call; nothing is changed where it has none, or
            another has it.

        Raises:
            QueueUnavailable: Redis did not answer.
        """
        return bool(await self.queue.store.ask_once("free", self.id))

    async def remove(self) -> None:
        """Forget a job that waits or has finished, with its result and its errors.

        Whoever waits for its result gets `JobNotFound`. Its id is free for another job.

        Raises:
            JobNotFound: There is no record of it.
            JobStateError: It is running; nothing was changed.
            QueueUnavailable: Redis did not answer.
        """
        letter = await Remover(self.queue.store).remove_one(self.id)
        if letter == "-":
            raise JobNotFound(f"there is no record of job {self.id} in queue {self.queue.name}")
        if not letter.isupper():
            raise JobStateError(
                f"job {self.id} cannot be removed: it is {STATES.get(letter, 'damaged')}. Cancel "
                "it, or wait for its end. Nothing was changed."
            )

    async def promote(self) -> None:
        """Let a scheduled or retrying job run now, at its priority.

        Raises:
            JobNotFound: There is no record of it.
            JobStateError: It does not wait for its time; nothing was changed.
            QueueUnavailable: Redis did not answer.
        """
        await self._move("promoted", "", "now", {"s", "t"})

    async def reschedule(
        self, *, delay: float | timedelta | None = None, at: datetime | None = None
    ) -> None:
        """Give a scheduled or retrying job another time.

        Args:
            delay: Seconds from now, by the server's clock. Excludes ``at``.
            at: Instant; one in the past means now.

        Raises:
            ConfigInvalid: Neither or both are given, or one is out of range.
            JobNotFound: There is no record of it.
            JobStateError: It does not wait for its time; nothing was changed.
            QueueUnavailable: Redis did not answer.
        """
        if (delay is None) == (at is None):
            raise ConfigInvalid("reschedule takes either delay or at: give one of them")
        if delay is not None:
            when = f"y{to_ms('delay', delay)}"
        else:
            when = f"w{instant_ms('at', cast('datetime', at))}"
        await self._move("rescheduled", "", when, {"s", "t"})

    async def reprioritise(self, priority: int) -> None:
        """Give a job that waits another priority; a queued one keeps its time of arrival.

        One with a key takes the next turn of its key in the other priority.

        Args:
            priority: -1024 to 1023, higher runs first.

        Raises:
            ConfigInvalid: It is out of range.
            JobNotFound: There is no record of it.
            JobStateError: It is neither queued, scheduled nor retrying; nothing was changed.
            QueueUnavailable: Redis did not answer.
        """
        value = JobOptions(priority=priority).values["priority"]
        await self._move("given another priority", str(value), "", {"q", "s", "t"})

    async def change(self, call: BoundCall[R]) -> None:
        """Give a job that waits other arguments; its place, its options and its unique key stay.

        Steps, state and progress of attempts before belong to the old arguments and are dropped;
        the log stays.

        Args:
            call: A call of the same task, as `Task.bind` returns it; options of the call do not
                count.

        Raises:
            ArgumentsInvalid: The job is one of another task; nothing was changed.
            ConfigInvalid: It is no call that was bound; nothing was changed.
            PayloadTooLarge: It would be over the queue's ``max_payload``; nothing was changed.
            PayloadRejected: The queue has a codec, and did not seal the job.
            JobNotFound: There is no record of it.
            JobStateError: It runs or has finished; nothing was changed.
            QueueFull: Redis is out of memory; nothing was changed.
            QueueUnavailable: Redis did not answer; it may have been changed.
        """
        check_call("change", call)
        queue = self.queue
        await change_call(queue.store, self.id, call.task, call.call, queue.max_payload)

    async def _move(self, what: str, priority: str, when: str, allowed: set[str]) -> None:
        letter: bytes = await self.queue.store.ask_once("move", self.id, priority, when)
        state = letter.decode()
        if not state:
            raise JobNotFound(f"there is no record of job {self.id} in queue {self.queue.name}")
        if state not in allowed:
            raise JobStateError(
                f"job {self.id} cannot be {what}: it is {STATES[state]}. Nothing was changed."
            )
