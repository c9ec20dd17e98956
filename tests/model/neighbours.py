"""Two queues whose jobs wait for each other: the one under test, and a neighbour of the reference.

What they say to each other goes by a post that loses, doubles and turns round what it carries, and
producers die between the parts of a flow. The workers that would make up for it come when they
come: `settle` lets them do it all, after which nothing may be left.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.model.neighbour_checks import (
    ENDS,
    NAMES,
    NEIGHBOUR_CHECKS,
    far,
    nobody_is_told_of_a_job_before,
    nobody_runs_again_with_another_job,
    nothing_is_left_behind,
    nothing_is_left_to_be_told,
    nothing_waits_for_ever,
)
from tests.model.neighbour_circles import end_a_circle
from tests.model.neighbour_detaching import Died, Remover
from tests.model.pair import CALLS, START, Pair
from tests.model.reference.enqueue import NO_FLOORS
from tests.model.reference.exchange import Completion, Exchange
from tests.model.reference.flows import is_gate
from tests.model.reference.job import Error, NewJob, Token
from tests.model.reference.queue import Queue
from tests.model.strategies import some_of
from tests.model.words import error_line

__all__ = ["Neighbours", "neighbours_for"]

JOBS = ("a", "b", "c")
PATIENCE = 60_000
sides = some_of(0, 1)


class Neighbours(Pair):
    """The rules of both.

    Attributes:
        next: The neighbour.
        mail: What was handed out: to whom, its number, and its messages.
        ever: By side and name, how often a job ended, and a gate opened.
        starts: How often each generation of a job started.
        meant: By side, parent and child, when the parent had been enqueued for which it waits.
    """

    happened: ClassVar[Counter[str]]

    def __init__(self) -> None:
        super().__init__()
        self.next = Queue(now=START)
        self.mail: list[tuple[int, int, list[Any]]] = []
        self.ever: Counter[tuple[int, str]] = Counter()
        self.starts: Counter[tuple[int, str, int]] = Counter()
        self.meant: dict[tuple[int, str, str], int] = {}
        self.calls = 0

    def do(self, side: int, name: str, *args: Any, **options: Any) -> Any:
        """Make a call of one of the two, and look whether what started may start."""
        heard = args[0] if name == "hear" else ()
        died, edges = self.died_before(side, heard), dict(self.both()[side].edges)
        if side == 0:
            reply = self.call(name, *args, **options)
        else:
            self.next.now = self.model.now
            reply = CALLS[name](self.next, *args, **options)
            self.next.happened, self.next.messages = {}, []
        for own, queue in enumerate(self.both()):
            for job in queue.jobs.values():
                if job.ended:
                    self.ever[own, job.id] += 1
        for each in list(self.starts):
            if each[1] not in self.both()[each[0]].jobs:
                # Another one may get its id.
                del self.starts[each]
        found = [fault for check in NEIGHBOUR_CHECKS for fault in check(self)]
        found += nobody_runs_again_with_another_job(self.both()[side], died)
        found += nobody_is_told_of_a_job_before(self, side, heard, edges)
        assert not found, "\n".join(found)
        return reply

    def died_before(self, side: int, rows: Sequence[tuple[str, int, str, bytes]]) -> dict[str, int]:
        """Return who died before the jobs were added of which a queue is told, and as which run.

        Not those behind a gate: the parts of their flow may come later.
        """
        queue, found = self.both()[side], {}
        for name, _, stamp, _ in rows:
            for (parent, child), letter in queue.edges.items():
                job = queue.jobs[child]
                gated = any(map(is_gate, queue.parents[child]))
                dead = (parent, letter) == (name, "k") and not gated
                if dead and "," in stamp and (job.finished or 0) < int(stamp.split(",")[1], 36):
                    found[child] = job.generation
        if found:
            self.happened["told of a job that was added after a child had died"] += 1
        return found

    def both(self) -> tuple[Queue, Queue]:
        return self.model, self.next

    # Producers

    def floors(self, side: int, names: Sequence[str] = ()) -> dict[str, int]:
        """Ask the other queue for jobs, and return below which number what it told is late."""
        number, *_ = self.do(1 - side, "expect", NAMES[side], names)
        return {NAMES[1 - side]: number}

    def add(
        self,
        side: int,
        jobs: Sequence[NewJob],
        told: Sequence[tuple[str, str]] = (),
        floors: Mapping[str, int] = NO_FLOORS,
    ) -> bool:
        self.calls += 1
        new = [job for job in jobs if job.id not in self.both()[side].jobs]
        options = {"told": told, "floors": floors}
        reply = self.do(side, "enqueue_flow", f"p{self.calls}", 1, jobs, **options)
        there = self.both()[1 - side].jobs
        for job in new:
            for parent in job.parents:
                own = there.get(parent.partition(",")[2])
                self.meant[side, parent, job.id] = own.written.enqueued if own else self.model.now
        for _, name in told if reply[0] == "OK" else ():
            if is_gate(far(side, name)):
                self.ever[side, name] += 1
        return bool(reply[0] == "OK")

    @rule(
        home=sides,
        where=st.lists(sides, min_size=2, max_size=3),
        policies=some_of("fff", "rrr", "cfr", "nnn", "frf"),
        joined=st.booleans(),
        parts=some_of(2, 2, 2, 1),
        number=some_of(0, 1),
        again=st.booleans(),
    )
    def add_a_flow(
        self,
        home: int,
        where: list[int],
        policies: str,
        joined: bool,
        parts: int,
        number: int,
        again: bool,
    ) -> None:
        """As `spread.py` does: the part of the other queue, behind its gate, and then the last one.

        With one part the producer dies in between; the same call may be made again.
        """
        names = [f"{JOBS[at]}{number}" for at in range(len(where))]
        gate = f"\udcffgate{number}"
        jobs: dict[int, list[NewJob]] = {0: [], 1: []}
        told: dict[int, list[tuple[str, str]]] = {0: [], 1: []}
        for at, (side, name) in enumerate(zip(where, names, strict=True)):
            before = range(at) if joined and at == len(where) - 1 else range(max(0, at - 1), at)
            for one in before:
                if where[one] != side:
                    told[where[one]].append((NAMES[side], names[one]))
            own = [
                names[one] if where[one] == side else far(where[one], names[one]) for one in before
            ]
            jobs[side].append(NewJob(name, parents=tuple(own), on_parent_failure=policies[at]))
        other = 1 - home
        if jobs[other] and jobs[home]:
            behind = far(home, gate)
            jobs[other] = [replace(job, parents=(behind, *job.parents)) for job in jobs[other]]
            told[home].append((NAMES[other], gate))
        for _ in range(1 + again):
            for side in (other, home)[:parts]:
                if jobs[side]:
                    floors = self.floors(side)
                    self.add(side, jobs[side], list(dict.fromkeys(told[side])), floors)
            if parts == 1:
                self.ask_again(other)
            parts = 2

    @precondition(lambda self: self.next.jobs or self.model.jobs)
    @rule(
        side=sides,
        name=some_of("x", "y"),
        parents=st.lists(some_of("a0", "b0", "c0", "x", "y"), min_size=1, max_size=2, unique=True),
        policy=some_of(*"ffcrn", "cr", "nf"),
        first=some_of(True, True, False),
    )
    def depend(self, side: int, name: str, parents: list[str], policy: str, first: bool) -> None:
        """Asked first whether they are there; what ends in between is asked for later."""
        there = [one for one in parents if one in self.both()[1 - side].jobs]
        if there:
            floors = self.floors(side, there if first else ())
            names = tuple(far(1 - side, one) for one in there)
            self.add(side, [NewJob(name, parents=names, on_parent_failure=policy)], floors=floors)

    def add_two(self, side: int) -> bool:
        """Add a job of each queue, of which one waits for the other; False where they are there."""
        if "s" in self.both()[side].jobs or "r" in self.both()[1 - side].jobs:
            return False
        self.add(1 - side, [NewJob("r")])
        parents = (far(1 - side, "r"),)
        return self.add(side, [NewJob("s", parents=parents)], floors=self.floors(side, ["r"]))

    @rule(side=sides, policies=some_of("ff", "rf", "fr", "cr"), within=st.booleans())
    def let_jobs_wait_for_each_other(self, side: int, policies: str, within: bool) -> None:
        """One of them is gone before anybody is told, and the next one of its id waits for it."""
        other = 1 - side
        names = {"v", "w"} & self.both()[other].jobs.keys()
        if names or "u" in self.both()[side].jobs:
            return
        above = "w" if within else "v"
        self.add(other, [NewJob("v")])
        if within:
            self.add(other, [NewJob("w", parents=("v",), on_parent_failure=policies[0])])
        floors = self.floors(side, [above])
        new = NewJob("u", parents=(far(other, above),), on_parent_failure=policies[0])
        self.add(side, [new], floors=floors)
        self.do(other, "remove", f"r{self.calls}", ("queued",), 0, ["v"])
        self.at(self.model.now + 1)
        new = NewJob("v", parents=(far(side, "u"),), on_parent_failure=policies[1])
        self.add(other, [new], floors=self.floors(other, ["u"]))

    @rule(turn=some_of(0, 1))
    def end_circles(self, turn: int) -> None:
        end_a_circle(self, turn)

    @rule(side=sides, policy=some_of(*"fcr"), told=st.booleans())
    def let_another_job_have_the_id(self, side: int, policy: str, told: bool) -> None:
        """Of one of which a job of the other queue died; one more waits for it."""
        other = 1 - side
        for name, child in (("v", "y"), ("v", "z")):
            if name in self.both()[other].jobs:
                self.calls += 1
                ends = tuple(ENDS.values())
                self.do(other, "remove", f"r{self.calls}", ends, 0, [name])
                self.at(self.model.now + 1)
            self.add(other, [NewJob(name)])
            floors = self.floors(side, [name])
            parents = (far(other, name),)
            new = NewJob(child, parents=parents, on_parent_failure=policy)
            self.add(side, [new], floors=floors)
            self.finish(other, "d" if child == "y" else "c", 10)
            number, *messages = self.do(other, "post", "p1", [])
            if messages and (told or child == "y"):
                self.tell(other, number, messages, answered=told)

    @rule(side=sides)
    def tell_of_the_job_before(self, side: int) -> None:
        """Its news is on the way while another one gets the id, and somebody waits for that."""
        other, mail = 1 - side, [0]
        for child in ("y", "z") if "v" not in self.both()[1 - side].jobs else ():
            self.add(other, [NewJob("v")])
            new = NewJob(child, parents=(far(other, "v"),))
            self.add(side, [new], floors=self.floors(side, ["v"]))
            if child == "y" and self.finish(other, "c", 10):
                mail = self.do(other, "post", "p1", [])
                self.do(other, "remove", f"r{self.calls}", ("completed",), 0, ["v"])
                self.at(self.model.now + 1)
        if mail[1:]:
            self.tell(side=other, number=mail[0], messages=mail[1:], answered=True)

    # Workers

    @rule(side=sides, code=some_of(*"cccdx"), most=some_of(1, 10))
    def work(self, side: int, code: str, most: int) -> None:
        self.finish(side, code, most)

    @precondition(lambda self: self.model.of("queued") and self.next.jobs)
    @rule(
        side=sides,
        names=st.lists(some_of("a0", "b0", "c0", "x", "y"), min_size=1, max_size=2, unique=True),
        policy=some_of(*"ffcr"),
        first=some_of(True, True, False),
    )
    def name_jobs(self, side: int, names: list[str], policy: str, first: bool) -> None:
        """A job that runs waits for some of the other queue, which may be there or not."""
        if not self.both()[side].exists:
            return
        self.calls += 1
        worker, nonce = f"w{self.calls}", f"{self.calls:x}"
        for name, _, fence, _ in self.do(side, "exchange", Exchange(worker, 1, nonce, limit=1))[5]:
            end = Completion(name, Token(fence, nonce), "u")
            floors = self.floors(side, names if first else ())
            for one in names:
                own = self.both()[1 - side].jobs.get(one)
                since = own.written.enqueued if own else self.model.now
                self.meant[side, far(1 - side, one), name] = since
            parents = tuple(far(1 - side, one) for one in names)
            late = tuple(floors.items())
            end = replace(end, code="w", value=policy.encode(), names=parents, floors=late)
            self.happened["a job named some of the other queue"] += 1
            self.do(side, "exchange", Exchange(worker, 2, nonce, completions=(end,)))

    def waits_for(self, side: int, name: str, other: int, parent: str) -> bool:
        """Whether a job is behind another one, which no queue by itself can see of two."""
        seen, found = set[tuple[int, str]](), [(side, name)]
        for at, job in found:
            if (at, job) == (other, parent):
                return True
            for one in self.both()[at].parents.get(job, ()) if (at, job) not in seen else ():
                beyond = one.startswith("\udcff")
                found.append((1 - at if beyond else at, one.partition(",")[2] if beyond else one))
            seen.add((at, job))
        return False

    def finish(self, side: int, code: str, most: int) -> int:
        """Claim what is ready, and end it; return how much that was."""
        if not self.both()[side].exists:
            return 0
        self.calls += 1
        worker, nonce = f"w{self.calls}", f"{self.calls:x}"
        reply = self.do(side, "exchange", Exchange(worker, 1, nonce, limit=most))
        claims = [(name, Token(fence, nonce)) for name, _, fence, _ in reply[5]]
        for name, _ in claims:
            self.starts[side, name, self.both()[side].jobs[name].generation] += 1
        error = None if code == "c" else Error("E", self.model.now, 1)
        value = b"value" if code == "c" else b""
        ends = tuple(Completion(*claim, code, value=value, error=error) for claim in claims)
        if ends:
            self.do(side, "exchange", Exchange(worker, 2, nonce, completions=ends))
        return len(ends)

    # The post

    @precondition(lambda self: self.model.outbox or self.next.outbox)
    @rule(side=sides, who=some_of("p1", "p1", "p2"))
    def take(self, side: int, who: str) -> None:
        """Somebody takes what is to be told, and may die with it."""
        number, *messages = self.do(side, "post", who, [])
        if messages:
            self.mail = [*self.mail[-5:], (side, number, messages)]

    @precondition(lambda self: self.mail)
    @rule(at=st.integers(-6, -1), known=some_of(True, True, False), part=st.booleans())
    def deliver(self, at: int, known: bool, part: bool) -> None:
        """An old or a new one, once more, a part of it; the answer may be lost."""
        side, number, messages = self.mail[max(at, -len(self.mail))]
        self.tell(side, number, messages[:1] if part else messages, answered=known)

    def tell(self, side: int, number: int, messages: list[Any], *, answered: bool) -> None:
        rows = [
            (far(side, name), number, stamp, _bytes(value)) for _, name, stamp, value in messages
        ]
        flags = self.do(1 - side, "hear", rows)
        if answered:
            taken = [
                (other, name, stamp, flag == "1")
                for (other, name, stamp, _), flag in zip(messages, flags, strict=True)
            ]
            self.do(side, "post", "late", taken)

    @rule(side=sides)
    def ask(self, side: int) -> None:
        self.ask_again(side)

    def ask_again(self, side: int) -> None:
        """As the leader does; what is not there yet may come within a minute."""
        waited = dict(self.do(side, "asking"))
        names = [name.partition(",")[2] for name in waited]
        if not names:
            return
        number, *found = self.do(1 - side, "expect", NAMES[side], names)
        rows = [
            (name, number, "g" if stamp == "w" else stamp, _bytes(value))
            for (name, ms), (stamp, value) in zip(waited.items(), found, strict=True)
            if stamp != "q" and (stamp not in "gw" or ms >= PATIENCE)
        ]
        if rows:
            self.do(side, "hear", rows)

    # Operators, and the world

    @precondition(lambda self: self.model.jobs or self.next.jobs)
    @rule(side=sides, at=st.integers(0, 4), what=some_of("cancel", "replay", "replay", "remove"))
    def change(self, side: int, at: int, what: str) -> None:
        jobs = sorted(self.both()[side].jobs)
        if not jobs:
            return
        name = jobs[at % len(jobs)]
        self.calls += 1
        if what == "replay":
            self.do(side, "replay", f"r{self.calls}", [name])
        elif what == "cancel":
            self.do(side, "cancel", f"r{self.calls}", name, Error("cancelled", self.model.now, 1))
        else:
            states = ("queued", "blocked", *ENDS.values())
            self.do(side, "remove", f"r{self.calls}", states, 0, [name])

    @rule(
        side=sides,
        at=st.integers(0, 4),
        parent=some_of(None, None, 0, 1),
        most=some_of(2, 2, 3, 9),
        meanwhile=some_of(False, False, True),
    )
    def go_on_without(
        self, side: int, at: int, parent: int | None, most: int, meanwhile: bool
    ) -> None:
        """Without one parent, or without all that nobody else needs; who asks for it may die."""
        names = sorted(job.id for job in self.both()[side].of("blocked"))
        name = names[at % len(names)] if names else "s"
        if not names and not self.add_two(side):
            return
        remover = Remover(self, side, name, most)
        parents = self.both()[side].parents[name]
        with contextlib.suppress(Died):
            if parent is None:
                remover.prune(meanwhile=meanwhile)
            else:
                remover.detach(parents[parent % len(parents)])

    @rule(ms=some_of(1, 2_001, 5_000, PATIENCE))
    def wait(self, ms: int) -> None:
        self.at(self.model.now + ms)

    @rule(side=sides, repair=some_of(False, False, True))
    def lose_or_look(self, side: int, repair: bool) -> None:
        """The janitor looks; or a queue is destroyed, and its jobs are gone."""
        if repair:
            self.do(side, "repair")
        elif side == 1 and len(self.next.jobs) > 2:
            self.do(side, "destroy", self.next.born, force=True)

    @rule(codes=some_of("c", "c", "d"))
    def settle(self, codes: str) -> None:
        """Whoever is to make up for what was lost does; then nothing waits, and nothing is left."""
        for _ in range(40):
            self.at(self.model.now + PATIENCE)
            moved = 0
            for side in (0, 1):
                if not self.both()[side].exists:
                    continue
                self.do(side, "beat", f"w-{side}", f"w-{side}", b"{}", 3_000, "")
                moved += self.finish(side, codes, 10)
                number, *messages = self.do(side, "post", "leader", [])
                if messages:
                    self.tell(side, number, messages, answered=True)
                self.ask_again(side)
                moved += len(messages)
            found = [*nothing_waits_for_ever(self), *nothing_is_left_to_be_told(self)]
            # What was asked for last may have let somebody go, who runs in the next round.
            queued = any(list(queue.of("queued")) for queue in self.both())
            if not (moved or queued):
                moved = end_a_circle(self, 0)
            if not (moved or found or queued):
                break
        assert not found, "\n".join(found)
        self.happened["settled"] += 1
        for queue in self.both():
            for name, known in queue.abroad.items():
                kind = "gate" if is_gate(name) else "job"
                self.happened[f"{kind} {known.letter}"] += 1
            for job in queue.jobs.values():
                if any(parent.startswith("\udcff") for parent in queue.parents.get(job.id, ())):
                    self.happened[f"child {job.state}"] += 1

    @rule()
    def let_all_go(self) -> None:
        """Once all have ended and their retention too, no trace of them is left."""
        self.settle("c")
        for _ in range(3):
            self.at(self.model.now + 31 * 86_400_000)
            for side in (0, 1):
                self.do(side, "sweep", 100)
        found = list(nothing_is_left_behind(self))
        assert not found, "\n".join(found)
        self.happened["all gone"] += 1


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    return b"\n".join(map(error_line, value))


# What holds


def neighbours_for(url: str, runner: Any) -> type[Neighbours]:
    """Return the machine of a server, which is emptied before each example."""
    fields = {"url": url, "runner": runner, "seen": Counter(), "happened": Counter()}
    return type("Neighbours", (Neighbours,), fields)
