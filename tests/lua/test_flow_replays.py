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


async def test_a_parent_that_is_gone_keeps_nobody_out_of_a_replay(scripts: Scripts) -> None:
    """Whether it was removed or its retention ended is not known of it any more."""
    there = "\udcffother,p"
    await scripts.enqueue_flow({"a": [], "b": ["a"], "c": [there], "o": [], "d": ["a", "o"]})
    await scripts.operate("remove", "q", 0, "a")
    await scripts.run("hear", b"\xffother,p", 5, "g", "")
    await scripts.exchange()
    await end_all(scripts, "d")
    now = await scripts.now()

    assert await states(scripts, *"bcdo") == "dddd"
    assert await scripts.operate("replay", f"dP{now}", *"bcd") == [b"d", b"d", b"p"]
    assert await states(scripts, *"bcdo") == "qqdd"


async def due(scripts: Scripts, job: str) -> int | None:
    at = await scripts.raw.zscore(scripts.key("scheduled"), job)
    return None if at is None else int(at)


@pytest.mark.parametrize("again", [["a"], ["b", "a"]])
async def test_who_runs_again_with_a_parent_waits_for_its_time_too(
    scripts: Scripts, again: list[str]
) -> None:
    at = await scripts.now() + 60_000
    await scripts.enqueue_flow({"a": []})
    await scripts.enqueue_flow({"b": ["a"]}, options=f",w{at},ff")
    before = await scripts.raw.hget(scripts.key("jobs"), "b")
    await end_all(scripts, "d")
    assert await states(scripts, "a", "b") == "dd"

    await scripts.operate("replay", "d", *again)
    assert await states(scripts, "a", "b") == "qb"
    await end_all(scripts)

    assert await states(scripts, "a", "b") == "cs"
    assert await due(scripts, "b") == at
    # With its place among those that are due then.
    assert await scripts.raw.hget(scripts.key("jobs"), "b") == before
    assert b",q" in before


async def test_whose_parent_has_completed_by_then_waits_for_its_time(scripts: Scripts) -> None:
    """As of a parent of another queue, of which only the end was told."""
    at = await scripts.now() + 60_000
    there = "\udcffother,p"
    await scripts.enqueue_flow({"b": [there]}, options=f",w{at},ff")
    await scripts.run("hear", b"\xffother,p", 5, "1,aa,d", "{}")
    await scripts.run("hear", b"\xffother,p", 6, "2,aa,c", "value")

    assert await states(scripts, "b") == "s"
    assert await due(scripts, "b") == at
    assert await scripts.raw.zcard(scripts.key("due")) == 1


async def test_who_is_retried_itself_runs_at_once(scripts: Scripts) -> None:
    at = await scripts.now() + 60_000
    await scripts.enqueue_flow({"a": []})
    await scripts.enqueue_flow({"b": ["a"], "c": ["a"]}, options=f",w{at},ff")
    await end_all(scripts, "d")

    await scripts.operate("replay", "d", "b")
    assert await states(scripts, *"abc") == "dqd"
    # That one did not die of it.
    await end_all(scripts, "d")
    await scripts.operate("replay", "d", "b", "a")
    assert await states(scripts, *"abc") == "qbb"
    await end_all(scripts)
    assert await states(scripts, *"abc") == "cqs"


async def test_a_time_that_has_come_delays_nobody_who_runs_again(scripts: Scripts) -> None:
    await scripts.enqueue_flow({"a": []})
    await scripts.enqueue_flow({"b": ["a"]}, options=f",w{await scripts.now() + 1},ff")
    await end_all(scripts, "d")
    await scripts.operate("replay", "d", "a")
    await end_all(scripts)

    assert await states(scripts, "a", "b") == "cq"
    assert b",q" not in await scripts.raw.hget(scripts.key("jobs"), "b")


async def test_a_replay_names_who_runs_again_with_the_jobs_also_when_it_is_sent_again(
    scripts: Scripts,
) -> None:
    await scripts.enqueue_flow({"a": [], "b": ["a"], "c": ["b"], "d": ["a"], "o": []})
    await end_all(scripts, "d")
    sent = ("f00d", "d", "a", "d", "o")

    assert await scripts.run("replay", *sent) == [b"d", b"d", b"d", b"+b", b"+c"]
    assert await scripts.run("replay", *sent) == [b"d", b"d", b"d", b"+b", b"+c"]
    assert await states(scripts, *"abcdo") == "qbbbq"
