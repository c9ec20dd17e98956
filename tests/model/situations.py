"""What chance seldom brings about: each begins with an empty queue, or with whatever there is."""

from __future__ import annotations

import asyncio
from collections import Counter

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from tests.model.machine import ENDED, UNFINISHED, QueueMachine
from tests.model.reference.job import Error, NewJob, Unique
from tests.model.strategies import End, some_of

__all__ = ["get_into_each", "machine_for"]

WORKER = "w1"


class Situations(QueueMachine):
    """Rules that lead to one of them, without a choice on the way."""

    @initialize(name=st.deferred(lambda: some_of(*SITUATIONS)))
    def begin_in_a_situation(self, name: str) -> None:
        getattr(self, name)()

    @rule(name=st.deferred(lambda: some_of(*SITUATIONS)), anew=some_of(True, True, False))
    def get_into_a_situation(self, name: str, anew: bool) -> None:
        if anew:
            self.destroy(force=True)
            self.operate("pause", paused=False)
        getattr(self, name)()

    def run(self, *jobs: NewJob) -> list[str]:
        """Add jobs and claim; return which run."""
        self.enqueue(list(jobs), 0)
        self.claim(WORKER, 10, True)
        return [held.job for held in self.all_held()]

    def end(self, *codes: str) -> None:
        if self.all_held():
            self.finish_all(WORKER, list(codes), 0, 0, 0)

    def two_make_the_same_call(self) -> None:
        """The first is its owner, makes it, and ends; its token is an old one then."""
        self.run(NewJob("a"), NewJob("b"))
        held = self.all_held()[:2]
        for each in held:
            self.call("take_once", "k", each.job, each.token)
        for each in held:
            self.call("end_once", "k", each.job, each.token, 60_000, b"value")
            self.call("take_once", "k", each.job, each.token)
        self.end("c")
        for each in held:
            self.call("take_once", "k", each.job, each.token)
            self.jot([each], ["p"], 1, False, None)

    def one_leaves_something_for_the_next_attempt(self) -> None:
        self.run(NewJob("a"))
        if self.all_held():
            self.leave_something_for_the_next_one(WORKER, "t", True)

    def _one_follows(self, how: str) -> None:
        self.follow(WORKER, ["b"], None, how)

    def one_follows_who_completes(self) -> None:
        self._one_follows("finish")

    def one_follows_who_gives_up_its_key(self) -> None:
        self._one_follows("free")
        self.operate("free", "f")

    def one_follows_who_is_cancelled(self) -> None:
        self._one_follows("cancel")

    def another_has_the_key_of_one_that_runs_again(self) -> None:
        unique = Unique("work/k")
        self.run(NewJob("a", unique=unique))
        self.end("d")
        self.enqueue([NewJob("b", unique=unique)], 0)
        self.operate("replay", ["a"])

    def a_parent_is_missing(self) -> None:
        self.enqueue([NewJob("a")], 0)
        self.send_flow([NewJob("c", parents=("g",))])

    def one_dies_of_its_parent_and_both_run_again(self) -> None:
        self.enqueue([NewJob("a")], 0)
        self.send_flow([NewJob("b", parents=("a",))])
        self.claim(WORKER, 10, True)
        self.end("d")
        self.operate("replay", ["a"])

    def one_goes_on_without_those_it_waits_for(self) -> None:
        self.enqueue([NewJob("a"), NewJob("b")], 0)
        self.send_flow([NewJob("c", parents=("a", "b"), on_parent_failure="fr")])
        self.operate("detach", "c", "g")
        self.operate("detach", "c", "a")
        self.operate("detach", "c", "b")

    def what_only_one_waits_for_is_cancelled(self) -> None:
        error = Error("cancelled", self.model.now, 1)
        self.enqueue([NewJob("a")], 0)
        self.send_flow([NewJob("b", parents=("a",)), NewJob("c", parents=("b",))])
        self.operate("prune", "c", [("b", error, ""), ("a", error, "")])

    def one_may_not_wait_for_its_own_child(self) -> None:
        self.run(NewJob("a"))
        held = self.all_held()[:1]
        self.send_flow([NewJob("b", parents=("a",))])
        self.finish(WORKER, [End(each, "w", names=("b",)) for each in held])

    def an_exchange_arrives_after_two_later_ones(self) -> None:
        self.enqueue([NewJob("a"), NewJob("b"), NewJob("c")], 0)
        self.arrive_after_a_later_one(WORKER)

    def a_batch_arrives_after_a_later_one(self) -> None:
        self.enqueue([NewJob("a")], 0)
        self.enqueue([NewJob("b")], 0)
        self.resend_enqueue(0)

    def one_goes_first_and_is_handed_back(self) -> None:
        self.run(NewJob("a", lifo=True))
        self.end("r")

    def one_goes_first_once_it_is_due(self) -> None:
        self.enqueue([NewJob("a", lifo=True, delay=1_000)], 0)
        self.advance(1_000)
        self.claim(WORKER, 10, True)

    def one_goes_before_others_of_its_key(self) -> None:
        self.go_before_others(WORKER, None, [1, 1, 2], "abcg", named=False)

    def one_that_is_held_back_goes_before_others_of_its_key(self) -> None:
        self.go_before_others(WORKER, "kk", [10, 10, 10], "abcg", named=False)

    def there_is_no_room(self) -> None:
        self.enqueue([NewJob("a", key="k")], 0)
        self.enqueue_into_a_full_queue([NewJob("b"), NewJob("c")], -1)
        self.send_flow([NewJob("d", parents=("a",))], length=1)
        self.enqueue_in_lines([NewJob("b", key="k"), NewJob("c", key="k")], 1)

    def a_clock_goes_back(self) -> None:
        self.run(NewJob("a"))
        self.repair(back=True)

    def one_may_not_run_twice_and_its_lease_ends(self) -> None:
        self.run(NewJob("a", at_most_once=True))
        if self.all_held():
            self.lose_all(WORKER, 1)
            self.claim(WORKER, 10, True)

    def all_lose_two_leases(self) -> None:
        self.enqueue([NewJob("a"), NewJob("b")], 0)
        self.kill_the_workers(WORKER, 2, WORKER)

    def each_is_removed(self) -> None:
        self.enqueue([NewJob("a"), NewJob("b")], 0)
        self.claim(WORKER, 1, True)
        self.finish(WORKER, [End(each, "c", 60_000) for each in self.all_held()])
        self.operate("remove", (*UNFINISHED, *ENDED), 0, ["a", "b"], None)

    def one_is_cancelled_and_runs_again(self) -> None:
        self.enqueue([NewJob("a")], 0)
        self.cancel("a")
        self.operate("replay", ["a"])

    def ticks_make_two_one_and_none(self) -> None:
        """A tick whose job there is already makes none, and who comes late with it neither."""
        usual = {"ends": False, "missed": 0, "skip": False, "limit": None, "stale": False}
        unique = Unique("work/k")
        self.tick(2, 2, unique=None, most=None, **usual)
        self.tick(1, 1, unique=unique, most=None, **usual)
        self.tick(1, 1, unique=unique, most=None, **usual)

    def one_is_told_to_end(self) -> None:
        self.run(NewJob("a"))
        for held in self.all_held()[:1]:
            self.cancel(held.job)
        self.end("x")


SITUATIONS: tuple[str, ...] = tuple(
    name
    for name, value in vars(Situations).items()
    if callable(value) and name[0] != "_" and name not in ("run", "end") and "situation" not in name
)


def get_into_each(machine: type[Situations]) -> None:
    """Let both queues get into each of the situations, which chance would miss some of."""
    for name in SITUATIONS:
        one = machine()
        one.say = print
        one.say(name)
        getattr(one, name)()
        one.teardown()


def machine_for(url: str, runner: asyncio.Runner) -> type[Situations]:
    """Return the machine of a server, which is emptied before each example."""
    return type("Situations", (Situations,), {"url": url, "runner": runner, "seen": Counter()})
