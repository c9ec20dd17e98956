"""What producers and workers do to a queue, in any order."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from aiojobs_redis.payload_codec import netstring
from tests.model.pair import Pair
from tests.model.reference.enqueue import NO_FLOORS
from tests.model.reference.exchange import Completion, Exchange
from tests.model.reference.job import NewJob, Token
from tests.model.reference.notes import Note
from tests.model.strategies import (
    IDS,
    TASKS,
    WORKERS,
    End,
    Held,
    Sender,
    children,
    ends,
    ids,
    keyed_jobs,
    known,
    new_jobs,
    plain_jobs,
    some_of,
    tokens,
    unique_jobs,
    workers,
)

__all__ = ["Work"]


class Work(Pair):
    """The rules of producers and workers."""

    def __init__(self) -> None:
        super().__init__()
        self.workers = {name: Sender(name) for name in WORKERS}
        self.producer = Sender("p")
        self.tokens: list[Held] = []
        self.nonces = self.notes = 0

    def any_of(self, *states: str) -> st.SearchStrategy[str]:
        """Return a strategy of ids: mostly of jobs in these states, now and then another."""
        return st.sampled_from([*(job.id for job in self.model.of(*states)), "a"])

    def any_token(self) -> st.SearchStrategy[Held]:
        """Return a strategy of tokens: mostly such as are good, some that are old or never were."""
        old = [Held("a", Token(1, "f")), *self.tokens[-6:]]
        return st.sampled_from([*self.all_held() * 5, *old])

    def all_held(self) -> list[Held]:
        """Return the tokens of all leases."""
        return [Held(job.id, job.token) for job in self.model.of("running") if job.token]

    @initialize(jobs=st.lists(new_jobs | plain_jobs, max_size=5))
    def begin(self, jobs: list[NewJob]) -> None:
        if jobs:
            self.enqueue(jobs, 0)

    @precondition(lambda self: self.model.of("queued", "scheduled", "retrying"))
    @rule(jobs=st.lists(new_jobs, min_size=1, max_size=3), room=some_of(0, -1))
    def enqueue_into_a_full_queue(self, jobs: list[NewJob], room: int) -> None:
        """There is room for just these jobs, or for one less."""
        queued = self.model.queued(suspect=False)
        waiting = len(queued) + len(self.model.of("scheduled", "retrying"))
        self.enqueue(jobs, waiting + len(jobs) + room)

    @rule(jobs=st.lists(new_jobs | plain_jobs, min_size=1, max_size=4), most=some_of(0))
    def enqueue(self, jobs: list[NewJob], most: int) -> None:
        producer = self.producer
        producer.counter += 1
        producer.sent = [*producer.sent[-1:], (producer.counter, jobs)]
        self.call("enqueue", producer.incarnation, producer.counter, jobs, most)

    @rule(
        jobs=st.lists(new_jobs, min_size=1, max_size=4),
        rate=some_of((1, 1_000), (2, 2_000), (3, 60_000)),
        most=some_of(None, None, 1),
    )
    def enqueue_at_a_rate(
        self, jobs: list[NewJob], rate: tuple[int, int] | None, most: int | None
    ) -> None:
        producer = self.producer
        producer.counter += 1
        producer.sent = [*producer.sent[-1:], (producer.counter, jobs)]
        counted = [replace(job, counted=most is not None) for job in jobs]
        self.call("enqueue", producer.incarnation, producer.counter, counted, 0, rate, most)

    @precondition(lambda self: len(self.model.jobs) < len(IDS) - 1)
    @rule()
    def enqueue_over_the_rate(self) -> None:
        """Chance seldom adds two jobs of a key whose ids are both free."""
        free = [NewJob(name) for name in IDS if name not in self.model.jobs]
        self.enqueue_at_a_rate(free[:2], (1, 1_000), None)

    @rule(jobs=st.lists(keyed_jobs, min_size=1, max_size=4), most=some_of(1, 2, 3))
    def enqueue_in_lines(self, jobs: list[NewJob], most: int) -> None:
        """And once more by the script of flows, for which there is no more room."""
        self.enqueue_at_a_rate(jobs, None, most)
        self.send_flow([replace(job, unique=None) for job in jobs], most=most)

    @rule(jobs=st.lists(unique_jobs, min_size=1, max_size=3))
    def enqueue_unique(self, jobs: list[NewJob]) -> None:
        self.enqueue(jobs, 0)

    @rule(job=plain_jobs)
    def enqueue_one(self, job: NewJob) -> None:
        """As a producer does: where there is no queue yet, the other script makes it."""
        producer = self.producer
        producer.counter += 1
        reply = self.call("enqueue_one", producer.incarnation, producer.counter, job)
        producer.sent = [*producer.sent[-1:], (producer.counter, job)]
        if reply == ["NONE"]:
            self.call("enqueue", producer.incarnation, producer.counter, [job])

    @precondition(lambda self: self.model.jobs)
    @rule(
        jobs=st.lists(children, min_size=1, max_size=4),
        parents=st.lists(st.lists(ids, min_size=1, max_size=3), min_size=4, max_size=4),
        room=some_of(None, None, 0, -1),
        rate=some_of(None, None, None, (2, 1_000)),
        most=some_of(None, 1, 1),
    )
    def enqueue_flow(
        self,
        jobs: list[NewJob],
        parents: list[list[str]],
        room: int | None,
        rate: tuple[int, int] | None,
        most: int | None,
    ) -> None:
        """Jobs that depend on others, which may stand before them, have ended, or not be there."""
        known, made = [*self.model.jobs], list[NewJob]()
        waiting = self.model.of("queued", "scheduled", "retrying", "blocked")
        for job, own in zip(jobs, parents, strict=False):
            # Most of them are there, or nothing would be added.
            real = [name for name in own if name in known] or known[:1]
            made.append(replace(job, parents=tuple(own if "g" in own else real)))
            known.append(job.id)
        new = {job.id for job in made} - self.model.jobs.keys()
        length = sum(not job.suspect for job in waiting) + len(new)
        self.send_flow(made, 0 if room is None else length + room, rate, most)

    def send_flow(
        self,
        jobs: list[NewJob],
        length: int = 0,
        rate: tuple[int, int] | None = None,
        most: int | None = None,
        told: Sequence[tuple[str, str]] = (),
        floors: Mapping[str, int] = NO_FLOORS,
    ) -> None:
        producer = self.producer
        producer.counter += 1
        producer.sent = [*producer.sent[-1:], (producer.counter, tuple(jobs))]
        counted = [replace(job, counted=most is not None) for job in jobs]
        head = producer.incarnation, producer.counter, counted
        self.call("enqueue_flow", *head, length, rate, most, told=told, floors=floors)

    @precondition(lambda self: len(self.model.jobs) < len(IDS))
    @rule(worker=workers, code=some_of(*"cdx"), delay=some_of(None, 60_000), policy=some_of(*"fc"))
    def run_a_chain(self, worker: str, code: str, delay: int | None, policy: str) -> None:
        """The first of a chain ends, and with it the others where it fails; all run again."""
        new = [name for name in IDS if name not in self.model.jobs]
        parents: tuple[str, ...] = ()
        chain = []
        for name in new:
            wait = delay if parents else None
            chain.append(NewJob(name, delay=wait, parents=parents, on_parent_failure=policy))
            parents = (name,)
        self.send_flow(chain)
        self.send_flow(chain)
        self.resend_enqueue(0)
        self.finish_the_parents(worker, code, 1, None)
        ended = [name for name in new if name in self.model.jobs and self.model.jobs[name].ended]
        if code != "c" and ended:
            self.operate("replay", ended)

    @precondition(lambda self: self.model.of("blocked"))
    @rule(
        worker=workers, code=some_of(*"ccccdx"), rounds=some_of(1, 2, 3), keep=some_of(None, 0, 1)
    )
    def finish_the_parents(self, worker: str, code: str, rounds: int, keep: int | None) -> None:
        """Each of the jobs runs, and then those which waited for them."""
        for _ in range(rounds):
            self.claim(worker, 10, True)
            if self.model.of("running"):
                self.finish_all(worker, [code], keep, 10, 0)

    @rule(key=some_of("jobs", "ready", "wake", "stats", "events", "meta", "producers"))
    def enqueue_one_at_a_foreign_key(self, key: str) -> None:
        self.foreign = key
        self.enqueue_one(NewJob("g"))

    @rule(ago=some_of(2_000, 0, -1, -3_000), limit=some_of(None, 1_000))
    def enqueue_at(self, ago: int, limit: int | None) -> None:
        expires = None if limit is None else self.model.now + limit
        self.enqueue([NewJob("a", at=self.model.now - ago, expires=expires)], 0)

    @precondition(lambda self: self.producer.sent)
    @rule(back=some_of(-1, -1, 0))
    def resend_enqueue(self, back: int) -> None:
        """A batch whose reply was lost, or one that arrives after a later one."""
        counter, jobs = self.producer.sent[back]
        kinds = {NewJob: "enqueue_one", tuple: "enqueue_flow", list: "enqueue"}
        name = kinds[type(jobs)]
        self.call(name, self.producer.incarnation, counter, jobs)

    def _exchange(self, worker: str, limit: int = 0, **options: Any) -> Exchange:
        sender = self.workers[worker]
        sender.counter += 1
        self.nonces += 1
        nonce = f"{self.nonces:x}"
        return Exchange(sender.incarnation, sender.counter, nonce, worker, limit, **options)

    def _send(self, call: Exchange) -> list[Any] | None:
        reply: list[Any] | None = self.call("exchange", call)
        if reply is not None and reply[0] == "OK":
            sender = self.workers[call.worker]
            sender.sent = [*sender.sent[-1:], call]
            self.tokens += [Held(name, Token(fence, call.nonce)) for name, _, fence, _ in reply[5]]
        return reply

    def _ended(self, all_ends: list[End]) -> tuple[Completion, ...]:
        return tuple(end.completion(self.model.now) for end in all_ends)

    @precondition(lambda self: self.model.of("queued", "scheduled", "retrying", "running"))
    @rule(
        worker=workers,
        limit=some_of(1, 2, 3, 10),
        suspect=some_of(True, True, False),
        lease=some_of(None, None, 500, 60_000),
    )
    def claim(self, worker: str, limit: int, suspect: bool, lease: int | None = None) -> None:
        self._send(self._exchange(worker, limit, may_suspect=suspect, lease=lease))

    @precondition(lambda self: self.model.of("running"))
    @rule(worker=workers, all_ends=st.lists(ends, min_size=1, max_size=3))
    def finish(self, worker: str, all_ends: list[End]) -> None:
        self._send(self._exchange(worker, completions=self._ended(all_ends)))

    @precondition(lambda self: self.model.jobs)
    @rule(worker=workers, all_ends=st.lists(ends, max_size=3), limit=some_of(1, 2), adopt=known)
    def exchange(
        self, worker: str, all_ends: list[End], limit: int, adopt: tuple[str, ...]
    ) -> None:
        completions = self._ended(all_ends)
        self._send(self._exchange(worker, limit, completions=completions, adopt=adopt))

    @precondition(lambda self: self.model.of("blocked"))
    @rule(worker=workers, limit=some_of(1, 10), adopt=known)
    def know_more_tasks(self, worker: str, limit: int, adopt: tuple[str, ...]) -> None:
        self.exchange(worker, [], limit, adopt)

    @precondition(lambda self: self.model.of("running"))
    @rule(
        worker=workers,
        codes=st.lists(some_of(*"cccttdzxbrluw"), min_size=1, max_size=4),
        argument=some_of(None, 1_000, 0),
        limit=some_of(0, 2, 10),
        ms=some_of(0, 7),
    )
    def finish_all(
        self, worker: str, codes: list[str], argument: int | None, limit: int, ms: int
    ) -> None:
        all_ends = [
            End(held, code, argument, b"value", ms)
            for held, code in zip(self.all_held(), itertools.cycle(codes), strict=False)
        ]
        self._send(self._exchange(worker, limit, completions=self._ended(all_ends)))

    @precondition(lambda self: self.model.of("running"))
    @rule(worker=workers, limit=some_of(1, 1, 10), tasks=some_of((0, 7), (7,)))
    def park_all(self, worker: str, limit: int, tasks: tuple[int, ...]) -> None:
        """Nobody knows the tasks, until the next worker does."""
        all_ends = [
            End(held, "b", ms=ms)
            for held, ms in zip(self.all_held(), itertools.cycle(tasks), strict=False)
        ]
        self.finish(worker, all_ends)
        self.know_more_tasks(worker, limit, TASKS)

    @precondition(lambda self: len(self.model.of("running")) > 1)
    @rule(worker=workers, code=some_of(*"tz"))
    def put_off_one_after_the_other(self, worker: str, code: str) -> None:
        """The leader has heard of the first when the second is put off, which is due before."""
        for held, delay in zip(self.all_held(), (60_000, 1_000, 90_000), strict=False):
            self.finish(worker, [End(held, code, delay)])
            self.pop_the_markers()

    @precondition(lambda self: self.model.of("running"))
    @rule(worker=workers, by=some_of(0, 1, 1))
    def lose_all(self, worker: str, by: int) -> None:
        """Nobody renews any more, and somebody lives who notices when the last lease has ended."""
        end = max(job.time or 0 for job in self.model.of("running"))
        self.at(max(self.model.now, end - 4_000))
        self.beat(worker, 3_000, "")
        self.at(max(self.model.now, end) + by)
        self.beat(worker, 3_000, "")

    @precondition(lambda self: self.model.of("running"))
    @rule(worker=workers, hold=some_of(4_000, 3_999, -500))
    def come_back_after_a_silence(self, worker: str, hold: int) -> None:
        """All leases ended while nobody was there; their holders are given time, by this clock."""
        self.at(max(job.time or 0 for job in self.model.of("running")) + 3_001)
        self.beat(worker, 3_000, "")
        self.at(self.model.now + hold)
        self.beat(worker, 3_000, "")

    @precondition(lambda self: self.model.of("queued"))
    @rule(worker=workers, times=some_of(1, 2, 2, 3), other=some_of(None, *WORKERS))
    def kill_the_workers(self, worker: str, times: int, other: str | None) -> None:
        """Whoever takes the jobs dies, and the next one too; or it lives and has not read all."""
        for _ in range(times):
            self.claim(worker, 10, True)
            if self.model.of("running"):
                self.lose_all(worker, 1)
        if other is not None:
            self.claim(other, 10, True)
        self.renew(worker, [], 2)

    @precondition(lambda self: self.model.of("queued") and not self.model.paused)
    @rule(worker=workers)
    def fail_again_and_again(self, worker: str) -> None:
        """More errors than are kept."""
        for _ in range(11):
            self.claim(worker, 10, True)
            if self.model.of("running"):
                self.finish_all(worker, ["t"], 0, 0, 0)

    @precondition(lambda self: any(each.sent for each in self.workers.values()))
    @rule(worker=workers, back=some_of(-1, -1, 0))
    def resend(self, worker: str, back: int) -> None:
        """The reply of an exchange was lost."""
        sent = self.workers[worker].sent
        if sent:
            self._send(sent[back])

    @precondition(lambda self: self.model.jobs)
    @rule(
        worker=workers,
        first=st.lists(ends, max_size=2),
        second=st.lists(ends, max_size=2),
        limits=st.tuples(some_of(0, 1, 2), some_of(0, 1, 2)),
        order=some_of("12", "21212", "1212", "122", "2"),
    )
    def two_on_their_way(
        self, worker: str, first: list[End], second: list[End], limits: tuple[int, int], order: str
    ) -> None:
        """The second names the first, so it is early where that one has not arrived."""
        one = self._exchange(worker, limits[0], completions=self._ended(first))
        two = self._exchange(worker, limits[1], completions=self._ended(second), after=one.counter)
        for which in order:
            self._send(one if which == "1" else two)

    @precondition(lambda self: self.model.of("running"))
    @rule(
        all_held=st.lists(tokens, min_size=1, max_size=3),
        kinds=st.lists(some_of(*"plsce"), min_size=1, max_size=3),
        size=some_of(1, 1, 5_000),
        again=some_of(False, False, True),
        cleared=some_of(None, None, 0, 1),
    )
    def jot(
        self, all_held: list[Held], kinds: list[str], size: int, again: bool, cleared: int | None
    ) -> None:
        """Tasks say something; or a copy of what they said comes through again, or late.

        Meanwhile somebody may clear the log of one.
        """
        notes = [
            Note(held.job, held.token, kind, self.notes + number, netstring(b"x" * size))
            for number, (held, kind) in enumerate(itertools.product(all_held, kinds), 1)
        ]
        self.call("jot", notes)
        self.notes += len(notes)
        if cleared is not None:
            self.call("clear_log", all_held[0].job, cleared)
        if again:
            self.call("jot", [*notes, *notes[:1]])
            self.call("jot", notes[:1])

    @precondition(lambda self: self.model.of("running"))
    @rule(again=st.booleans(), keep=some_of(0, 1))
    def clear_a_log(self, again: bool, keep: int) -> None:
        """A log is cleared whose job goes on with it."""
        self.jot(self.all_held()[:1], ["l", "l", "l"], 1, again, keep)

    @precondition(lambda self: self.model.of("running"))
    @rule(worker=workers, code=some_of(*"tzrcxd"), keep=st.booleans())
    def leave_something_for_the_next_one(self, worker: str, code: str, keep: bool) -> None:
        """What was done is there for the next attempt, or for the next generation."""
        self.jot(self.all_held(), ["s", "c"] if keep else ["c"], 1, False, None)
        self.finish_all(worker, [code], 0 if code in "tz" else None, 0, 0)
        self.claim(worker, 10, True)

    @precondition(lambda self: self.model.of("running"))
    @rule(
        held=tokens,
        key=some_of("k", "m"),
        ends=st.lists(some_of("take", "take", 1_000, 60_000, None), min_size=1, max_size=3),
    )
    def call_once(self, held: Held, key: str, ends: list[Any]) -> None:
        """Jobs ask to make a call, make it, or give it up; others ask after each."""
        for what in ends:
            if what == "take":
                self.call("take_once", key, held.job, held.token)
            else:
                self.call("end_once", key, held.job, held.token, what, b"value")
            for other in self.all_held():
                self.call("take_once", key, other.job, other.token)

    @precondition(lambda self: self.model.calls)
    @rule(by=some_of(0, -1))
    def look_at_calls(self, by: int) -> None:
        """At the very millisecond at which the last of them is looked at."""
        self.at(max([self.model.now, *(call.look + by for call in self.model.calls.values())]))
        self.call("sweep", 10)

    def arrive_after_a_later_one(self, worker: str) -> None:
        """A copy of an exchange that was given up comes through after the next two."""
        old = self._exchange(worker, 1)
        self._send(self._exchange(worker, 1))
        self._send(self._exchange(worker, 1))
        self._send(old)

    @precondition(lambda self: self.tokens)
    @rule(worker=workers, all_held=st.lists(tokens, max_size=3), unread=some_of(0, 0, 1, 2))
    def renew(self, worker: str, all_held: list[Held], unread: int) -> None:
        sender = self.workers[worker]
        first = max(sender.counter - unread + 1, 1) if unread else 0
        leases = [(held.job, held.token, 15_000) for held in all_held]
        self.call("renew", sender.incarnation, first, leases)

    @rule(
        worker=workers,
        lead=some_of(3_000, 3_000, 10_000, 0),
        after=some_of("", "", "blue"),
        first=some_of(False, False, False, True),
    )
    def beat(self, worker: str, lead: int, after: str, first: bool = False) -> None:
        sender = self.workers[worker]
        words = (sender.incarnation, worker, b'{"pid":1}', lead, after, sender.obeyed)
        reply = self.call("beat", *words, first=first)
        if reply and reply[-1]:
            sender.obeyed = reply[-1]

    @precondition(lambda self: self.model.leader_until is not None)
    @rule(by=some_of(0, 1))
    def compete_for_the_lead(self, by: int) -> None:
        self.at(max(self.model.now, (self.model.leader_until or 0) + by))
        for worker in WORKERS:
            self.beat(worker, 3_000, "")

    def leave(self, worker: str) -> None:
        """A worker that stops hands back what it holds, and takes itself off the books."""
        mine = [job for job in self.model.of("running") if job.worker == worker]
        given = [Completion(job.id, job.token, "r") for job in mine if job.token is not None]
        if given:
            self._send(self._exchange(worker, completions=tuple(given)))
        self.call("leave", self.workers[worker].incarnation, worker)
        self.workers[worker].restart()

    def crash(self, worker: str) -> None:
        """Its tokens are forgotten; the leases run out."""
        self.workers[worker].restart()

    @precondition(lambda self: self.model.jobs)
    @rule(most=some_of(1, 10), tight=some_of(False, False, False, True))
    def sweep(self, most: int, tight: bool) -> None:
        if self.model.turns.debts:
            self.call("forgive")
        self.call("sweep", most, tight=tight)

    @precondition(lambda self: self.model.jobs)
    @rule(back=some_of(False, False, True))
    def repair(self, back: bool) -> None:
        """Whatever has happened, there is nothing to mend but what a clock did."""
        begun = [job.started or 0 for job in self.model.of("running")]
        if back and begun:
            self.at(max(begun) - 1)
        self.call("repair")

    @rule()
    def pop_the_markers(self) -> None:
        """An idle worker, and the leader, are woken by them."""
        self.real.pop_marker("wake")
        self.real.pop_marker("due")
        self.model.wake = self.model.due = False
        self.compare()
