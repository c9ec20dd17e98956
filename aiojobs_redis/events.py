"""What happened in a queue, as plain data: one `Event` a job and step of its life.

Applications add events of their own, each an `EmittedEvent`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from aiojobs_redis.errors import ConfigInvalid

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from datetime import datetime

    from aiojobs_redis.job import JobInfo

__all__ = ["EVENT_TYPES", "EmittedEvent", "Event", "EventType", "check_types"]

EventType: TypeAlias = Literal[
    "enqueued",
    "duplicated",
    "scheduled",
    "due",
    "started",
    "completed",
    "failed",
    "retrying",
    "dead",
    "cancelled",
    "recovered",
    "progress",
    "emitted",
    "removed",
    "schedule",
    "drained",
    "paused",
    "resumed",
    "gap",
]

EVENT_TYPES: frozenset[str] = frozenset(get_args(EventType))


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a queue; see `Queue.events`.

    Attributes:
        id: Grows with each event; as ``since`` it goes on behind this one.
        type: What happened. ``enqueued``, also by a replay; ``duplicated``, a call added nothing
            beside it; ``scheduled``, it waits for its time; ``due``, that has come; ``started``;
            ``completed``; ``failed``, an attempt, followed by ``retrying`` or ``dead``;
            ``cancelled``; ``recovered``, its lease ran out; ``progress``; ``emitted``, an
            `EmittedEvent`; ``removed``; ``schedule``, which ticked; ``drained``, nothing is queued
            or running any more; ``paused`` and ``resumed``, the queue. ``gap``: events before this
            one were cut off unread.
        job: Id of the job; None for what is not about one.
        task: Name of its task, where Redis knew it: when a job is enqueued, and when a worker
            reports its end. None otherwise; `info` tells.
        at: When it happened, by the server's clock, to the millisecond.
        worker: Name of the worker that started the job or reports its end; None otherwise.
        data: Of ``schedule``: ``schedule``, its id. Of ``emitted``: what was emitted; of one that
            cannot be opened, which is no `EmittedEvent`, ``rejected``, the reason. Empty otherwise.
    """

    id: str
    type: EventType
    job: str | None
    task: str | None
    at: datetime
    worker: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    _find: Callable[[str], Awaitable[JobInfo | None]] | None = field(
        default=None, repr=False, compare=False
    )

    async def info(self) -> JobInfo | None:
        """Return the job's record as it is now; None where there is none any more.

        Raises:
            QueueUnavailable: Redis did not answer.
        """
        if self.job is None or self._find is None:
            return None
        return await self._find(self.job)


@dataclass(frozen=True, slots=True)
class EmittedEvent(Event):
    """An event of the application's own; see `Queue.emit` and `JobContext.emit`.

    Attributes:
        name: Its name.
        data: What came with it, as plain data.
        job: Id of the job whose task emitted it; None where it was no task.
    """

    data: Any = None
    name: str = ""


def check_types(types: Iterable[EventType] | None) -> frozenset[str]:
    """Return the types that are asked for; None for all.

    Raises:
        ConfigInvalid: One of them does not exist, or there are none.
    """
    if types is None:
        return EVENT_TYPES
    wanted = frozenset([types]) if isinstance(types, str) else frozenset(types)
    unknown = sorted(map(repr, wanted - EVENT_TYPES))
    if unknown or not wanted:
        said = f"there is no event type {unknown[0]:.80}" if unknown else "no event type is given"
        raise ConfigInvalid(f"{said}; the types are {', '.join(get_args(EventType))}")
    return wanted
