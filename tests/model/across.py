"""What is done to a queue whose jobs wait for those of others, and the others for its own."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.model.reference.job import Error, NewJob
from tests.model.strategies import End, existing, ids, some_of, workers
from tests.model.work import Work

__all__ = ["Across"]

NAMES = ("\udcffother,a", "\udcffother,b", "\udcffthird,a")
USUAL = {"q": b"", "g": b"", "c": b"value", "d": b"value", "x": b"value"}
VALUES = (USUAL, {**USUAL, "x": b'{}\n{"type":"parent_failed"}'})
"""What comes with each letter, with one that was cancelled in a row and with one that was not."""
OTHERS = ("other", "third")


class Across(Work):
    """The rules of what queues tell each other."""

    @rule(
        names=st.lists(st.sampled_from(NAMES), min_size=1, max_size=2, unique=True),
        near=st.lists(ids, max_size=1),
        child=ids,
        policy=some_of(*"ffcrn", "cr", "nf"),
        delay=some_of(None, None, 60_000),
        ahead=some_of(None, None, 0, 1, 2),
    )
    def depend_on_another_queue(
        self,
        names: list[str],
        near: list[str],
        child: str,
        policy: str,
        delay: int | None,
        ahead: int | None,
    ) -> None:
        """What is told below a number comes late, of some queues."""
        here = [name for name in near if name in self.model.jobs]
        job = NewJob(child, delay=delay, parents=(*names, *here), on_parent_failure=policy)
        number = self.last_number() + (ahead or 0)
        self.send_flow([job], floors={} if ahead is None else {"other": number})

    @precondition(lambda self: self.model.abroad)
    @rule(
        names=st.lists(st.sampled_from(NAMES), min_size=1, max_size=3),
        told=some_of("1,b, ccc", "1,a, dxc", " gcq", "2,a, qcd", "1,a, cqg"),
        ahead=some_of(1, 1, 1, 0, -1),
    )
    def hear(self, names: list[str], told: str, ahead: int) -> None:
        """Of the end of jobs, that they run again, and now and then too late.

        They may be of another job that got the id; it need not be said of which they are.
        """
        number = max(0, self.last_number() + ahead)
        head, _, letters = told.partition(" ")
        rows = [
            (name, number, head * (letter != "g") + letter, VALUES[number % 2][letter])
            for name, letter in zip(names, letters, strict=False)
        ]
        self.call("hear", rows)

    def last_number(self) -> int:
        return max((known.number for known in self.model.abroad.values()), default=0)

    @rule(other=some_of(*OTHERS), names=st.lists(existing | ids, min_size=1, max_size=2))
    def expect(self, other: str, names: list[str]) -> None:
        self.call("expect", other, names)

    @precondition(lambda self: self.model.queues)
    @rule(who=some_of("p1", "p1", "p2"), known=st.booleans(), then=some_of("", "replay", "twice"))
    def hand_over(self, who: str, known: bool, then: str) -> None:
        """All that there is, while the jobs may go on, and more than once."""
        _, *messages = self.call("post", who, []) or [0]
        taken = [(other, name, stamp, known) for other, name, stamp, _ in messages]
        if then == "replay" and taken:
            self.operate("replay", [taken[0][1]])
        self.call("post", who, taken)
        if then == "twice":
            self.call("post", "p2", taken)

    @precondition(lambda self: self.model.asked)
    @rule()
    def ask(self) -> None:
        self.call("asking")

    @precondition(lambda self: self.model.parents)
    @rule(
        at=some_of(0, 0, 1, 2),
        far=some_of(0, 0, 1),
        what=some_of("detach", "detach", "prune", "prune", "ask", "none"),
        queues=some_of("", "other", "other,third"),
    )
    def go_on_without_some(self, at: int, far: int, what: str, queues: str) -> None:
        """Of a job that waits, where there is one; sometimes of one that does not."""
        waiting = [job.id for job in self.model.of("blocked")] if far == 0 else []
        known = [name for name in waiting or self.model.jobs if name in self.model.parents]
        name = known[at % len(known)] if known else "a"
        parents = self.model.parents.get(name, ["b"])
        if what == "detach":
            self.operate("detach", name, parents[(at + far) % len(parents)])
            return
        error = None if what == "ask" else Error("cancelled", self.model.now, 1)
        above = dict.fromkeys(
            up for one in (name, *parents) for up in self.model.parents.get(one, ())
        )
        own = [one for one in above if not one.startswith("\udcff")]
        self.operate("prune", "" if what == "none" else name, [(one, error, queues) for one in own])

    @precondition(lambda self: self.model.of("running"))
    @rule(
        worker=workers,
        names=st.lists(ids | st.sampled_from(NAMES), min_size=1, max_size=3),
        argument=some_of(None, None, 0, 1_000, 60_000),
        new=st.booleans(),
        then=some_of("", "c", "c", "d", "x"),
    )
    def wait_for_named_jobs(
        self, worker: str, names: list[str], argument: int | None, new: bool, then: str
    ) -> None:
        """A task enqueues jobs and waits for them; or for jobs that are there, or are not."""
        near = [name for name in dict.fromkeys(names) if name not in NAMES]
        if new and near:
            self.enqueue([NewJob(name) for name in near], 0)
        held = self.all_held()[0]
        end = End(held, "w", argument, names=tuple(names))
        self._send(self._exchange(worker, 10 if then else 0, completions=self._ended([end])))
        if then and self.model.of("running"):
            self.finish_all(worker, [then], None, 10, 0)

    @precondition(lambda self: self.model.jobs)
    @rule(worker=workers, code=some_of(*"ccdx"), keep=some_of(None, 0), then=some_of("", "replay"))
    def finish_what_another_queue_waits_for(
        self, worker: str, code: str, keep: int | None, then: str
    ) -> None:
        self.call("expect", "other", sorted(self.model.jobs)[:3])
        self.claim(worker, 10, True)
        if self.model.of("running"):
            self.finish_all(worker, [code], keep if code == "c" else None, 10, 0)
        self.hand_over("p1", True, then)
