"""What holds of the keys of flows: who waits for whom is said once, and nobody in vain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.snapshots import Snapshot

__all__ = ["FLOW_CHECKS", "Flow", "flow_of"]

ABROAD = b"\xff"
"""First byte of the name of a job of another queue, and of a gate."""


@dataclass
class Flow:
    """Which jobs depend on which, as the keys have it.

    Attributes:
        edges: The letter of each edge, by parent and child.
        twice: Parent and child with more than one letter.
        marks: Parents that ended and whose children are still to be told.
        again: Jobs that run again, of which others that ended because of them are still to be told.
        closing: Jobs that ended, and whose edges do not say so yet.
        parents: The parents of each child, in order.
        waits: How many of them each child says it waits for.
        queues: The letter of each edge to a queue instead of a child, by parent and queue.
        outbox: Queues and jobs of which they are to be told.
        asked: Names of jobs of other queues whose end is still to be told here.
        abroad: The letter of each job of another queue, as this one was told.
        numbers: The number of that telling.
        enqueued: When that job was enqueued, as this one was told, or empty.
        values: Its result or errors.
        sent: Number of the last message of this queue.
        handing: Until when somebody hands messages over, and who.
    """

    edges: dict[tuple[bytes, bytes], str]
    twice: list[tuple[bytes, bytes]]
    marks: set[bytes]
    again: set[bytes]
    closing: set[bytes]
    parents: dict[bytes, list[bytes]]
    waits: dict[bytes, int]
    queues: dict[tuple[bytes, bytes], str] = field(default_factory=dict)
    outbox: set[tuple[bytes, bytes]] = field(default_factory=set)
    asked: set[bytes] = field(default_factory=set)
    abroad: dict[bytes, str] = field(default_factory=dict)
    numbers: dict[bytes, int] = field(default_factory=dict)
    enqueued: dict[bytes, str] = field(default_factory=dict)
    values: dict[bytes, bytes] = field(default_factory=dict)
    sent: int | None = None
    handing: bytes = b""

    def has_ended(self, name: bytes) -> bool | None:
        """Whether a job of another queue has, as this one was told; None for one of its own.

        While it is asked for, what was told before counts for nothing.
        """
        if name[:1] != ABROAD:
            return None
        return self.abroad.get(name, "q") != "q" and name not in self.asked


def flow_of(edges: Iterable[bytes], flows: Mapping[bytes, bytes]) -> Flow:
    """Read the members of ``edges`` and the fields of ``flows``."""
    found = Flow({}, [], set(), set(), set(), {}, {})
    marked = {b"!": found.marks, b"+": found.again, b"*": found.closing}
    for member in edges:
        if member[:1] == b">":
            queue, _, job = member[1:].partition(b",")
            found.outbox.add((queue, job))
        elif member[:1] == b"?":
            found.asked.add(member[1:])
        elif member[:1] in marked:
            marked[member[:1]].add(member[1:])
        else:
            size, _, rest = member.partition(b":")
            parent, child = rest[: int(size)], rest[int(size) + 2 :]
            letter = rest[int(size) + 1 : int(size) + 2].decode()
            known = found.queues if letter in "bcg" else found.edges
            if (parent, child) in known:
                found.twice.append((parent, child))
            known[parent, child] = letter
    for name, text in flows.items():
        if name[:1] == b"p":
            found.parents[name[1:]] = ids_of(text)
        elif name[:1] == b"o":
            number, enqueued, letter = text.decode().split(",")
            found.abroad[name[1:]], found.enqueued[name[1:]] = letter, enqueued
            found.numbers[name[1:]] = int(number)
        elif name[:1] == b"v":
            found.values[name[1:]] = text
        elif name == b"#":
            found.sent = int(text)
        elif name == b"h":
            found.handing = text
        else:
            found.waits[name[1:]] = int(text)
    return found


def ids_of(text: bytes) -> list[bytes]:
    """Return the ids that stand in a text one after the other, each with its length."""
    found, at = [], 0
    while at < len(text):
        begin = text.index(b":", at) + 1
        at = begin + int(text[at : begin - 1])
        found.append(text[begin:at])
    return found


def blocked_jobs_wait_for_something(copy: Snapshot) -> Iterator[str]:
    """A blocked job waits for a worker that knows its task, a limit, one like it, or others."""
    flow = copy.flow
    followers = {text.partition(b",")[2] for text in copy.hashes["followers"].values()}
    for job in copy.sets["blocked"]:
        waits = sum(child == job and letter == "a" for (_, child), letter in flow.edges.items())
        header = copy.header(job)
        held_back = not set(b"pb").isdisjoint(header.get("h", b"")[:3])
        reasons = ("n" in header, held_back, job in followers, waits > 0)
        if sum(reasons) != 1 or waits != flow.waits.get(job, 0):
            yield f"{job!r} waits for {waits} jobs, and counts {flow.waits.get(job)}"
    for job in flow.waits.keys() - copy.sets["blocked"].keys():
        yield f"{job!r} is in state {copy.state(job)} and is said to wait for others"


def each_parent_has_one_edge_to_its_child(copy: Snapshot) -> Iterator[str]:
    """The edges are those of the parents that were given, and each parent stands in one."""
    flow = copy.flow
    given = {(parent, job) for job, parents in flow.parents.items() for parent in parents}
    for edge in given ^ flow.edges.keys():
        if edge[1] in flow.closing:
            continue
        yield f"{edge!r} is {'given' if edge in given else 'an edge'} only"
    for job in flow.parents.keys() - copy.hashes["jobs"].keys():
        yield f"{job!r} has parents, and no spec"
    if flow.twice:
        yield f"two edges between the same jobs: {flow.twice}"


def edges_say_how_far_the_child_is(copy: Snapshot) -> Iterator[str]:
    """Only a blocked child waits, an unfinished one was told, a finished one has ended."""
    flow = copy.flow
    for (parent, child), letter in flow.edges.items():
        allowed = {"a": "b", "d": "bqsrt", "f": "cdx", "k": "dx"}[letter]
        if copy.state(child) not in allowed and child not in flow.closing:
            yield f"{child!r} is in state {copy.state(child)}, its edge to {parent!r} says {letter}"


def edges_that_are_to_be_written_are_of_what_has_ended(copy: Snapshot) -> Iterator[str]:
    """Who runs again, or is another job of the same id, has edges of its own."""
    for job in copy.flow.closing:
        if job not in copy.hashes["jobs"] or copy.state(job) not in "cdx":
            yield f"{job!r} has not ended, and its edges are to say that it has"


def nobody_waits_for_what_has_ended(copy: Snapshot) -> Iterator[str]:
    """A parent with children that wait is unfinished, or its children are still to be told."""
    flow = copy.flow
    for (parent, child), letter in flow.edges.items():
        ended = flow.has_ended(parent)
        own = parent in copy.hashes["jobs"] and copy.state(parent) not in "cdx"
        there = own if ended is None else not ended
        if letter == "a" and not there and parent not in flow.marks:
            yield f"{child!r} waits for {parent!r}, which has ended"


def who_waits_for_another_queue_is_told(copy: Snapshot) -> Iterator[str]:
    """What is not known here is asked for, and what nobody here depends on is not known."""
    flow = copy.flow
    names = {parent for parent, _ in flow.edges if parent[:1] == ABROAD}
    for name in names ^ flow.abroad.keys():
        yield f"{name!r} is {'not ' if name in names else ''}known, and {name in names} a parent"
    for (name, child), letter in flow.edges.items():
        if letter == "a" and flow.has_ended(name) is False and name not in flow.asked:
            yield f"{child!r} waits for {name!r}, and nobody asks for it"
    for name in (flow.values.keys() | flow.asked) - names:
        yield f"{name!r} is asked for or has a result, and is no parent"


def other_queues_are_told_of_what_has_ended(copy: Snapshot) -> Iterator[str]:
    """A queue waits for what has not ended; of what has it is to be told, or was."""
    flow = copy.flow
    for (parent, queue), letter in flow.queues.items():
        there = parent in copy.hashes["jobs"]
        ended = not there or copy.state(parent) in "cdx"
        wrong = {
            "b": ended and parent not in flow.marks,
            "c": (queue, parent) not in flow.outbox,
            "g": not ended or not there,
        }[letter]
        if wrong:
            yield f"{parent!r} has ended is {ended}, and {queue!r} is {letter}"
    for queue, job in flow.outbox:
        if job[:1] != ABROAD and flow.queues.get((job, queue)) not in ("b", "c"):
            yield f"{queue!r} is to be told of {job!r}, and does not wait for it"


FLOW_CHECKS: tuple[Callable[[Snapshot], Iterator[str]], ...] = (
    blocked_jobs_wait_for_something,
    each_parent_has_one_edge_to_its_child,
    edges_say_how_far_the_child_is,
    edges_that_are_to_be_written_are_of_what_has_ended,
    nobody_waits_for_what_has_ended,
    who_waits_for_another_queue_is_told,
    other_queues_are_told_of_what_has_ended,
)
