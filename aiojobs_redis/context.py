"""What a task can ask about the job it runs for."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, overload

from aiojobs_redis._redis.kin import read_parents
from aiojobs_redis.duration import from_ms, to_ms
from aiojobs_redis.given import check_runnable
from aiojobs_redis.once import Once
from aiojobs_redis.spec import enqueued_ms, read_header, whole

if TYPE_CHECKING:
    import asyncio
    import threading
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import datetime, timedelta

    from aiojobs_redis._redis.store import Store
    from aiojobs_redis.parents import Parent

__all__ = ["JobContext", "current_job", "current_jobs", "enter_job", "enter_jobs"]

P = ParamSpec("P")
R = TypeVar("R")


class Leaving(Protocol):
    """What an attempt leaves beside its job's record, as the context sees it."""

    @property
    def state(self) -> dict[str, Any]:
        """What survives the attempt."""
        ...

    def progress(self, done: float, total: float | None, note: object) -> Awaitable[None]:
        """Note how far the task is."""
        ...

    def log(self, text: str) -> Awaitable[None]:
        """Note an entry of the log."""
        ...

    def emit(self, name: str, data: object) -> Awaitable[None]:
        """Note an event."""
        ...

    async def save(self) -> None:
        """Write the state now."""
        ...

    async def step(
        self,
        name: str,
        function: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> Any:
        """Run a step, or return what it returned in an attempt before."""
        ...

    async def once(
        self,
        once: Once,
        function: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> Any:
        """Make a call that no job of the queue has made, or return what it returned."""
        ...


class Holding(Protocol):
    """The lease that a worker holds on the job, as the context sees it."""

    @property
    def revoked(self) -> asyncio.Event:
        """Set when the lease is lost."""
        ...

    @property
    def stopping(self) -> bool:
        """Whether the attempt is to end: cancelled, timed out, or its lease is lost."""
        ...

    @property
    def told(self) -> threading.Event:
        """Set when the attempt is to end."""
        ...

    @property
    def cancel_reason(self) -> str | None:
        """Why somebody cancelled the job; None where nobody did, or gave no reason."""
        ...

    @property
    def timed_out(self) -> bool:
        """Whether the attempt is to end because it has outrun its timeout."""
        ...

    @property
    def store(self) -> Store:
        """The job's queue in Redis."""
        ...

    @property
    def context(self) -> JobContext:
        """What the task can ask; always the same object."""
        ...

    @property
    def notes(self) -> Leaving:
        """What it leaves beside its record; always the same object."""
        ...

    async def extend(self, ms: int) -> None:
        """Make the lease last that long from now."""
        ...


class JobContext:
    """The job that the current task runs for; see `current_job`.

    Attributes:
        id: The job's id.
        task: Name of its task.
        queue: Name of its queue.
        attempt: Number of this attempt, from 1.
        generation: 1, and one more with each replay.
        lost_deliveries: Leases of this job that ran out before.
        headers: Texts that travel beside the arguments.
        fencing_token: A number that only grows within a queue: pass it to a store that refuses
            smaller ones, and a stale attempt cannot overwrite a newer one's effect. It is as
            monotonic as what the Redis persistence keeps.
    """

    __slots__ = (
        "_header",
        "_lease",
        "attempt",
        "fencing_token",
        "generation",
        "headers",
        "id",
        "lost_deliveries",
        "queue",
        "task",
    )

    def __init__(
        self,
        lease: Holding,
        *,
        id: str,
        task: str,
        queue: str,
        attempt: int,
        generation: int,
        lost_deliveries: int,
        headers: Mapping[str, str],
        fencing_token: int,
        header: bytes,
    ) -> None:
        self._lease = lease
        self._header = header
        self.id: str = id
        self.task: str = task
        self.queue: str = queue
        self.attempt: int = attempt
        self.generation: int = generation
        self.lost_deliveries: int = lost_deliveries
        self.headers: Mapping[str, str] = headers
        self.fencing_token: int = fencing_token

    @property
    def enqueued_at(self) -> datetime:
        """When Redis accepted the job."""
        return from_ms(enqueued_ms(read_header(self._header)))

    @property
    def scheduled_for(self) -> datetime:
        """When the job was to be ready: its delay's end, its ``at``, its tick, or its enqueue."""
        header = read_header(self._header)
        return from_ms(whole(header.get("w", ""), enqueued_ms(header)))

    @property
    def lease_lost(self) -> asyncio.Event:
        """Event that is set when the lease is lost; what the task returns then is dropped."""
        return self._lease.revoked

    @property
    def cancelled(self) -> bool:
        """Whether the attempt is to end. A task in a thread cannot be interrupted: it asks."""
        return self._lease.stopping

    @property
    def cancel_event(self) -> threading.Event:
        """Event that is set when `cancelled` becomes true, for sync tasks that wait.

        ``cancel_event.wait(seconds)`` is a sleep that ends at once when the attempt is to end, and
        returns whether it is. In an async task, which is interrupted, it would block the event
        loop.
        """
        return self._lease.told

    @property
    def cancel_reason(self) -> str | None:
        """What `Job.cancel` gave as the reason; None where nobody cancelled, or gave none."""
        return self._lease.cancel_reason

    @property
    def timed_out(self) -> bool:
        """Whether the attempt is to end because of its timeout; it gets a `CancelledError`."""
        return self._lease.timed_out

    async def parents(self) -> list[Parent]:
        """Return the jobs on which this one depends, in the order of ``depends_on``.

        Behind them are those for which it has waited by `WaitFor`.

        Raises:
            PayloadRejected: A stored result is not the one that a worker of this queue sealed.
            QueueUnavailable: Redis did not answer.
        """
        return [one.parent for one in await read_parents(self._lease.store, self.id)]

    async def extend(self, seconds: float | timedelta) -> None:
        """Make the lease last that long from now; the heartbeat goes on all the same.

        Args:
            seconds: The new length, for an operation that keeps even the heartbeat thread waiting.

        Raises:
            LeaseLost: The lease is somebody else's by now.
        """
        await self._lease.extend(to_ms("seconds", seconds, least=1))

    def progress(
        self, done: float, total: float | None = None, note: object = None
    ) -> Awaitable[None]:
        """Say how far the job is; `Job.progress` shows it to other processes while it runs.

        Say it as often as you like: about ten times a second the last one is written, and the very
        last before the end of the attempt. Await it in an async task, so that the event loop can
        turn; in a sync task, call it.

        Args:
            done: How much is done, in units of your own.
            total: How much there is to do, if that is known.
            note: Anything that MessagePack can hold; all together 4 KiB.

        Raises:
            ArgumentsInvalid: A number is none, or the note cannot be encoded.
            PayloadTooLarge: It is over 4 KiB.
            LeaseLost: The lease is somebody else's by now, or the attempt has ended. Of a job that
                has left its batch nothing is written, and nothing raised.
        """
        return self._lease.notes.progress(done, total, note)

    def log(self, text: str) -> Awaitable[None]:
        """Add an entry to the log of the job, which `Job.logs` shows.

        Entries are written about ten times a second, the last before the end of the attempt. Of a
        job the last 1,000 entries are kept, and 64 KiB; one is cut at 4 KiB. Await it in an async
        task; in a sync task, call it.

        Raises:
            ArgumentsInvalid: It is no text.
            LeaseLost: As for `progress`.
        """
        return self._lease.notes.log(text)

    def emit(self, name: str, data: object = None) -> Awaitable[None]:
        """Tell an event of this job, for `Job.events` and `Queue.events` in any process.

        Each one is written, in their order, about ten times a second, the last before the end of
        the attempt. Await it in an async task; in a sync task, call it. Where 500 events or
        256 KiB of the job wait to be written, the task waits, too.

        Args:
            name: Its name, 1 to 256 bytes.
            data: Anything that MessagePack can hold, 16 KiB encoded.

        Raises:
            ConfigInvalid: The name is not acceptable.
            ArgumentsInvalid: The data cannot be encoded.
            PayloadTooLarge: The data takes more than 16 KiB.
            QueueFull: Twice as many wait to be written, since nothing waited for them.
            LeaseLost: As for `progress`.
        """
        return self._lease.notes.emit(name, data)

    @property
    def state(self) -> dict[str, Any]:
        """A dictionary of plain data that survives the attempt: change it in place.

        It is saved when the attempt ends without completing the job, and by `save`. The next
        attempt, after a retry, a snooze, a hand-back or a crash, begins with what was saved last.
        """
        return self._lease.notes.state

    async def save(self) -> None:
        """Write the state now, so that even a crash does not lose it.

        Raises:
            ArgumentsInvalid: A key is no text, or a value has no MessagePack form.
            PayloadTooLarge: It takes more than 1 MiB.
            LeaseLost: The lease is somebody else's by now.
        """
        await self._lease.notes.save()

    @overload
    async def step(
        self, name: str, function: Callable[P, Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> R: ...
    @overload
    async def step(
        self, name: str, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> R: ...
    async def step(
        self, name: str, function: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Any:
        """Run a part of the task once: what it returned is stored, and later attempts return that.

        A crash between its effect and the record means that it runs again: give other systems the
        `idempotency_key`. What raises is not recorded.

        Args:
            name: Its name, the same in each attempt and used once in it; 1 to 256 bytes.
            function: What to run; a plain function blocks the event loop while it runs.
            args: Its arguments, which are not stored.
            kwargs: Its keyword arguments.

        Returns:
            What it returned, now or then; what was stored is of its annotated return type, or plain
            data where it has none.

        Raises:
            ConfigInvalid: The name was used in this attempt, or is not acceptable; or `function`
                is none, as where it was called already. Nothing ran.
            ArgumentsInvalid: What it returned cannot be stored, or is not of its return type.
            PayloadTooLarge: The steps of the job take more than 1 MiB.
            LeaseLost: The lease is somebody else's by now; nothing was stored.
        """
        check_runnable("step", function)
        return await self._lease.notes.step(name, function, args, kwargs)

    @overload
    async def once(
        self,
        key: str | Once,
        function: Callable[P, Awaitable[R]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R: ...
    @overload
    async def once(
        self, key: str | Once, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> R: ...
    async def once(
        self, key: str | Once, function: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Any:
        """Make a call once over all jobs of the queue: the first makes it, others get its result.

        While another job makes it, this one waits and keeps its slot. When that job fails, crashes
        or is cancelled, the next one that waits makes the call. A crash between the effect and its
        record means that it is made again.

        Args:
            key: What names the call; a `Once` to keep its result for other than a day.
            function: What to run; a plain function blocks the event loop while it runs.
            args: Its arguments, which are not compared.
            kwargs: Its keyword arguments.

        Returns:
            What it returned, here or in the other job; what was stored is of its annotated return
            type, or plain data where it has none.

        Raises:
            ConfigInvalid: The key is not acceptable, the call is made inside itself, or `function`
                is none, as where it was called already. Nothing ran.
            ArgumentsInvalid: What it returned cannot be stored, or is not of its return type.
            PayloadTooLarge: What it returned takes more than 1 MiB.
            LeaseLost: The lease is somebody else's by now; nothing was stored.
        """
        check_runnable("once", function)
        once = key if isinstance(key, Once) else Once(key)
        return await self._lease.notes.once(once, function, args, kwargs)

    def idempotency_key(self, name: str) -> str:
        """Return a text that names a step in every attempt of this job, for other systems.

        It changes when the job is replayed after it completed, since its steps then run anew, and
        when a job that was tried before gets other arguments.
        """
        began = whole(read_header(self._header).get("i", ""), 1)
        return f"{self.id}:{began}:{name}"


_current: ContextVar[Holding] = ContextVar("aiojobs_redis_job")
_batch: ContextVar[Sequence[Holding]] = ContextVar("aiojobs_redis_jobs", default=())


def current_job() -> JobContext:
    """Return the context of the job that the calling task runs for.

    Raises:
        RuntimeError: Not called inside a task that a worker runs.
    """
    return _found("current_job()", "; a batch task asks current_jobs()").context


def current_jobs() -> list[JobContext]:
    """Return the contexts of all jobs that the calling batch task runs for, in their order.

    In any other task it is the current job alone.

    Raises:
        RuntimeError: Not called inside a task that a worker runs.
    """
    batch = _batch.get()
    return [one.context for one in batch or (_found("current_jobs()"),)]


def _found(function: str, more: str = "") -> Holding:
    try:
        return _current.get()
    except LookupError:
        raise RuntimeError(
            f"{function} has no job: it was called outside a task that a worker runs. In a unit "
            f"test call the function of the task with what it would have asked for{more}."
        ) from None


def enter_jobs(holdings: Sequence[Holding]) -> None:
    """Make some jobs the current ones of the running asyncio task, which is that of a batch."""
    _batch.set(holdings)


def enter_job(holding: Holding) -> None:
    """Make a job the current one of the running asyncio task, which has a context of its own.

    Its `JobContext` is made when it is asked for: most tasks never do.
    """
    _current.set(holding)
