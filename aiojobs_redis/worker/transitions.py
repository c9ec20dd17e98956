"""Tells the log and the observers of a worker each step of its jobs.

A step that ends an attempt is told once Redis has accepted it: before that it could be wrong, since
somebody else decides about a job whose lease was lost. Without observers and with a log that takes
warnings only, starts and successes cost one look an exchange.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from aiojobs_redis.errors import ConfigInvalid
from aiojobs_redis.job import JobState
from aiojobs_redis.printing import log_error
from aiojobs_redis.spec import enqueued_ms, read_header, whole
from aiojobs_redis.transition import Transition

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aiojobs_redis.queue import Queue
    from aiojobs_redis.transition import Observer, TransitionType
    from aiojobs_redis.worker.completion import Completion
    from aiojobs_redis.worker.run import Run

__all__ = ["Transitions"]

_log = logging.getLogger("aiojobs_redis.jobs")
_own_log = logging.getLogger("aiojobs_redis.worker")
"""For what is wrong with the other one."""

_ENDS: dict[str, tuple[TransitionType, JobState]] = {
    "c": ("completed", JobState.COMPLETED),
    "t": ("retrying", JobState.RETRYING),
    "d": ("dead", JobState.DEAD),
    "x": ("cancelled", JobState.CANCELLED),
    "z": ("snoozed", JobState.SCHEDULED),
    "l": ("throttled", JobState.QUEUED),
    "w": ("waiting", JobState.BLOCKED),
    "r": ("handed_back", JobState.QUEUED),
    "u": ("handed_back", JobState.QUEUED),
    "b": ("parked", JobState.BLOCKED),
}
_FOUND: tuple[tuple[TransitionType, JobState], ...] = (
    ("recovered", JobState.QUEUED),
    ("dead", JobState.DEAD),
    ("cancelled", JobState.CANCELLED),
)
"""What scripts tell of jobs that no worker reported, in the order of unreported.lua."""
_DELAYED = frozenset("tzl")
_BARE_HEADER = 10
_LEVELS = {"dead": logging.WARNING, "recovered": logging.WARNING, "parked": logging.ERROR}


class Transitions:
    """What one worker tells.

    Args:
        worker: Its name.
        observers: Plain callables of a `Transition`. What they raise is logged.

    Raises:
        ConfigInvalid: One cannot be called.
    """

    def __init__(self, worker: str, observers: Iterable[Observer] = ()) -> None:
        self._worker = worker
        self._observers: list[Observer] = []
        if callable(observers):
            raise ConfigInvalid("observers takes a list of callables of a Transition")
        for observer in observers:
            self.add(observer)

    def add(self, observer: Observer) -> None:
        """Tell one more.

        Raises:
            ConfigInvalid: It cannot be called.
        """
        if not callable(observer):
            raise ConfigInvalid(
                f"an observer must be a callable of a Transition, got {observer!r:.80}"
            )
        self._observers.append(observer)

    @property
    def wanted(self) -> bool:
        """Whether somebody wants to know of starts and successes."""
        return bool(self._observers) or _log.isEnabledFor(logging.INFO)

    def started(self, run: Run) -> None:
        """Tell that an attempt begins."""
        self._tell(self._of(run, "started", JobState.RUNNING, waited=_waited(run)))

    def ended(self, completion: Completion, *, called_off: bool = False) -> None:
        """Tell of an end that Redis has accepted.

        Args:
            completion: What was reported.
            called_off: Whether it became of the job that it is cancelled, as somebody had asked.
        """
        run, code = completion.run, "x" if called_off else completion.code
        kind, state = _ENDS[code]
        ran = run.started and run.ended
        delay = None
        if code in _DELAYED and completion.argument:
            delay = int(completion.argument) / 1000
            # What is to wait no time at all is ready at once.
            state = state if delay else JobState.QUEUED
        transition = self._of(
            run,
            kind,
            state,
            duration=run.ended - run.started if ran else None,
            delay=delay,
            error_type=completion.kind or None,
            attempts=completion.attempts or None,
        )
        known = run.lane.queue.registry.known(transition.task) if code == "b" else ""
        self._tell(transition, known)

    def found(self, queue: str, told: Sequence[Sequence[bytes]]) -> None:
        """Tell what Redis found to have become of jobs that no worker reported.

        Args:
            queue: Name of their queue, one of the worker's or not.
            told: Ids of those recovered, dead and cancelled.
        """
        lists = [[id.decode(errors="replace") for id in ids] for ids in told[: len(_FOUND)]]
        _, dead, cancelled = (set(ids) for ids in lists)
        for (kind, usual), ids in zip(_FOUND, lists, strict=True):
            for id in ids:
                state = JobState.DEAD if id in dead else usual
                state = JobState.CANCELLED if id in cancelled else state
                self._tell(Transition(kind, id, "?", queue, self._worker, state))

    def ticked(self, queue: Queue, task: str, ids: Iterable[str], late: float) -> None:
        """Tell of jobs that a tick has made; how late it was, in seconds."""
        for id in ids:
            self._tell(
                Transition(
                    *("enqueued", id, task, queue.name, self._worker, JobState.QUEUED), waited=late
                )
            )

    def _of(self, run: Run, kind: TransitionType, state: JobState, **fields: Any) -> Transition:
        return Transition(
            kind,
            run.id,
            run.spec.task if run.spec is not None else "?",
            run.lane.queue.name,
            self._worker,
            state,
            run.claim.failures + 1,
            **fields,
        )

    def _tell(self, transition: Transition, known: str = "") -> None:
        level = _LEVELS.get(transition.type, logging.INFO)
        if _log.isEnabledFor(level):
            try:
                _write(level, transition, known)
            except (Exception, asyncio.CancelledError) as error:
                # Filters, handlers and the factory of records are the application's: the lane has
                # other jobs that would pay for it.
                text = "a step of job %s cannot be logged"
                log_error(_own_log, error, text, transition.job_id)
        for observer in self._observers:
            try:
                observer(transition)
            except (Exception, asyncio.CancelledError) as error:
                # Nobody is cancelled where nobody waits: it asked a future that was.
                log_error(_log, error, "an observer raised for job %s", transition.job_id)


def _write(level: int, transition: Transition, known: str) -> None:
    text, *args = _message(transition, known)
    # As `Logger.log` does, less the search for the caller, which is always this line.
    place = (_log.name, level, __file__, 0, text, tuple(args), None)
    record = _log.makeRecord(*place, func=None)
    # Not as extra fields, which are refused where the factory of records has set one of them.
    vars(record).update(_extra(transition))
    _log.handle(record)


def _waited(run: Run) -> float | None:
    if run.claim.counts or not run.claimed_ms:
        return None
    ready = _ready_ms(run.header)
    return max(0, run.claimed_ms - ready) / 1000


def _ready_ms(header: bytes) -> int:
    """Return when a job was ready to start, epoch ms."""
    if len(header) == _BARE_HEADER and header.startswith(b",e"):
        # That of nearly all jobs: the time of the enqueue and nothing else.
        return enqueued_ms({"e": header[2:].decode(errors="replace")})
    fields = read_header(header)
    enqueued = enqueued_ms(fields)
    return max(enqueued, whole(fields.get("w", ""), enqueued))


def _extra(of: Transition) -> dict[str, Any]:
    fields = {
        "transition": of.type,
        "job_id": of.job_id,
        "task": of.task,
        "queue": of.queue,
        "worker": of.worker,
        "state": of.state.value,
        "attempt": of.attempt,
        "duration_ms": _ms(of.duration),
        "queue_ms": _ms(of.waited) if of.type == "started" else None,
        "error_type": of.error_type,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)


def _message(of: Transition, known: str) -> tuple[Any, ...]:
    job = (of.job_id, of.task)
    match of.type:
        case "started":
            return "job %s of task %s started (attempt %d)", *job, of.attempt
        case "completed":
            return "job %s of task %s completed in %.3f s", *job, of.duration or 0.0
        case "retrying":
            text = "job %s of task %s failed (attempt %d of %d), again in %.3f s: %s"
            return text, *job, of.attempt, of.attempts or 0, of.delay or 0.0, of.error_type
        case "dead" if of.attempt is None:
            return "job %s is dead without an attempt here: 'job show' tells why", of.job_id
        case "dead":
            return "job %s of task %s is dead after attempt %d: %s", *job, of.attempt, of.error_type
        case "cancelled" if of.attempt is None:
            return "job %s is cancelled", of.job_id
        case "cancelled":
            return "job %s of task %s is cancelled in attempt %d", *job, of.attempt
        case "snoozed":
            return "job %s of task %s is put off for %.3f s", *job, of.delay or 0.0
        case "throttled":
            return "job %s of task %s is throttled for %.3f s", *job, of.delay or 0.0
        case "waiting":
            return "job %s of task %s waits for jobs that it named", *job
        case "handed_back":
            return "job %s of task %s is handed back, no attempt spent", *job
        case "recovered":
            return "job %s is recovered: its lease ran out, it is %s now", of.job_id, of.state.value
        case "enqueued":
            return "job %s of task %s is enqueued by its schedule", *job
        case "parked":
            text = (
                "TaskNotRegistered: worker %s got job %s for the task %r, which it does not know. "
                "%s The job waits for a worker that does, for 24 hours."
            )
            return text, of.worker, *job, known
