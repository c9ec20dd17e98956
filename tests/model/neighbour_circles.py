"""Jobs of two queues that wait for each other in a circle, as a leader finds and ends that."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tests.model.real import QUEUE

if TYPE_CHECKING:
    from tests.model.neighbours import Neighbours

__all__ = ["NAMES", "Wait", "end_a_circle"]

NAMES = (QUEUE, "next")


class Wait(NamedTuple):
    """A job of a side that waits for another one, by the name that its queue has for that.

    Attributes:
        side: Of the job.
        job: Its name.
        incarnation: Which one of its name it is.
        name: Of the other one.
    """

    side: int
    job: str
    incarnation: str
    name: str

    @property
    def parent(self) -> tuple[int, str]:
        """Side and name of the other one."""
        if not self.name.startswith("\udcff"):
            return self.side, self.name
        queue, _, job = self.name[1:].partition(",")
        return NAMES.index(queue), job

    @property
    def since(self) -> int:
        """When it was enqueued, ms."""
        return int(self.incarnation.partition(",")[2], 36)


def end_a_circle(both: Neighbours, turn: int) -> bool:
    """Look on from all that is asked for; end the first circle, and return whether there was one.

    No other call comes in between, so there is nothing to be read a second time.
    """
    for side, queue in enumerate(both.both()):
        for name in sorted(queue.asked):
            circle = _circle(both, turn, Wait(side, "", "", name).parent)
            if circle:
                _break(both, circle)
                return True
    return False


def _circle(both: Neighbours, turn: int, at: tuple[int, str]) -> list[Wait]:
    way: dict[tuple[int, str], Wait] = {}
    while at not in way:
        side, name = at
        rows = both.do(side, "waits", turn, [name])
        for job, incarnation, parent in rows:
            if not parent:
                return []
            way.setdefault((side, job), Wait(side, job, incarnation, parent))
        at = next(reversed(way.values())).parent
    return list(way.values())[list(way).index(at) :]


def _break(both: Neighbours, circle: list[Wait]) -> None:
    since = {(wait.side, wait.job): wait.since for wait in circle}
    wrong = max(circle, key=lambda wait: since[wait.parent] - wait.since)
    # Who runs all the same may do so: the one that it meant is gone.
    both.ever[wrong.parent] += 1
    meant = both.meant.get((wrong.side, wrong.name, wrong.job))
    if since[wrong.parent] > wrong.since and meant is not None:
        both.happened["the wait for a job before was broken"] += 1
        assert meant < since[wrong.parent], f"{wrong} meant the one that is there"
    assert both.do(wrong.side, "break_wait", wrong.job, wrong.incarnation, wrong.name)
    both.happened[f"a circle of {len(circle)} was ended"] += 1
