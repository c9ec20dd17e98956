"""What a task raises to say how its attempt ended, other than by returning or by an error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from aiojobs_redis.duration import to_ms
from aiojobs_redis.errors import ConfigInvalid

if TYPE_CHECKING:
    from datetime import timedelta

__all__ = ["Cancel", "Fail", "Outcome", "Retry", "Snooze", "Throttle"]


class Outcome(Exception):
    """Base of the exceptions that tell the worker what to do with the job."""


class Retry(Outcome):
    """Fail this attempt and run the job again, while it has attempts left.

    Args:
        delay: Seconds until the next attempt; the task's back-off decides when left out.
        reason: Stored as the error of this attempt.
    """

    def __init__(self, delay: float | timedelta | None = None, reason: str = "") -> None:
        super().__init__(reason)
        self.delay_ms: int | None = None if delay is None else to_ms("delay", delay)
        self.reason: str = reason


class Snooze(Outcome):
    """Run the job again later; no attempt is spent and nothing is recorded as an error.

    Args:
        delay: Seconds until then.
    """

    def __init__(self, delay: float | timedelta) -> None:
        super().__init__()
        self.delay_ms: int = to_ms("delay", delay)


class Throttle(Outcome):
    """Run the job again later, and start no other job of its queue, task or key until then.

    For a service that answers with "too many requests": no attempt is spent, the job keeps its
    place, and of several that are asked for the longest wait counts.

    Args:
        delay: Seconds until then.
        scope: ``queue``, ``task`` or ``key``: whose jobs wait. A job without a key waits alone.

    Raises:
        ConfigInvalid: There is no such scope.
    """

    def __init__(
        self, delay: float | timedelta, scope: Literal["queue", "task", "key"] = "queue"
    ) -> None:
        super().__init__()
        if scope not in ("queue", "task", "key"):
            raise ConfigInvalid(f"scope must be queue, task or key, got {scope!r:.80}")
        self.delay_ms: int = to_ms("delay", delay)
        self.scope: str = scope


class Cancel(Outcome):
    """End the job as ``cancelled``.

    Args:
        reason: Stored with the job.
    """

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason: str = reason


class Fail(Outcome):
    """End the job as ``dead`` whatever attempts are left.

    Args:
        reason: Stored as the error of this attempt.
    """

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason: str = reason
