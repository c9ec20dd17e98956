"""A step in the life of a job, as the worker that made it tells its log and its observers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

if TYPE_CHECKING:
    from aiojobs_redis.job import JobState

__all__ = ["Observer", "Transition", "TransitionType"]

TransitionType: TypeAlias = Literal[
    "enqueued",
    "started",
    "completed",
    "retrying",
    "dead",
    "cancelled",
    "snoozed",
    "throttled",
    "waiting",
    "handed_back",
    "parked",
    "recovered",
]


class Transition(msgspec.Struct, frozen=True, gc=False):
    """A step in the life of a job; what ends an attempt is told once Redis has accepted it.

    Attributes:
        type: What happened. ``enqueued``, by a tick of a schedule; ``started``; ``completed``;
            ``retrying``, the attempt failed and there will be another; ``dead``; ``cancelled``;
            ``snoozed``; ``throttled``; ``waiting``, for jobs that it named, unless all of them have
            ended; ``handed_back``, unstarted or cut off, no attempt spent;
            ``parked``, its task is not known here; ``recovered``, its lease ran out, whoever had
            it.
        job_id: The job.
        task: Its task; ``?`` where the worker does not know it: of a job that nothing ran here.
        queue: Its queue.
        worker: The worker that tells.
        state: The state of the job behind it.
        attempt: Number of the attempt, from 1; None where there was none here.
        duration: Seconds that the attempt ran; None where it did not, or goes on.
        waited: Of ``started``, seconds from when the job was ready until it was claimed, None where
            it was not its first start; of ``enqueued``, seconds that the tick was late.
        delay: Seconds until it is ready again, of ``retrying``, ``snoozed`` and ``throttled``.
        error_type: Name of the type of what was raised; None where nothing was.
        attempts: Attempts that it has in all; None where that is not known here.
    """

    type: TransitionType
    job_id: str
    task: str
    queue: str
    worker: str
    state: JobState
    attempt: int | None = None
    duration: float | None = None
    waited: float | None = None
    delay: float | None = None
    error_type: str | None = None
    attempts: int | None = None


Observer: TypeAlias = Callable[[Transition], None]
