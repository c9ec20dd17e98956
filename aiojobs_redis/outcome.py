"""What a task raises to say how its attempt ended, other than by returning or by an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiojobs_redis.duration import to_ms

if TYPE_CHECKING:
    from datetime import timedelta

__all__ = ["Cancel", "Fail", "Outcome", "Retry", "Snooze"]


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
