"""What is known of a job, as plain data: its state, its record and the counts of a queue."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    from aiojobs_redis.extras import Progress

__all__ = ["Counts", "JobError", "JobInfo", "JobPage", "JobState", "WorkerInfo"]


class JobState(enum.StrEnum):
    """Where a job is in its life."""

    SCHEDULED = "scheduled"
    """Waits for its time."""
    QUEUED = "queued"
    """Ready to be claimed."""
    BLOCKED = "blocked"
    """Waits for other jobs, for its key, or for a worker that knows its task."""
    RUNNING = "running"
    """Leased to a worker."""
    RETRYING = "retrying"
    """Failed, and waits for its next attempt."""
    COMPLETED = "completed"
    """Returned."""
    DEAD = "dead"
    """Out of attempts, or failed for good: the dead letters."""
    CANCELLED = "cancelled"
    """Cancelled by a caller or by the task itself."""

    @property
    def finished(self) -> bool:
        """Whether the job changes no more by itself."""
        return self in _FINISHED


_FINISHED = frozenset({JobState.COMPLETED, JobState.DEAD, JobState.CANCELLED})


@dataclass(frozen=True, slots=True)
class JobError:
    """One recorded error of a job.

    Attributes:
        type: Name of the exception type, or a reason such as ``lease_expired`` or ``expired``.
        message: Its text, at most 4 KiB.
        traceback: Its formatted traceback, at most 32 KiB; empty for a reason.
        at: When it was recorded, by the clock of the worker or, for a reason, of the server.
        attempt: Number of the attempt, from 1.
    """

    type: str
    message: str
    traceback: str
    at: datetime
    attempt: int


@dataclass(frozen=True, slots=True)
class JobInfo:
    """The record of a job.

    Attributes:
        id: The job's id.
        task: Name of its task.
        queue: Name of its queue.
        state: Where it is in its life.
        priority: -1024 to 1023; higher runs first.
        args: Positional arguments, as plain data.
        kwargs: Keyword arguments, as plain data.
        headers: Texts that travel beside the arguments.
        attempt: Number of the current or next attempt, from 1; of the last one when finished.
        attempts: Tries in all that this job was given, or None where the task decides.
        lost_deliveries: Leases that ran out in this generation.
        generation: 1, and one more with each replay.
        worker: Name of the last worker that held it, if any.
        enqueued_at: When Redis accepted it.
        run_at: When it was, or is, to become ready.
        started_at: When its last attempt was claimed, if one was.
        finished_at: When it finished, if it has.
        progress: What the task reported last, if it did.
        key: Whom or what it belongs to, if that was given.
        errors: The recorded errors, oldest first, the last 10 of them.
    """

    id: str
    task: str
    queue: str
    state: JobState
    priority: int
    args: list[Any]
    kwargs: dict[str, Any]
    headers: dict[str, str]
    attempt: int
    attempts: int | None
    lost_deliveries: int
    generation: int
    worker: str | None
    enqueued_at: datetime
    run_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    progress: Progress | None = None
    key: str | None = None
    errors: list[JobError] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many jobs of a queue are in each state.

    Attributes:
        queued: As `JobState`, and so the others of that name.
        workers: Workers seen in the last 5 s, without those that are stopping.
        paused: Whether the queue is paused.
        oldest_seconds: How long the oldest queued job has been ready, None when none is queued.
    """

    queued: int
    scheduled: int
    blocked: int
    running: int
    retrying: int
    completed: int
    dead: int
    cancelled: int
    workers: int
    paused: bool
    oldest_seconds: float | None

    @property
    def unfinished(self) -> int:
        """Jobs that are still to end."""
        return self.queued + self.scheduled + self.blocked + self.running + self.retrying


@dataclass(frozen=True, slots=True)
class JobPage:
    """What a bounded search has found; see `Queue.find_jobs`.

    Attributes:
        jobs: The jobs that match, in the order of the index.
        searched: How many were looked at.
        next_offset: Where to go on; None when all have been looked at.
    """

    jobs: list[JobInfo]
    searched: int
    next_offset: int | None


@dataclass(frozen=True, slots=True)
class PriorityInfo:
    """The queued jobs of one priority.

    Attributes:
        priority: The priority.
        queued: How many jobs of it are queued.
        oldest_seconds: How long the oldest of them has been ready, or where it was tried before,
            since that attempt began; None where Redis cannot tell.
    """

    priority: int
    queued: int
    oldest_seconds: float | None


class WorkerState(enum.StrEnum):
    """What a worker does with jobs."""

    RUNNING = "running"
    """It claims jobs and runs them."""
    QUIET = "quiet"
    """It claims none; those that it has go on."""
    STOPPING = "stopping"
    """It claims none, and ends with those that it has."""


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """A live worker of a queue, as of its last beat.

    Attributes:
        id: Unique name of the worker.
        host: Its host's name.
        pid: Its process id.
        version: Version of the application, or of this library where none was given.
        started_at: When it started, by its own clock.
        heartbeat_at: When it was last seen, by the server's clock.
        concurrency: Jobs that it runs at once.
        running: Jobs of this queue that it runs now.
        tasks: Names of the tasks of this queue that it knows, in order, 500 at most.
        state: Whether it claims jobs.
        asked: What an operator asked of it that it has not obeyed yet: ``quiet``, ``resume`` or
            ``stop``; None for nothing.
    """

    id: str
    host: str
    pid: int
    version: str
    started_at: datetime
    heartbeat_at: datetime
    concurrency: int
    running: int
    tasks: tuple[str, ...] = ()
    state: WorkerState = WorkerState.RUNNING
    asked: str | None = None
