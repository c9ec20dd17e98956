"""What an enqueue and a schedule are given: tasks, and calls that were bound before.

What looks like one of them, such as the function itself or a coroutine of it, is refused with what
to write instead. A coroutine is closed: nobody is going to await it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

from aiojobs_redis.errors import ConfigInvalid
from aiojobs_redis.given import named
from aiojobs_redis.task import BoundCall, ConfiguredTask, Task

__all__ = ["check_call", "check_calls", "task_of"]

_KIND = frozenset({BoundCall})


def task_of(target: Task[..., Any] | ConfiguredTask[..., Any]) -> Task[..., Any]:
    """Return the task that is to be enqueued.

    Raises:
        ConfigInvalid: It is none.
    """
    if isinstance(target, Task):
        return target
    if isinstance(target, ConfiguredTask):
        return target.task
    raise ConfigInvalid(
        f"a job is made of a task or of the name of one, got {named(target)}: {_instead(target)}. "
        "Nothing was written."
    )


def _instead(target: object) -> str:
    if isinstance(target, BoundCall):
        return "this call is bound already, give it to queue.enqueue_call(call)"
    if inspect.iscoroutine(target):
        return "write queue.enqueue(task, argument) for queue.enqueue(task(argument))"
    if callable(target):
        return "register the function with @queue.task, and give what that returns"
    return "give what @queue.task returns"


def check_call(what: str, call: object) -> None:
    """See that a call is one that was bound.

    Args:
        what: The method that takes it.
        call: What was given.

    Raises:
        ConfigInvalid: It is something else.
    """
    if not isinstance(call, BoundCall):
        raise ConfigInvalid(
            f"{what} takes a call, got {named(call)}: write task.bind(argument) for task, "
            "task(argument) and task.enqueue(argument). Nothing was written."
        )


def check_calls(what: str, calls: Iterable[BoundCall[Any]]) -> list[BoundCall[Any]]:
    """Return calls as a list.

    Args:
        what: The method that takes them.
        calls: What was given.

    Raises:
        ConfigInvalid: They are no list of calls, or one is something else.
    """
    if isinstance(calls, BoundCall):
        raise ConfigInvalid(
            f"{what} takes a list of calls, got one call of {calls.task!r}: put it into a "
            "list. Nothing was written."
        )
    if not isinstance(calls, Iterable):
        raise ConfigInvalid(
            f"{what} takes a list of calls made by task.bind(), got {named(calls)}. Nothing was "
            "written."
        )
    found = list(calls)
    # One look in C for all of them: each is looked at only where one is something else.
    if not _KIND.issuperset(map(type, found)):
        wrong = [call for call in found if not isinstance(call, BoundCall)]
        for other in wrong[1:]:
            named(other)
        if wrong:
            check_call(what, wrong[0])
    return found
