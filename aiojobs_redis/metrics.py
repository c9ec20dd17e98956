"""What was counted in a queue, minute by minute and by task, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["FIELDS", "Metrics", "MinuteMetrics", "TaskMetrics", "read_metrics"]

FIELDS = 9
"""Values that the script returns for a minute and task."""


@dataclass(frozen=True, slots=True)
class TaskMetrics:
    """What was counted of a task, or of several together.

    Attributes:
        enqueued: Jobs that were added, also by a schedule.
        completed: Jobs whose task returned.
        failed: Attempts that failed and are to be repeated.
        dead: Jobs that ended dead.
        snoozed: Attempts that were put off by `Snooze`.
        cancelled: Jobs that ended as cancelled while they ran.
        run_seconds: How long attempts ran, all together.
    """

    enqueued: int = 0
    completed: int = 0
    failed: int = 0
    dead: int = 0
    snoozed: int = 0
    cancelled: int = 0
    run_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class MinuteMetrics:
    """What was counted in a minute.

    Attributes:
        at: When it began, by the server's clock.
        tasks: What was counted of each task; ``?`` stands for jobs that died where nothing knew
            their task: by their expiry, or by a lost lease.
        total: All of them together.
        oldest_seconds: How long the oldest queued job had waited when a worker looked, once in that
            minute; None where none did.
    """

    at: datetime
    tasks: Mapping[str, TaskMetrics]
    total: TaskMetrics
    oldest_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Metrics:
    """What was counted in the last minutes; see `Queue.metrics`.

    Attributes:
        minutes: Each minute, the oldest first, also where nothing happened; the last one is not
            over yet.
        tasks: What was counted of each task in all of them.
        total: All together.
    """

    minutes: Sequence[MinuteMetrics]
    tasks: Mapping[str, TaskMetrics]
    total: TaskMetrics


def read_metrics(first: int, last: int, flat: Sequence[Any]) -> Metrics:
    """Return the counts of some minutes.

    Args:
        first: The first minute since 1970.
        last: The last one.
        flat: `FIELDS` values a minute and task, as the script returns them; where the task is
            empty, the first of its numbers is the longest wait of a queued job in ms.
    """
    found: dict[int, dict[str, TaskMetrics]] = {minute: {} for minute in range(first, last + 1)}
    oldest: dict[int, float] = {}
    for at in range(0, len(flat), FIELDS):
        minute, task, *numbers = flat[at : at + FIELDS]
        if not task:
            oldest[minute] = int(numbers[0]) / 1000
            continue
        enqueued, completed, failed, dead, snoozed, cancelled, ms = (
            int(number or 0) for number in numbers
        )
        found[minute][task.decode(errors="replace")] = TaskMetrics(
            enqueued, completed, failed, dead, snoozed, cancelled, ms / 1000
        )
    minutes = [
        MinuteMetrics(
            datetime.fromtimestamp(minute * 60, UTC),
            tasks,
            _sum(tasks.values()),
            oldest.get(minute),
        )
        for minute, tasks in found.items()
    ]
    names = sorted({name for minute in minutes for name in minute.tasks})
    tasks = {
        name: _sum(minute.tasks[name] for minute in minutes if name in minute.tasks)
        for name in names
    }
    return Metrics(minutes, tasks, _sum(minute.total for minute in minutes))


def _sum(parts: Iterable[TaskMetrics]) -> TaskMetrics:
    enqueued = completed = failed = dead = snoozed = cancelled = 0
    seconds = 0.0
    for part in parts:
        enqueued += part.enqueued
        completed += part.completed
        failed += part.failed
        dead += part.dead
        snoozed += part.snoozed
        cancelled += part.cancelled
        seconds += part.run_seconds
    return TaskMetrics(enqueued, completed, failed, dead, snoozed, cancelled, seconds)
