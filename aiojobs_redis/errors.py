"""Every error that users of the package can meet.

    AiojobsError
    ├── ArgumentsInvalid (TypeError)     the arguments do not fit the task
    ├── ConfigInvalid (ValueError)       an option, expression or setting is out of range
    ├── TaskNotRegistered                the worker's application does not know the task
    ├── JobNotFound                      no record of that id, or no longer one
    ├── JobFailed                        the job ended dead; carries the last error
    ├── JobCancelled                     the job was cancelled
    ├── JobStateError                    not possible in the job's state; nothing changed
    ├── LeaseLost                        another holder, or none, has the lease now
    ├── AttemptFailed                    stands for an error that was raised in another process
    ├── ProcessDied                      the process of an attempt died in the middle of it
    ├── LifespanFailed                   what opens and closes around a worker's jobs raised
    ├── PayloadRejected                  sealed for another place, changed, or not sealed
    ├── PayloadTooLarge                  arguments over ``max_payload``; nothing written
    ├── ResultTooLarge                   the job completed, its result was not kept
    ├── QueueFull                        out of memory in Redis, or over ``max_length``
    │   ├── KeyFull                      a key is over ``max_length_per_key``
    │   └── RateExceeded                 over ``enqueue_rate``
    ├── QueueUnavailable                 Redis cannot be reached
    ├── NotReplicated                    applied, but too few copies confirmed
    ├── RedisIncompatible                the server is too old or lacks a command
    └── WorkerNotFound                   no worker of that id was seen in the last minute

A message says what happened, with which value, against which limit or for which reason, and
what to do next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "AiojobsError",
    "ArgumentsInvalid",
    "AttemptFailed",
    "ConfigInvalid",
    "JobCancelled",
    "JobFailed",
    "JobNotFound",
    "JobStateError",
    "KeyFull",
    "LeaseLost",
    "LifespanFailed",
    "NotReplicated",
    "PayloadRejected",
    "PayloadTooLarge",
    "ProcessDied",
    "QueueFull",
    "QueueUnavailable",
    "RateExceeded",
    "RedisIncompatible",
    "ResultTooLarge",
    "TaskNotRegistered",
    "WorkerNotFound",
]


class AiojobsError(Exception):
    """Base of all errors that this package raises on purpose.

    Attributes:
        jobs: Handles of the jobs that an ``enqueue_many`` had added when a later batch of it was
            refused; empty otherwise.
        calls: The calls that they are the jobs of, in the same order.
    """

    jobs: Sequence[Any] = ()
    calls: Sequence[Any] = ()


class ArgumentsInvalid(AiojobsError, TypeError):
    """The arguments do not fit the signature or the annotations of the task."""


class ConfigInvalid(AiojobsError, ValueError):
    """An option, an expression or a setting is not acceptable; raised before any I/O."""


class TaskNotRegistered(AiojobsError):
    """No task of that name is registered where one is needed."""


class JobNotFound(AiojobsError):
    """Redis holds no record of the job: it never existed, was removed, or its retention ended."""


class JobFailed(AiojobsError):
    """The job ended ``dead``.

    Attributes:
        error_type: Name of the exception type of the last attempt, or the reason of the
            death when no attempt raised (``lease_expired``, ``expired``, ``abandoned``).
        message: Text of that exception, at most 4 KiB.
        traceback: Its formatted traceback, at most 32 KiB; empty when there was none.
    """

    def __init__(self, job_id: str, error_type: str, message: str, traceback: str = "") -> None:
        super().__init__(
            f"job {job_id} is dead: {_sentence(error_type, message)}. "
            "See 'aiojobs-redis dead show' and replay it once the cause is mended."
        )
        self.job_id: str = job_id
        self.error_type: str = error_type
        self.message: str = message
        self.traceback: str = traceback


class JobCancelled(AiojobsError):
    """The job was cancelled, by a caller or by the task itself."""


class JobStateError(AiojobsError):
    """The operation is not possible in the state that the job is in; nothing was changed."""


class LeaseLost(AiojobsError):
    """The lease belongs to somebody else by now, or to nobody; nothing was written."""


class AttemptFailed(AiojobsError):
    """Stands for what an attempt raised in a process of its own, before middleware and hooks.

    Attributes:
        error_type: Name of the exception type.
        message: Its text, at most 4 KiB.
        traceback: Its formatted traceback; empty when there was none.
    """

    def __init__(self, error_type: str, message: str, traceback: str = "") -> None:
        super().__init__(f"{error_type}: {message}" if message else error_type)
        self.error_type: str = error_type
        self.message: str = message
        self.traceback: str = traceback


class ProcessDied(AiojobsError):
    """The process that ran an attempt died in the middle of it; other jobs go on."""


class LifespanFailed(AiojobsError):
    """The lifespan of a worker raised while it opened, or while jobs ran; the cause says what."""


class PayloadRejected(AiojobsError):
    """What Redis holds was not sealed by this queue's codec for this place, or was changed."""


class PayloadTooLarge(AiojobsError):
    """The encoded arguments are over the queue's ``max_payload``; nothing was written."""


class ResultTooLarge(AiojobsError):
    """The job completed, but its encoded result was over the limit and was not kept."""


class QueueFull(AiojobsError):
    """Redis is out of memory, or the queue is at its ``max_length``; nothing was written."""


class KeyFull(QueueFull):
    """A key has as many waiting jobs as the queue's ``max_length_per_key`` allows.

    The jobs that were refused were not written. Others of the same ``enqueue_many`` were, and have
    their handles in ``.jobs``.

    Attributes:
        key: Whose jobs were refused.
        limit: The ``max_length_per_key``.
    """

    def __init__(self, message: str, key: str, limit: int) -> None:
        super().__init__(message)
        self.key: str = key
        self.limit: int = limit


class RateExceeded(QueueFull):
    """A key adds jobs faster than the queue's ``enqueue_rate`` allows.

    The jobs that were refused were not written. Others of the same ``enqueue_many`` were, and have
    their handles in ``.jobs``.

    Attributes:
        key: Whose jobs were refused; None for those without a key.
        retry_after: Seconds after which the next one may be added, if nobody else adds one.
    """

    def __init__(self, message: str, key: str | None, retry_after: float) -> None:
        super().__init__(message)
        self.key: str | None = key
        self.retry_after: float = retry_after


class QueueUnavailable(AiojobsError):
    """Redis could not be reached, or did not answer in time."""


class NotReplicated(AiojobsError):
    """The jobs were added, but fewer copies were confirmed in time than the queue asks for.

    They exist and run like any other, unless Redis loses them first, as in a failover. To enqueue
    them again with the same ids adds nothing that is there, and asks for the confirmation again.

    Attributes:
        jobs: Handles of all jobs that the call has added, confirmed or not.
        unconfirmed: Handles of those that were not confirmed.
        replicas: Replicas that confirmed.
        fsynced: Whether the server itself has them on its disk, where that was asked for.
        timeout: Seconds that were waited.
    """

    unconfirmed: Sequence[Any] = ()
    replicas: int = 0
    fsynced: bool = False
    timeout: float = 0.0


class RedisIncompatible(AiojobsError):
    """The server is older than Redis 7.0 or Valkey 7.2, or lacks what the scripts need."""


class WorkerNotFound(AiojobsError):
    """No worker of that id was seen in the last minute: it ended, or has other queues only."""


def _sentence(error_type: str, message: str) -> str:
    """Return an error without the full stop at its end; many have no text."""
    text = message.removesuffix(".")
    return f"{error_type}: {text}" if text.strip() else error_type
