"""Shares the slots of a worker between its lanes: never more runs than slots, none left idle.

A lane's share is its weight among the lanes that have work waiting; so a lane alone may use all
slots, and gives back what is over its share as its runs end. Shares are rarely whole: each lane
has its whole part, and the slots left over go to those that have claimed least for their weight.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from aiojobs_redis.errors import ConfigInvalid

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Sharer", "Slots", "check_concurrency"]

_ROUNDING = 1e-9
_MEMORY = 10


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
    def wanting(self) -> bool:
        """Whether it may find more jobs, or has a claim in flight that may."""
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
        self._credit: dict[Sharer, float] = {}
        self._refused: set[Sharer] = set()

    @property
    def idle(self) -> int:
        """Slots that nobody takes."""
        return max(0, self.total - sum([sharer.used for sharer in self.sharers]))

    def free(self, lane: Sharer) -> int:
        """Return how many jobs a lane may claim now, as if it wanted some."""
        if len(self.sharers) == 1:
            return max(0, self.total - lane.used)
        count = self._divide(self._wanting(lane)).get(lane, 0)
        if not count:
            self._refused.add(lane)
        return count

    def claimed(self, lane: Sharer, count: int) -> None:
        """Take note of jobs that a lane has got: the next slots left over are for the others."""
        if len(self.sharers) == 1 or not count:
            return
        wanting = self._wanting(lane)
        weight = sum([sharer.weight for sharer in wanting])
        known = [self._credit[sharer] for sharer in wanting if sharer in self._credit]
        # One that did not want any starts at the middle of those that did.
        middle = sum(known) / len(known) if known else 0.0
        most = _MEMORY * self.total
        credit: dict[Sharer, float] = {}
        for sharer in wanting:
            due = count * (sharer.weight / weight) - (count if sharer is lane else 0)
            now = self._credit.get(sharer, middle) - middle + due
            # What long jobs kept a lane from claiming is not all to be made up for.
            credit[sharer] = max(-most, min(most, now))
        self._credit = credit

    def offer(self) -> None:
        """Wake the lanes that may use the idle slots.

        Where none wants more, those are woken that were told of none: they may wait for jobs now.
        """
        if not self._refused or not self.idle:
            return
        wanting = self._wanting()
        if wanting:
            for sharer in self._divide(wanting):
                self._refused.discard(sharer)
                sharer.wake()
        else:
            while self._refused:
                self._refused.pop().wake()

    def _wanting(self, lane: Sharer | None = None) -> list[Sharer]:
        return [sharer for sharer in self.sharers if sharer is lane or sharer.wanting]

    def _divide(self, wanting: Sequence[Sharer]) -> dict[Sharer, int]:
        """Divide all idle slots among lanes; those that get none are left out."""
        idle = self.idle
        if not idle:
            return {}
        due = shares = self._shares(idle, wanting)
        # One whose share is not whole has its turn, though others have more than theirs by now.
        near = within = [sharer for sharer, share in shares.items() if sharer.used <= share]
        while len(within) < len(shares):
            # What a lane has beyond its share cannot be taken from it: the others share the rest.
            shares = self._shares(idle, within)
            within = [sharer for sharer, share in shares.items() if sharer.used <= share]
        owed = {sharer: int(share) - sharer.used for sharer, share in shares.items()}
        left_over = idle - sum(owed.values())
        if left_over:
            credit, total = self._credit, self.total
            next_due = sorted(
                near,
                key=lambda sharer: credit.get(sharer, 0.0) + due[sharer] / total,
                reverse=True,
            )
            for sharer in next_due[:left_over]:
                owed[sharer] = owed.get(sharer, 0) + 1
        return {sharer: count for sharer, count in owed.items() if count}

    def _shares(self, idle: int, sharers: Sequence[Sharer]) -> dict[Sharer, float]:
        """Return what each would have of what they use and of the idle slots."""
        room = idle + sum([sharer.used for sharer in sharers])
        weight = sum([sharer.weight for sharer in sharers])
        return {sharer: room * (sharer.weight / weight) + _ROUNDING for sharer in sharers}


def check_concurrency(value: int) -> int:
    """Return a number of slots.

    Raises:
        ConfigInvalid: It is out of range.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 100_000:
        raise ConfigInvalid(
            f"concurrency must be a whole number from 1 to 100000, got {value!r:.80}"
        )
    return value
