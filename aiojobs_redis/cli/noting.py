"""Who does what from the command line, noted in the queue beside what the dashboard does."""

from __future__ import annotations

import getpass
import platform
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiojobs_redis import Queue

__all__ = ["note", "noted"]

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
    given = {name: value for name, value in details.items() if value is not None}
    await queue.note_action(_who(), action, job, given)


def noted(
    work: Callable[[Queue], Awaitable[T]],
    action: str,
    job: str | None = None,
    /,
    **details: Any,
) -> Callable[[Queue], Awaitable[T]]:
    """Return work on a queue that is noted before it is done."""

    async def do(queue: Queue) -> T:
        await note(queue, action, job, **details)
        return await work(queue)

    return do


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a number that has no name.
        user = "somebody"
    return f"{user}@{platform.node()} (command line)"
