"""For whom jobs still wait, and the end of a wait for a job whose id another one has by now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tests.model.reference import abroad, flows

if TYPE_CHECKING:
    from tests.model.reference.queue import Queue

__all__ = ["break_wait", "waits"]


def waits(queue: Queue, turn: int, names: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return jobs, which one of its id each is, and for whom it waits; those as well.

    The last two are empty for one that waits for nobody, or for its flow to be written.
    """
    found: dict[str, tuple[str, str]] = {}
    for name in names:
        at = name
        while at not in found:
            parent = _parent(queue, turn, at)
            found[at] = (_incarnation(queue, at) if parent else "", parent)
            if parent and not parent.startswith(flows.ABROAD):
                at = parent
    return [(name, *wait) for name, wait in found.items()]


def break_wait(queue: Queue, name: str, incarnation: str, parent: str) -> int:
    """Tell a job that one for which it waits is gone; return whether it waited for it."""
    job = queue.jobs.get(name)
    same = queue.exists and job is not None and _incarnation(queue, name) == incarnation
    if not same or not _awaits(queue, name, parent):
        return 0
    flows.tell(queue, parent, "", name)
    abroad.pass_on(queue)
    return 1


def _parent(queue: Queue, turn: int, name: str) -> str:
    parents = queue.parents.get(name, ())
    turned = [parents[(turn + at + 1) % len(parents)] for at in range(len(parents))]
    left = [parent for parent in turned if _awaits(queue, name, parent)]
    return "" if any(map(flows.is_gate, left)) or not left else left[0]


def _awaits(queue: Queue, name: str, parent: str) -> bool:
    if queue.edges.get((parent, name)) != "a":
        return False
    own = queue.jobs.get(parent)
    return not own.ended if own is not None else parent in queue.asked


def _incarnation(queue: Queue, name: str) -> str:
    job = queue.jobs[name]
    start = "" if job.started is None else f".{job.started}"
    return f"{job.generation}{start},{abroad.base36(job.written.enqueued)}"
