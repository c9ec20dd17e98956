"""Jobs of a flow that run again together: each waits for those on which it depends."""

from __future__ import annotations

import pytest

from tests.lua.test_flows import end_all, states
from tests.support.scripts import Scripts


@pytest.mark.parametrize("order", ["ab", "ba", "bab"])
async def test_a_child_that_is_replayed_before_its_parent_waits_for_it(
    scripts: Scripts, order: str
) -> None:
    await scripts.enqueue_flow({"a": [], "b": ["a"]})
    await end_all(scripts, "d")

    await scripts.operate("replay", "d", *order)

    assert await states(scripts, "a", "b") == "qb"
    assert await scripts.raw.hget(scripts.key("flows"), "nb") == b"1"
    assert [claim.id for claim in await end_all(scripts, limit=5)] == [b"b"]


async def test_whose_parents_stay_dead_are_left_out_of_a_replay(scripts: Scripts) -> None:
    await scripts.enqueue_flow({"a": [], "b": ["a"], "c": ["b"], "o": []})
    await end_all(scripts, "d")
    await scripts.enqueue_flow({"r": ["a"]}, options=",fr")
    await scripts.exchange()
    await end_all(scripts, "d")
    now = await scripts.now()

    assert await scripts.operate("replay", f"dA{now}", *"crob") == [b"p", b"p", b"d", b"p"]
    assert await states(scripts, *"abcor") == "dddqd"
    assert await scripts.operate("replay", f"dP{now}", *"cr") == [b"p", b"d"]
    assert await states(scripts, *"abcor") == "dddqq"
    assert await scripts.operate("replay", f"dA{now}", *"cba") == [b"d"] * 3
    assert await states(scripts, *"abc") == "qbb"


async def test_what_is_behind_a_job_that_its_unique_key_keeps_dead_stays_too(
    scripts: Scripts,
) -> None:
    await scripts.enqueue("a", options=",udk:key", needs=2)
    await scripts.enqueue_flow({"b": ["a"]})
    await end_all(scripts, "d")
    await scripts.enqueue("x", options=",udk:key", needs=2)
    now = await scripts.now()

    assert await scripts.operate("replay", f"dP{now}", "b", "a") == [b"p", b"ux"]
    assert await states(scripts, *"abx") == "ddq"


async def test_who_has_ended_since_a_moment_is_not_replayed(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    before = await scripts.now() - 1
    await end_all(scripts, "d")

    assert await scripts.operate("replay", f"dP{before}", "a") == [b"n"]
    assert await scripts.operate("replay", f"dP{await scripts.now()}", "a") == [b"d"]
