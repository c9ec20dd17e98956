"""Back-off policies as pure functions of the attempt and of chance."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiojobs_redis import ConfigInvalid, Exponential, Fixed, Linear
from aiojobs_redis.retry import check_backoff, planned_delay

seconds = st.floats(0, 3600)
jitters = st.floats(0, 1)
chances = st.floats(0, 1)
attempts = st.integers(1, 10_000)
policies = (
    st.builds(Exponential, seconds, st.floats(1, 1000), seconds, jitters)
    | st.builds(Linear, seconds, seconds, jitters)
    | st.builds(Fixed, seconds, jitters)
)


@pytest.mark.requirement("D16")
@given(policies, attempts, chances)
def test_a_wait_is_between_the_jittered_and_the_whole_plan(
    policy: Exponential | Linear | Fixed, attempt: int, chance: float
) -> None:
    plan = policy.delay(attempt, 0)
    assert plan * (1 - policy.jitter) <= policy.delay(attempt, chance) * (1 + 1e-9)
    assert 0 <= policy.delay(attempt, chance) <= plan


@pytest.mark.requirement("D16")
@given(policies, attempts)
def test_waits_never_shrink_from_one_attempt_to_the_next(
    policy: Exponential | Linear | Fixed, attempt: int
) -> None:
    assert policy.delay(attempt, 0) <= policy.delay(attempt + 1, 0)
    assert math.isfinite(policy.delay(attempt, 0))


@pytest.mark.requirement("D16")
@given(seconds, st.floats(1, 10), seconds, st.integers(1, 60))
def test_exponential_multiplies_up_to_its_cap(
    base: float, factor: float, cap: float, attempt: int
) -> None:
    policy = Exponential(base, factor, cap, jitter=0)
    assert policy.delay(attempt, 1) == pytest.approx(min(base * factor ** (attempt - 1), cap))


@pytest.mark.requirement("D16")
@given(seconds, seconds, attempts)
def test_linear_adds_a_step_an_attempt_up_to_its_cap(step: float, cap: float, attempt: int) -> None:
    assert Linear(step, cap, 0).delay(attempt, 1) == pytest.approx(min(step * attempt, cap))


@pytest.mark.requirement("D16")
def test_the_default_is_exponential_from_one_second_with_thirty_percent_jitter() -> None:
    assert [Exponential().delay(n, 0) for n in (1, 2, 3, 9, 10)] == [1, 2, 4, 256, 300]
    assert Exponential().delay(1, 1) == pytest.approx(0.7)


def test_the_last_item_of_a_list_is_repeated() -> None:
    policy = check_backoff([1, 5])
    assert [planned_delay(policy, attempt, 0.5) for attempt in (1, 2, 3, 99)] == [1, 5, 5, 5]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Exponential(base=-1),
        lambda: Exponential(factor=0.5),
        lambda: Exponential(jitter=1.1),
        lambda: Exponential(cap=math.nan),
        lambda: Linear(step=-1),
        lambda: Linear(cap=math.inf),
        lambda: Fixed(-1),
        lambda: Fixed(True),
        lambda: Fixed("1"),  # type: ignore[arg-type]
        lambda: check_backoff([]),
        lambda: check_backoff("12"),
        lambda: check_backoff(5),
        lambda: check_backoff([1, math.nan]),
    ],
)
def test_a_policy_out_of_range_is_refused(make: Callable[[], Any]) -> None:
    with pytest.raises(ConfigInvalid):
        make()
