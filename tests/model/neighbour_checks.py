"""What has to hold of two queues whose jobs wait for each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tests.model.neighbour_circles import NAMES
from tests.model.reference.abroad import LETTERS, base36
from tests.model.reference.flows import is_gate

if TYPE_CHECKING:
    from tests.model.neighbours import Neighbours
    from tests.model.reference.queue import Queue

__all__ = [
    "ENDS",
    "NAMES",
    "NEIGHBOUR_CHECKS",
    "far",
    "nobody_is_told_of_a_job_before",
    "nobody_runs_again_with_another_job",
    "nothing_is_left_behind",
    "nothing_is_left_to_be_told",
    "nothing_waits_for_ever",
]

ENDS = {"c": "completed", "d": "dead", "x": "cancelled"}


def far(side: int, name: str) -> str:
    """Return how the other side calls a job or a gate of this one."""
    return f"\udcff{NAMES[side]},{name}"


def nothing_starts_before_its_parents_ended(both: Neighbours) -> Iterator[str]:
    """What runs has parents that have all ended once, and its gate was opened."""
    for side, queue in enumerate(both.both()):
        for job in queue.of("running"):
            # One that was replayed by hand runs whatever it depends on.
            for parent in queue.parents.get(job.id, ()) if job.generation == 1 else ():
                other, name = _owner(side, parent)
                # One that runs at once when a parent fails does not wait for the others.
                now = "n" in (job.written.on_parent_failure or "") and not is_gate(parent)
                gone = not is_gate(parent) and name not in both.both()[other].jobs
                if not both.ever[other, name] and not (gone or now):
                    yield f"nothing_starts_before_its_parents_ended: {job.id} before {parent!r}"


def a_release_is_not_doubled(both: Neighbours) -> Iterator[str]:
    """No generation of a job starts twice: none loses a lease here."""
    for (side, name, generation), number in both.starts.items():
        if number > 1 and name in both.both()[side].jobs:
            yield f"a_release_is_not_doubled: {name} started {number} times as {generation}"


def nobody_runs_again_with_another_job(queue: Queue, died: dict[str, int]) -> Iterator[str]:
    """Who died of a job does not run again because another one came that has its id."""
    for name, generation in died.items():
        if queue.jobs[name].generation != generation:
            yield f"nobody_runs_again_with_another_job: {name} did"


def nobody_is_told_of_a_job_before(
    both: Neighbours, side: int, rows: Sequence[tuple[str, int, str, bytes]], edges: Any
) -> Iterator[str]:
    """Who waits for a job is not told of one that had its id before."""
    for name, number, stamp, _ in rows:
        for parent, child in [edge for edge, letter in edges.items() if letter == "a"]:
            meant = both.meant.get((side, name, child))
            if parent != name or "," not in stamp or meant is None:
                continue
            if int(stamp.split(",")[1], 36) < meant:
                both.happened["told of the job before"] += 1
                if both.both()[side].edges.get((name, child)) != "a":
                    yield f"nobody_is_told_of_a_job_before: {child} of {name!r} by {number}"


def no_more_is_told_than_is(both: Neighbours) -> Iterator[str]:
    """What a queue takes for the end of a job of the other is an end that it had."""
    for side, queue in enumerate(both.both()):
        for name, known in queue.abroad.items():
            other, job = _owner(side, name)
            if known.letter in ENDS and not both.ever[other, job]:
                yield f"no_more_is_told_than_is: {name!r} is {known.letter}"


def nothing_waits_for_ever(both: Neighbours) -> Iterator[str]:
    """I23: once all was done that workers do, nothing is blocked: no release was lost."""
    for side, queue in enumerate(both.both()):
        for job in queue.of("blocked"):
            yield f"nothing_waits_for_ever: {job.id} of {NAMES[side]} for {queue.parents[job.id]}"


def nothing_is_left_to_be_told(both: Neighbours) -> Iterator[str]:
    """Nor is there a message, a mark, or a job to ask for; and both know how the other's ended."""
    for side, queue in enumerate(both.both()):
        left = queue.outbox, queue.asked, queue.marks, queue.again
        if any(left):
            yield f"nothing_is_left_to_be_told: {NAMES[side]} has {left}"
        for name, known in queue.abroad.items():
            other, job = _owner(side, name)
            now = both.both()[other].jobs.get(job)
            # Where there was none, nobody waited for one that comes later with the same id; who is
            # cancelled, or dies of another parent, before it was told asks no more.
            told = known.letter != "q" or _somebody_got_through(queue, name)
            if now is not None and known.enqueued not in {"", base36(now.written.enqueued)}:
                # It is of another job, which had the id before: whoever waits is to be told.
                told = _somebody_waits(queue, name)
            if (
                now is not None
                and known.letter != "g"
                and known.letter != LETTERS.get(now.state, "q")
                and told
            ):
                yield f"nothing_is_left_to_be_told: {name!r} is {now.state}, not {known.letter}"


def _somebody_got_through(queue: Queue, parent: str) -> bool:
    children = [job for job in queue.jobs.values() if parent in queue.parents.get(job.id, ())]
    return any(job.state not in {"cancelled", "dead"} for job in children)


def _somebody_waits(queue: Queue, parent: str) -> bool:
    return any(
        job.state == "blocked" and parent in queue.parents.get(job.id, ())
        for job in queue.jobs.values()
    )


def nothing_is_left_behind(both: Neighbours) -> Iterator[str]:
    """I19: of jobs that are gone there is no edge, and nothing that was known of them."""
    for side, queue in enumerate(both.both()):
        left = queue.jobs, queue.edges, queue.parents, queue.abroad, queue.queues
        if any(left):
            yield f"nothing_is_left_behind: {NAMES[side]} has {left}"


def _owner(side: int, name: str) -> tuple[int, str]:
    if not name.startswith("\udcff"):
        return side, name
    queue, _, job = name[1:].partition(",")
    return NAMES.index(queue), job


NEIGHBOUR_CHECKS: tuple[Callable[[Neighbours], Iterator[str]], ...] = (
    nothing_starts_before_its_parents_ended,
    a_release_is_not_doubled,
    no_more_is_told_than_is,
)
