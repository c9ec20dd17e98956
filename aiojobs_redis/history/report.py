"""What the check of a history found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["HistoryReport", "HistoryViolation"]


class HistoryViolation(msgspec.Struct, frozen=True):
    """One broken promise.

    Attributes:
        rule: Name of the rule; docs/history.md explains each.
        queue: The queue.
        job: The job's id.
        message: What happened.
        lines: Lines of the history that prove it, each as ``file:number``.
    """

    rule: str
    queue: str
    job: str
    message: str
    lines: Sequence[str]


class HistoryReport(msgspec.Struct, frozen=True):
    """The outcome of a check.

    Attributes:
        events: Lines that were read.
        files: Files that they came from.
        jobs: Jobs that they are about.
        enqueued: Jobs whose enqueue was acknowledged.
        unknown: Jobs whose enqueue has an unknown outcome.
        refused: Jobs whose enqueue was refused.
        completed: Jobs with an accepted completion.
        executions: Attempts that were started.
        lost: Acknowledged jobs that vanished.
        corrupt: Jobs that were put among the dead because their record and the indexes disagreed.
        unexpected: Jobs that ran though nobody had enqueued them.
        duplicated: Jobs that were started more than once.
        recovered: Jobs of an unknown enqueue that ran all the same.
        unfinished: Acknowledged jobs that have not ended, as far as the history tells.
        undone: Acknowledged jobs that may be gone by a fault of Redis that the history names.
        causes: Why jobs were handed out again: number of re-deliveries by cause, ``uncaused`` too.
        torn: Files whose last line was torn.
        not_judged: What could not be judged, and why.
        violations: Broken promises.
    """

    events: int
    files: int
    jobs: int
    enqueued: int
    unknown: int
    refused: int
    completed: int
    executions: int
    lost: int
    corrupt: int
    unexpected: int
    duplicated: int
    recovered: int
    unfinished: int
    undone: int
    causes: Mapping[str, int]
    torn: Sequence[str]
    not_judged: Sequence[str]
    violations: Sequence[HistoryViolation]

    @property
    def ok(self) -> bool:
        """Whether no promise was broken."""
        return not self.violations

    def totals(self) -> Iterator[tuple[str, int]]:
        """Yield the numbers by name."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, int):
                yield name, value
