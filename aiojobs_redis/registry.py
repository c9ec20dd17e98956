"""The tasks and the declared schedules of a queue: what the application's code says."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, NamedTuple

from aiojobs_redis.errors import ConfigInvalid, TaskNotRegistered

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiojobs_redis.schedule import Schedule
    from aiojobs_redis.task import Task

__all__ = ["Declared", "Registry"]


class Declared(NamedTuple):
    """A schedule that stands in the code.

    Attributes:
        id: Its identity.
        schedule: Its definition.
    """

    id: str
    schedule: Schedule


class Registry:
    """Tasks by name; a name has one task."""

    def __init__(self) -> None:
        self._tasks: dict[str, Task[..., Any]] = {}
        self.declared: list[Declared] = []

    @property
    def tasks(self) -> Mapping[str, Task[..., Any]]:
        """The tasks by name."""
        return self._tasks

    def add(self, task: Task[..., Any]) -> None:
        """Register a task.

        Raises:
            ConfigInvalid: The name is taken.
        """
        other = self._tasks.get(task.name)
        if other is not None:
            raise ConfigInvalid(
                f"queue {task.queue.name} has a task {task.name!r} already "
                f"({other.function.__module__}.{other.function.__qualname__}): "
                "give one of them another name with @queue.task(name=...)"
            )
        self._tasks[task.name] = task

    def declare(self, declared: Declared) -> None:
        """Register a schedule.

        Raises:
            ConfigInvalid: The id is taken.
        """
        if any(other.id == declared.id for other in self.declared):
            raise ConfigInvalid(
                f"a schedule {declared.id!r} is declared already: give one of them another id"
            )
        self.declared.append(declared)

    def find(self, name: str) -> Task[..., Any]:
        """Return a task.

        Raises:
            TaskNotRegistered: There is none of that name.
        """
        task = self._tasks.get(name)
        if task is None:
            raise TaskNotRegistered(f"there is no task {name!r}. {self.known(name)}")
        return task

    def known(self, name: str) -> str:
        """Return what to tell somebody who asked for a task that is not here."""
        if not self._tasks:
            return "No task is registered: import the module that holds them."
        near = difflib.get_close_matches(name, self._tasks, 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        names = sorted(self._tasks)
        more = f" and {len(names) - 10} more" if len(names) > 10 else ""
        return f"Registered: {', '.join(names[:10])}{more}.{hint}"
