"""Whose turn it is: jobs with a key stand one after the other, keys side by side."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["FRONT", "Turns"]

FRONT = 2**40
"""Before it stands who goes first."""


@dataclass
class Turns:
    """The turns of the keys of a queue, by priority.

    Attributes:
        last: The last place that was given, by priority and key.
        heads: The furthest head that was seen, by priority: what lies behind it says nothing.
        floors: The last place of a suspect, or of one that rose: it may start before its turn, and
            come back.
        debts: Of which jobs were taken away: the last place may be further than it need be.
    """

    last: dict[tuple[int, str], int] = field(default_factory=dict)
    heads: dict[int, int] = field(default_factory=dict)
    floors: dict[tuple[int, str], int] = field(default_factory=dict)
    debts: set[tuple[int, str]] = field(default_factory=set)

    def take(self, priority: int, key: str, head: int) -> int:
        """Return the next place of a key: after its last one, or after the head, if that is on."""
        head = self.heads[priority] = max(head, self.heads.get(priority, 0))
        place = max(head, self.last.get((priority, key), 0)) + 1
        self.last[priority, key] = place
        return place

    def keep_head(self, priority: int, head: int) -> None:
        """Note how far claims have come."""
        if head > self.heads.get(priority, 0):
            self.heads[priority] = head

    def keep_floor(self, priority: int, key: str | None, place: int) -> None:
        """Note the place of a job that starts before its turn."""
        if key is not None:
            self.floors[priority, key] = max(place, self.floors.get((priority, key), 0))

    def note_debt(self, priority: int, key: str, head: int) -> None:
        """Note that a job of a key left its place, unless all that it had is at the head."""
        if self.last.get((priority, key), 0) > max(head, self.heads.get(priority, 0)):
            self.debts.add((priority, key))

    def forgive(self, priority: int, key: str, head: int, furthest: int) -> None:
        """Let a key stand behind the furthest job that it has left, or at the head."""
        one, head = (priority, key), max(head, self.heads.get(priority, 0))
        self.debts.discard(one)
        furthest = max(furthest, self.floors.get(one, 0))
        if furthest > head:
            self.last[one] = min(self.last.get(one, 0), furthest)
        else:
            self.last.pop(one, None)
            self.floors.pop(one, None)

    def ahead(self) -> dict[tuple[int, str], int]:
        """Return the last places that lie before the head, which are those that matter."""
        return {one: place for one, place in self.last.items() if place > self.heads[one[0]]}

    def forget(self) -> None:
        """Begin again, where all jobs have ended: whoever comes next is level with all others."""
        self.last, self.heads, self.floors, self.debts = {}, {}, {}, set()
