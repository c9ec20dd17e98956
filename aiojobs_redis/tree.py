"""A flow as a tree around one of its jobs: what it waits for, and what waits for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aiojobs_redis.job import JobInfo, JobState

__all__ = ["FlowTree", "Relatives", "build_tree", "deepest_first"]


@dataclass(slots=True)
class Relatives:
    """The relatives of a job: ids of its parents and of its dependents.

    Attributes:
        parents: The jobs on which it depends, in their order.
        dependents: The jobs that depend on it.
    """

    parents: list[str]
    dependents: list[str]


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
    """

    id: str
    task: str | None
    state: JobState | None
    parents: list[FlowTree] = field(default_factory=list)
    dependents: list[FlowTree] = field(default_factory=list)

    def __str__(self) -> str:
        above = list(_drawn(self, "parents", {self.id}, 0))
        below = list(_drawn(self, "dependents", {self.id}, 0))
        return "\n".join([*reversed(above), _line(self), *below])


Side = Literal["parents", "dependents"]


def build_tree(root: str, kin: Mapping[str, Relatives], infos: Mapping[str, JobInfo]) -> FlowTree:
    """Return the tree around a job.

    Args:
        root: Its id.
        kin: The relatives of every job that is to be shown.
        infos: Their records, where there are any.
    """
    top = _linked("parents", kin, infos)[root]
    top.dependents = _linked("dependents", kin, infos)[root].dependents
    return top


def deepest_first(kin: Mapping[str, Relatives]) -> list[str]:
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
    side: Side, kin: Mapping[str, Relatives], infos: Mapping[str, JobInfo]
) -> dict[str, FlowTree]:
    made = {
        job: FlowTree(job, info.task, info.state) if (info := infos.get(job)) else _gone(job)
        for job in kin
    }
    for job, node in made.items():
        getattr(node, side).extend(made[one] for one in getattr(kin[job], side) if one in made)
    return made


def _gone(job: str) -> FlowTree:
    return FlowTree(job, None, None)


def _line(node: FlowTree) -> str:
    return f"{node.task or '?'} {node.id} {node.state or 'gone'}"


def _drawn(node: FlowTree, side: Side, seen: set[str], depth: int) -> Iterator[str]:
    """Yield the lines of what is on one side of a job, the nearest first."""
    near: list[FlowTree] = getattr(node, side)
    corner = "┌ " if side == "parents" else "└ "
    for other in reversed(near) if side == "parents" else near:
        again = other.id in seen
        seen.add(other.id)
        yield "  " * depth + corner + _line(other) + (" (shown already)" if again else "")
        if not again:
            yield from list(_drawn(other, side, seen, depth + 1))
