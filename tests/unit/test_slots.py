"""The sharing of slots as a pure matter of numbers: who may claim how many, and who is woken."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aiojobs_redis.worker.slots import Slots

weights = st.lists(
    st.one_of(st.integers(1, 10).map(float), st.floats(0.01, 100)), min_size=2, max_size=5
)


class Lane:
    """A lane that obeys the slots, without a server behind it."""

    def __init__(self, slots: Slots, weight: float = 1.0) -> None:
        self.slots = slots
        self.weight = weight
        self.wanting = True
        self.used = 0
        self.claimed = 0
        self.awake = True

    def wake(self) -> None:
        """Note the call."""
        self.awake = True

    def claim(self, most: int = 100_000) -> int:
        """Take as many slots as it may, as by a claim that is answered at once."""
        count = min(self.slots.free(self), most)
        self.used += count
        self.claimed += count
        self.slots.claimed(self, count)
        return count

    def end(self, count: int = 1) -> None:
        """Give slots back."""
        self.used -= count
        self.slots.offer()


def lanes_of(total: int, *weights: float) -> list[Lane]:
    slots = Slots(total)
    lanes = [Lane(slots, weight) for weight in weights]
    slots.sharers = lanes
    return lanes


def work(lanes: list[Lane], steps: int, chance: random.Random) -> Counter[Lane]:
    """End one job at a time, chosen at random, and let all lanes claim; slots each has used."""
    spent: Counter[Lane] = Counter()
    for _ in range(steps):
        running = [lane for lane in lanes for _ in range(lane.used)]
        if running:
            chance.choice(running).end()
        for lane in chance.sample(lanes, len(lanes)):
            if lane.wanting:
                lane.claim()
            spent[lane] += lane.used
    return spent


@pytest.mark.requirement("D14")
@pytest.mark.parametrize(
    ("total", "weights", "taken"),
    [
        (8, (3, 1), [6, 2]),
        (6, (1, 1), [3, 3]),
        (10, (1, 1, 1), [4, 3, 3]),
        (5, (1, 1), [3, 2]),
        (2, (1, 1, 1), [1, 1, 0]),
        (1, (1, 3), [0, 1]),
        (10, (100, 1), [10, 0]),
        (3, (0.1, 0.1, 0.1), [1, 1, 1]),
        (4, (1e-320, 1e-320), [2, 2]),
    ],
)
def test_lanes_that_all_want_more_share_every_slot_by_weight(
    total: int, weights: tuple[float, ...], taken: list[int]
) -> None:
    lanes = lanes_of(total, *weights)

    for lane in lanes:
        lane.claim()

    assert [lane.used for lane in lanes] == taken


@pytest.mark.requirement("D14")
@pytest.mark.parametrize(
    ("total", "weights"),
    [(1, (1, 3)), (1, (1, 1)), (2, (1, 1, 1)), (5, (1, 1)), (10, (1, 1, 1)), (11, (1, 1, 8))],
)
def test_shares_follow_the_weights_in_the_long_run(total: int, weights: tuple[int, ...]) -> None:
    lanes = lanes_of(total, *weights)

    work(lanes, 3000, random.Random(1))

    claimed = sum(lane.claimed for lane in lanes)
    for lane in lanes:
        assert lane.claimed == pytest.approx(claimed * lane.weight / sum(weights), rel=0.1)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 30), weights, st.integers(0, 1000))
@example(9, [3.2, 3.0, 4.0, 35.0, 3.0], 999)
def test_shares_of_any_weights_follow_them_in_the_long_run(
    total: int, weights: list[float], seed: int
) -> None:
    lanes = lanes_of(total, *weights)

    work(lanes, 3000, random.Random(seed))

    claimed = sum(lane.claimed for lane in lanes)
    for lane in lanes:
        due = claimed * lane.weight / sum(weights)
        # Which job ends is drawn: five standard deviations are allowed for that.
        assert lane.claimed == pytest.approx(due, rel=0.0, abs=4 * total + 5 * math.sqrt(due))


@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, 12),
    weights,
    st.lists(st.tuples(st.sampled_from("cewqt"), st.integers(0, 4), st.integers(1, 6))),
)
def test_no_slot_is_used_twice_or_idle_while_a_lane_wants_it(
    total: int, weights: list[float], events: list[tuple[str, int, int]]
) -> None:
    lanes = lanes_of(total, *weights)
    slots = lanes[0].slots
    for kind, number, count in events:
        lane = lanes[number % len(lanes)]
        before = sum(lane.used for lane in lanes)
        if kind == "c":
            lane.claim(count)
        elif kind == "e" and lane.used:
            lane.end(min(count, lane.used))
        elif kind == "w":
            lane.wanting = True
        elif kind == "q":
            lane.wanting = False
        elif kind == "t":
            slots.total = count
        used = sum(lane.used for lane in lanes)
        idle = max(0, slots.total - used)
        free = [slots.free(lane) if lane.wanting else 0 for lane in lanes]
        assert slots.idle == idle
        assert sum(free) == (idle if any(lane.wanting for lane in lanes) else 0)
        # One that is about to look for jobs counts as if it wanted some.
        assert all(slots.free(lane) <= idle for lane in lanes)
        if kind == "c":
            assert used <= max(slots.total, before), "a smaller total ends no run"


@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, 6),
    weights,
    st.lists(st.tuples(st.integers(0, 4), st.integers(1, 6), st.booleans()), max_size=60),
)
def test_no_lane_sleeps_over_a_slot_that_it_may_use(
    total: int, weights: list[float], events: list[tuple[int, int, bool]]
) -> None:
    lanes = lanes_of(total, *weights)
    slots = lanes[0].slots

    def settle() -> None:
        # A lane sleeps when it may claim nothing, and offers what is idle before it does.
        for _ in range(100):
            lane = next((lane for lane in lanes if lane.awake), None)
            if lane is None:
                return
            lane.awake = False
            while lane.wanting and lane.claim(1):
                pass
            slots.free(lane)
            slots.offer()
        raise AssertionError("the lanes wake each other for ever")

    settle()
    for number, count, more in events:
        lane = lanes[number % len(lanes)]
        if lane.used:
            lane.wanting = more
            lane.end(min(count, lane.used))
        else:
            lane.wanting = more
        lane.awake = True
        for other in lanes:
            # A bell asks, too, on behalf of lanes that sleep.
            slots.free(other)
        settle()
        if slots.idle:
            assert not any(lane.wanting for lane in lanes)


def test_a_lane_alone_may_use_every_slot() -> None:
    (lane,) = lanes_of(10, 1)

    assert lane.claim(4) == 4
    assert slots_left(lane) == 6
    lane.slots.total = 3
    assert slots_left(lane) == 0


def slots_left(lane: Lane) -> int:
    return lane.slots.free(lane)


@pytest.mark.requirement("B26")
def test_a_share_that_nobody_wants_is_lent_and_comes_back_as_jobs_end() -> None:
    busy, other = lanes_of(8, 1, 3)
    other.wanting = False
    assert busy.claim() == 8

    other.wanting = True
    for _ in range(8):
        busy.end()
        busy.claim()
        other.claim()

    assert (busy.used, other.used) == (2, 6)


def test_long_jobs_of_one_lane_leave_the_rest_shared_by_the_others() -> None:
    holder, one, other = lanes_of(10, 1, 1, 3)
    one.wanting = other.wanting = False
    holder.claim(9)
    one.wanting = other.wanting = True
    holder.wanting = False

    for _ in range(400):
        for lane in (one, other):
            lane.claim()
        (one if one.used else other).end()

    assert other.claimed / one.claimed == pytest.approx(3, rel=0.1)


def test_a_lane_that_slept_does_not_make_up_for_it_at_the_cost_of_the_others() -> None:
    busy, sleeper = lanes_of(1, 1, 1)
    sleeper.wanting = False
    for _ in range(1000):
        busy.claim()
        busy.end()

    sleeper.wanting = True
    work([busy, sleeper], 20, random.Random(1))

    assert sleeper.claimed == pytest.approx(10, abs=2)


def test_an_idle_lane_is_served_at_once_when_it_wants_a_slot_now_and_then() -> None:
    one, other, rare = lanes_of(1, 1, 1, 1)
    rare.wanting = False
    waits = []
    for _ in range(50):
        work([one, other], 7, random.Random(1))
        rare.wanting = True
        turns = 0
        while not rare.claimed:
            work([one, other, rare], 1, random.Random(turns))
            turns += 1
        waits.append(turns)
        rare.claimed, rare.wanting = 0, False
        rare.end()

    assert max(waits) <= 4
    assert one.claimed == pytest.approx(other.claimed, rel=0.1)


def test_a_lane_whose_slots_were_taken_is_woken_when_they_are_idle() -> None:
    first, second = lanes_of(2, 1, 1)
    second.wanting = False
    first.claim()
    first.wanting = second.awake = False
    assert second.slots.free(second) == 0

    first.end(2)

    assert second.awake, "it may wait for jobs again"
