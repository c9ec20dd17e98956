"""A flow as a tree around one of its jobs: what it waits for, and what waits for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aiojobs_redis.job import JobInfo, JobState

__all__ = ["FlowTree", "Place", "Relatives", "build_tree", "deepest_first"]


class Place(NamedTuple):
    """Where a job is.

    Attributes:
        queue: Name of its queue.
        id: Its id.
    """

    queue: str
    id: str


@dataclass(slots=True)
class Relatives:
    """The relatives of a job: its parents and its dependents.

    Attributes:
        parents: The jobs on which it depends, in their order.
        dependents: The jobs that depend on it.
    """

    parents: list[Place]
    dependents: list[Place]


@dataclass(slots=True)
class FlowTree:
    """A job of a flow; ``str()`` draws the tree.

    A job that is reached in several ways is one object. Of the jobs above the one that was asked
    for only the parents are listed, of those below it only the dependents.

    Attributes:
        id: Its id.
        task: Name of its task, None where there is no record of the job any more.
        state: Its state, None where there is no record of it.
        parents: The jobs on which it depends, in the order of ``depends_on``.
        dependents: The jobs that depend on it.
        queue: Name of its queue.
    """

    id: str
    task: str | None
    state: JobState | None
    parents: list[FlowTree] = field(default_factory=list)
    dependents: list[FlowTree] = field(default_factory=list)
    queue: str = ""

    def __str__(self) -> str:
        above = list(_drawn(self, "parents", {id(self)}, 0, self.queue))
        below = list(_drawn(self, "dependents", {id(self)}, 0, self.queue))
        return "\n".join([*reversed(above), _line(self, self.queue), *below])


Side = Literal["parents", "dependents"]


def build_tree(
    root: Place, kin: Mapping[Place, Relatives], infos: Mapping[Place, JobInfo]
) -> FlowTree:
    """Return the tree around a job.

    Args:
        root: The job.
        kin: The relatives of every job that is to be shown.
        infos: Their records, where there are any.
    """
    top = _linked("parents", kin, infos)[root]
    top.dependents = _linked("dependents", kin, infos)[root].dependents
    return top


def deepest_first(kin: Mapping[Place, Relatives]) -> list[Place]:
    """Return jobs in an order in which each stands before those on which it depends."""
    left = {job: sum(one in kin for one in near.dependents) for job, near in kin.items()}
    free = [job for job, count in left.items() if not count]
    for job in free:
        for parent in kin[job].parents:
            if parent in left:
                left[parent] -= 1
                if not left[parent]:
                    free.append(parent)
    return free


def _linked(
    side: Side, kin: Mapping[Place, Relatives], infos: Mapping[Place, JobInfo]
) -> dict[Place, FlowTree]:
    made = {
        job: FlowTree(job.id, info.task, info.state, queue=job.queue)
        if (info := infos.get(job))
        else FlowTree(job.id, None, None, queue=job.queue)
        for job in kin
    }
    for job, node in made.items():
        getattr(node, side).extend(made[one] for one in getattr(kin[job], side) if one in made)
    return made


def _line(node: FlowTree, home: str) -> str:
    where = "" if node.queue == home else f" in {node.queue}"
    return f"{node.task or '?'} {node.id} {node.state or 'gone'}{where}"


def _drawn(node: FlowTree, side: Side, seen: set[int], depth: int, home: str) -> Iterator[str]:
    """Yield the lines of what is on one side of a job, the nearest first."""
    near: list[FlowTree] = getattr(node, side)
    corner = "┌ " if side == "parents" else "└ "
    for other in reversed(near) if side == "parents" else near:
        again = id(other) in seen
        seen.add(id(other))
        yield "  " * depth + corner + _line(other, home) + (" (shown already)" if again else "")
        if not again:
            yield from list(_drawn(other, side, seen, depth + 1, home))
