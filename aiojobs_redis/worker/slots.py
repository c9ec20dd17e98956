"""Shares the slots of a worker between its lanes: never more runs than slots, none left idle.

A lane's share is its weight among the lanes that have work waiting; so a lane alone may use all
slots, and gives back what is over its share as its runs end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Sharer", "Slots"]


class Sharer(Protocol):
    """A lane, as the slots see it."""

    @property
    def weight(self) -> float:
        """Its share, against the weights of the others."""
        ...

    @property
    def used(self) -> int:
        """Slots that it takes."""
        ...

    @property
    def hungry(self) -> bool:
        """Whether it may find more jobs."""
        ...

    def wake(self) -> None:
        """Look again at what there is to do."""
        ...


class Slots:
    """The slots of one worker.

    Args:
        total: Runs at once.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.sharers: Sequence[Sharer] = ()

    def freed(self, lane: Sharer) -> None:
        """Wake the other lanes that may use a slot which this one has given back."""
        for sharer in self.sharers:
            if sharer is not lane and sharer.hungry:
                sharer.wake()

    def free(self, lane: Sharer) -> int:
        """Return how many jobs a lane may claim now."""
        sharers = self.sharers
        if len(sharers) == 1:
            return max(0, self.total - lane.used)
        used = sum(sharer.used for sharer in sharers)
        wanting = [sharer for sharer in sharers if sharer.hungry or sharer is lane]
        weight = sum(sharer.weight for sharer in wanting)
        share = max(1, round(self.total * lane.weight / weight))
        return max(0, min(self.total - used, share - lane.used))
