"""Who does what from the command line, noted in the queue beside what the dashboard does."""

from __future__ import annotations

import getpass
import platform
from typing import TYPE_CHECKING, Any, TypeVar

from aiojobs_redis.acting import Act

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiojobs_redis import Queue

__all__ = ["act", "note", "noted"]

T = TypeVar("T")


async def note(queue: Queue, action: str, job: str | None = None, /, **details: Any) -> None:
    """Note an action before it is done, so that none is done without.

    Args:
        queue: The queue.
        action: Its name, as on the dashboard.
        job: To which job.
        details: What else was asked for; those that are None are left out.

    Raises:
        QueueUnavailable: Redis did not answer; nothing is to be done then.
    """
    await act(queue, action, job, **details).note()


def act(queue: Queue, action: str, job: str | None = None, /, **details: Any) -> Act:
    """Return an action, which notes also what came of it when it is run."""
    return Act(queue, _who(), action, job, **details)


def noted(
    work: Callable[[Queue], Awaitable[T]],
    action: str,
    job: str | None = None,
    /,
    **details: Any,
) -> Callable[[Queue], Awaitable[T]]:
    """Return work on a queue that is noted before it is done."""

    async def do(queue: Queue) -> T:
        return await act(queue, action, job, **details).run(lambda: work(queue))

    return do


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a number that has no name.
        user = "somebody"
    return f"{user}@{platform.node()} (command line)"
