"""What the helpers are given: queues and tasks, or the error that says what to give instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiojobs_redis.errors import ConfigInvalid
from aiojobs_redis.queue import Queue
from aiojobs_redis.task import BoundCall, ConfiguredTask, Task

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["check_queues", "task_of"]


def check_queues(helper: str, queues: Sequence[Any], *, least: int = 1) -> None:
    """See that they are queues.

    Args:
        helper: Who was given them, for messages.
        queues: What was given.
        least: How many it needs.

    Raises:
        ConfigInvalid: One is none, or they are too few.
    """
    for queue in queues:
        if not isinstance(queue, Queue):
            raise ConfigInvalid(
                f"{helper}() takes queues, one by one, got {queue!r:.80} "
                f"({type(queue).__name__}): give it the Queue objects of the application"
            )
    if len(queues) < least:
        raise ConfigInvalid(f"{helper}() takes the queues of the application, and got none")


def task_of(helper: str, target: Any) -> Task[..., Any]:
    """Return the task that was given by itself, with options, or as a bound call.

    Raises:
        ConfigInvalid: It is none of them.
    """
    found: Any = target
    if isinstance(target, ConfiguredTask):
        found = target.task
    elif isinstance(target, BoundCall):
        found = target.made_by
    if not isinstance(found, Task):
        raise ConfigInvalid(
            f"{helper}() takes a task, which is what @queue.task returns, got {target!r:.80} "
            f"({type(target).__name__}); queue.tasks has the tasks of a queue by name"
        )
    return found
