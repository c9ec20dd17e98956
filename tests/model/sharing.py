"""What is said of how jobs share the workers: limits, pauses of a scope, ageing, words for them."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.model.reference.job import NewJob
from tests.model.reference.limits import Rule
from tests.model.strategies import some_of, workers
from tests.model.work import Work

__all__ = ["Sharing"]


class Sharing(Work):
    """The rules about it."""

    @rule(
        scope=some_of(
            *("q", "kk", "ka, %41\n", "k*", "k*", "tplay", "twork"),
            *("bplay/k", "bwork/ka, %41\n", "bplay/*", "bwork/*"),
        ),
        concurrency=some_of(None, 1, 1, 2),
        rate=some_of(None, None, (1, 1_000), (2, 5_000), (1, 60)),
    )
    def limit(self, scope: str, concurrency: int | None, rate: tuple[int, int] | None) -> None:
        self.call("limit", scope, Rule(concurrency, *(rate or (None, None))))

    @precondition(lambda self: not self.model.paused)
    @rule(
        worker=workers,
        names=some_of("ab", "bc", "ca"),
        scope=some_of("kk", "kk", "bwork/k", "bwork/*", "twork"),
    )
    def want_more_than_may_run(self, worker: str, names: str, scope: str) -> None:
        self.call("limit", scope, Rule(1, None, None))
        self.enqueue([NewJob(name, key="k", named=scope[0] in "bt") for name in names], 0)
        self.claim(worker, 10, False)

    @precondition(lambda self: not self.model.paused)
    @rule(
        worker=workers,
        scope=some_of(None, None, "kk", "bwork/k", "twork", "q"),
        limits=st.lists(some_of(0, 1, 2, 10), min_size=1, max_size=4),
        names=some_of("abcg", "gab", "cfg", "edg"),
        named=st.booleans(),
    )
    def go_before_others(
        self, worker: str, scope: str | None, limits: list[int], names: str, *, named: bool
    ) -> None:
        """The last of them comes when some have started, or wait for a limit."""
        if scope:
            self.call("limit", scope, Rule(1, None, None))
        *others, last = [NewJob(name, key="k", named=named) for name in names]
        self.enqueue(others, 0)
        self.claim(worker, limits[0], True)
        self.enqueue([replace(last, key_priority=7)], 0)
        for limit in limits:
            self.claim(worker, limit, True)
            self.finish_all(worker, ["c"], None, limit // 2, 0)

    @precondition(lambda self: self.model.workers)
    @rule(worker=workers, letter=some_of(*"qrs"), late=some_of(None, 59_999, 60_000))
    def ask_worker(self, worker: str, letter: str, late: int | None) -> None:
        """In time, or at the very millisecond from which on it counts as gone."""
        if late is not None and worker in self.model.workers:
            self.at(max(self.model.now, self.model.workers[worker][0] + late))
        self.operate("ask_worker", worker, letter)

    @rule(ms=some_of(None, 1, 500, 1_000, 60_000))
    def age(self, ms: int | None) -> None:
        self.operate("age", ms)

    @precondition(lambda self: not self.model.paused)
    @rule(
        worker=workers,
        ms=some_of(500, 999, 1_000, 5_000),
        gap=some_of(1, 5, 8),
        way=some_of("plain", "key", "lost"),
    )
    def wait_for_longer_than_a_higher_one(self, worker: str, ms: int, gap: int, way: str) -> None:
        """To the very millisecond; it may have lost its leases, or be of a key."""
        self.operate("age", ms)
        self.enqueue([NewJob("a", priority=-gap, key="k" if way == "key" else None)], 0)
        if way == "lost":
            self.kill_the_workers(worker, 2, worker)
        self.at(self.model.now + gap * ms - 1)
        self.enqueue([NewJob("b"), NewJob("c", priority=-gap)], 0)
        self.claim(worker, 1, False)
        self.enqueue([NewJob("d")], 0)
        self.at(self.model.now + 1)
        self.claim(worker, 1, True)

    @rule(scope=some_of("q", "kk", "ka, %41\n", "tplay", "bplay/k"), ms=some_of(0, 1_000, 60_000))
    def shut(self, scope: str, ms: int) -> None:
        self.operate("shut", scope, ms)

    @precondition(lambda self: self.model.rules)
    @rule(worker=workers)
    def take_all_limits_away(self, worker: str) -> None:
        """Whoever was held back may start at once."""
        for scope in list(self.model.rules):
            self.call("limit", scope, Rule())
        self.beat(worker, 3_000, "")
        self.sweep(10, False)

    @precondition(lambda self: self.model.opens)
    @rule(by=some_of(0, 0, -1), worker=workers)
    def wait_for_a_window(self, by: int, worker: str) -> None:
        self.at(max(self.model.now, min(self.model.opens.values()) + by))
        self.claim(worker, 10, True)
