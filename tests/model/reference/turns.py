"""Whose turn it is: jobs with a key stand one after the other, keys side by side."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Turns"]


@dataclass
class Turns:
    """The turns of the keys of a queue, by priority.

    Attributes:
        last: The last place that was given, by priority and key.
        heads: The furthest head that was seen, by priority: what lies behind it says nothing.
    """

    last: dict[tuple[int, str], int] = field(default_factory=dict)
    heads: dict[int, int] = field(default_factory=dict)

    def take(self, priority: int, key: str, head: int) -> int:
        """Return the next place of a key: after its last one, or after the head, if that is on."""
        head = self.heads[priority] = max(head, self.heads.get(priority, 0))
        place = max(head, self.last.get((priority, key), 0)) + 1
        self.last[priority, key] = place
        return place

    def ahead(self) -> dict[tuple[int, str], int]:
        """Return the last places that lie before the head, which are those that matter."""
        return {one: place for one, place in self.last.items() if place > self.heads[one[0]]}

    def forget(self) -> None:
        """Begin again, where all jobs have ended: whoever comes next is level with all others."""
        self.last, self.heads = {}, {}
