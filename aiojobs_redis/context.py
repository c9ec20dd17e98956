"""What a task can ask about the job it runs for."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

from aiojobs_redis.duration import from_ms, to_ms
from aiojobs_redis.spec import enqueued_ms, read_header, whole

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping
    from datetime import datetime, timedelta

__all__ = ["JobContext", "current_job", "enter_job"]


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
    def cancel_reason(self) -> str | None:
        """Why somebody cancelled the job; None where nobody did, or gave no reason."""
        ...

    @property
    def context(self) -> JobContext:
        """What the task can ask; always the same object."""
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
    def cancel_reason(self) -> str | None:
        """What `Job.cancel` gave as the reason; None where nobody cancelled, or gave none."""
        return self._lease.cancel_reason

    async def extend(self, seconds: float | timedelta) -> None:
        """Make the lease last that long from now; the heartbeat goes on all the same.

        Args:
            seconds: The new length, for an operation that keeps even the heartbeat thread waiting.

        Raises:
            LeaseLost: The lease is somebody else's by now.
        """
        await self._lease.extend(to_ms("seconds", seconds, least=1))


_current: ContextVar[Holding] = ContextVar("aiojobs_redis_job")


def current_job() -> JobContext:
    """Return the context of the job that the calling task runs for.

    Raises:
        RuntimeError: Not called inside a task that a worker runs.
    """
    try:
        holding = _current.get()
    except LookupError:
        raise RuntimeError(
            "current_job() has no job: it was called outside a task that a worker runs. "
            "In a unit test call the function with what it would have asked for."
        ) from None
    return holding.context


def enter_job(holding: Holding) -> None:
    """Make a job the current one of the running asyncio task, which has a context of its own.

    Its `JobContext` is made when it is asked for: most tasks never do.
    """
    _current.set(holding)
