"""What a task raises to say how its attempt ended, other than by returning or by an error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from aiojobs_redis.dependencies import MOST_PARENTS, Edge, Handle
from aiojobs_redis.duration import to_ms
from aiojobs_redis.errors import ConfigInvalid
from aiojobs_redis.options import check_id

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

__all__ = ["Cancel", "Fail", "Outcome", "Retry", "Snooze", "Throttle", "WaitFor"]


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


class WaitFor(Outcome):
    """Run the job again once these jobs have ended; no attempt is spent.

    It is ``blocked`` until then, and holds no slot of a worker or of a limit. `JobContext.parents`
    and parameters annotated `FromParents` have the jobs then, behind those on which it depends
    already. What it means that one of them fails is the ``on_parent_failure`` of the job.

    Args:
        jobs: Their handles, also of other queues, or their ids: 250 with those that it has already.

    Raises:
        ConfigInvalid: It is no list of handles and ids, an empty one, or too long.
    """

    def __init__(self, jobs: Iterable[Handle | str]) -> None:
        super().__init__()
        # Ids, each with its queue; None for that of the job itself.
        self.jobs: tuple[tuple[str, Any], ...] = _named(jobs)


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


def _named(jobs: Any) -> tuple[tuple[str, Any], ...]:
    if isinstance(jobs, str | bytes | Handle | Edge):
        raise ConfigInvalid(f"WaitFor takes a list of jobs or ids, got {jobs!r:.80}")
    try:
        given = list(jobs)
    except TypeError:
        raise ConfigInvalid(f"WaitFor takes a list of jobs or ids, got {jobs!r:.80}") from None
    found: dict[tuple[int | None, str], tuple[str, Any]] = {}
    for one in given:
        job, queue = (one.id, one.queue) if isinstance(one, Handle) else (one, None)
        check_id("an id in WaitFor", job)
        # Not by the name of the queue: another server may have one of that name.
        found.setdefault((None if queue is None else id(queue), job), (job, queue))
    if not found:
        raise ConfigInvalid(
            "WaitFor takes at least one job, got none: go on instead, there is nothing to wait for"
        )
    if len(found) > MOST_PARENTS:
        raise ConfigInvalid(
            f"WaitFor may name {MOST_PARENTS} jobs, got {len(found)}: let jobs in between join "
            "some of them each"
        )
    return tuple(found.values())
