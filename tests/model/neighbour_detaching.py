"""A job of two queues goes on without some for which it waits, as `pruner.py` does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.model.neighbour_circles import NAMES
from tests.model.reference.job import Error

if TYPE_CHECKING:
    from tests.model.neighbours import Neighbours

__all__ = ["Died", "Remover"]

Place = tuple[int, str]
"""A side and the name of a job of it."""


class Died(Exception):
    """Whoever made the calls is gone."""


class Remover:
    """Somebody who lets a job wait for fewer others.

    Args:
        both: The queues.
        side: That of the job.
        job: Its name.
        most: After so many calls it dies.
    """

    def __init__(self, both: Neighbours, side: int, job: str, most: int) -> None:
        self._both, self._side, self._job, self._left = both, side, job, most

    def detach(self, parent: str) -> bool:
        """Let the job forget one; return whether it did."""
        letter: str = self._call(self._side, "detach", self._job, parent)
        forgot = letter.isupper()
        if forgot and parent.startswith("\udcff"):
            self._both.happened["a job forgot one of the other queue"] += 1
        return forgot

    def prune(self, *, meanwhile: bool) -> None:
        """Cancel what nobody else needs, each behind all that depend on it.

        Args:
            meanwhile: Whether one of the other queue starts before it is cancelled.
        """
        for side, name in self._above():
            if side != self._side and f"\udcff{NAMES[side]},{name}" in self._parents(self._job):
                self._prune_abroad(side, name, meanwhile=meanwhile)
            else:
                self._cancel(side, name, self._job if side == self._side else "")

    def _prune_abroad(self, side: int, name: str, *, meanwhile: bool) -> None:
        queues = self._queues_without(side, name)
        would_go = self._call(side, "prune", "", [(name, None, queues)])[1:] == "1"
        if not would_go or not self.detach(f"\udcff{NAMES[side]},{name}"):
            return
        if not self._left:
            self._both.happened["one of the other queue was left for nobody"] += 1
        elif meanwhile:
            self._both.finish(side, "c", 10)
        if self._cancel(side, name, ""):
            self._both.happened["one of the other queue was cancelled for a job"] += 1

    def _cancel(self, side: int, name: str, job: str) -> bool:
        error = Error("cancelled", self._both.model.now, 1)
        words = [(name, error, self._queues_without(side, name))]
        return bool(self._call(side, "prune", job, words)[1:] == "1")

    def _call(self, side: int, name: str, *args: Any) -> Any:
        if not self._left:
            raise Died
        self._left -= 1
        self._both.calls += 1
        return self._both.do(side, name, f"r{self._both.calls}", *args)

    def _parents(self, name: str) -> list[str]:
        return self._both.both()[self._side].parents.get(name, [])

    def _above(self) -> list[Place]:
        """Return what the job waits for, each behind all that depend on it."""
        seen, found = set[Place](), list[Place]()

        def visit(side: int, name: str) -> None:
            if (side, name) in seen or name not in self._both.both()[side].jobs:
                return
            seen.add((side, name))
            for parent in self._both.both()[side].parents.get(name, ()):
                far = parent.startswith("\udcff")
                visit(1 - side if far else side, parent.partition(",")[2] if far else parent)
            found.append((side, name))

        visit(self._side, self._job)
        return found[-2::-1]

    def _queues_without(self, side: int, name: str) -> str:
        """Return the other queue, unless a job of it depends on this one and has not ended."""
        queue = self._both.both()[1 - side]
        children = [
            queue.jobs[child]
            for parent, child in queue.edges
            if parent == f"\udcff{NAMES[side]},{name}" and (1 - side, child) != self._place
        ]
        return "" if any(not child.ended for child in children) else NAMES[1 - side]

    @property
    def _place(self) -> Place:
        return self._side, self._job
