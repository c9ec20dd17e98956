"""A new job may not wait for one that waits for it: neither would ever run."""

from __future__ import annotations

import pytest

from tests.lua.test_flows import end_all, states
from tests.support.scripts import Scripts, dump


async def left_waiting(scripts: Scripts, flow: dict[str, list[str]], *removed: str) -> None:
    """Add jobs, and remove some while nobody looks."""
    await scripts.enqueue_flow(flow)
    for job in removed:
        await scripts.operate("remove", "q", 0, job)


@pytest.mark.parametrize(
    ("between", "new"),
    [
        ({}, {"y": ["x"]}),
        ({"v": ["x"], "w": ["v"]}, {"o": [], "y": ["o", "w"]}),
        ({}, {"z": ["x"], "y": ["z"]}),
    ],
)
async def test_one_that_would_wait_for_who_waits_for_its_id_is_refused(
    scripts: Scripts, between: dict[str, list[str]], new: dict[str, list[str]]
) -> None:
    await left_waiting(scripts, {"y": [], "x": ["y"], **between}, "y")
    assert await states(scripts, "x") == "b"
    before = await dump(scripts.raw, f"*{{{scripts.store.queue}}}*")

    parent = new["y"][-1]
    assert await scripts.enqueue_flow(new) == [b"CIRCLE", b"y", parent.encode()]

    after = await dump(scripts.raw, f"*{{{scripts.store.queue}}}*")
    changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    assert changed <= {scripts.key("producers")}
    # Once the removal was told, they may.
    await scripts.exchange()
    assert await states(scripts, "x") == "d"
    assert (await scripts.enqueue_flow(new))[0] == b"OK"


@pytest.mark.parametrize("between", [[], ["m"]])
async def test_a_retry_does_not_wait_for_who_waits_for_it(
    scripts: Scripts, between: list[str]
) -> None:
    """Another job has the id of its parent, and is still to be told how this one ended before."""
    await left_waiting(scripts, {"y": [], "x": ["y"]})
    await scripts.operate("cancel", "x", "{}")
    await scripts.operate("remove", "q", 0, "y")
    if between:
        await scripts.enqueue_flow({"m": ["x"], "y": ["m"]}, options=",fr")
    else:
        await scripts.enqueue_flow({"y": ["x"]}, options=",fr")

    assert await scripts.operate("replay", "cdx", "x") == [b"x"]

    assert await states(scripts, "x", "y") == "qb"
    for _ in range(3):
        await end_all(scripts)
    assert await states(scripts, "x", *between, "y") == "cc" + "c" * len(between)


async def test_two_that_run_again_do_not_wait_for_each_other(scripts: Scripts) -> None:
    await left_waiting(scripts, {"y": [], "x": ["y"]}, "y")
    await scripts.operate("cancel", "x", "{}")
    await scripts.exchange()
    await scripts.enqueue_flow({"y": ["x"]})
    await scripts.exchange()
    assert await states(scripts, "x", "y") == "xd"

    assert await scripts.operate("replay", "cdx", "x", "y") == [b"x", b"d"]

    assert await states(scripts, "x", "y") == "bq"
    for _ in range(2):
        await end_all(scripts)
    assert await states(scripts, "x", "y") == "cc"


async def test_two_ids_that_wait_crosswise_are_refused(scripts: Scripts) -> None:
    await left_waiting(scripts, {"p": [], "q": [], "x": ["p"], "z": ["q"]}, "p", "q")

    assert await scripts.enqueue_flow({"p": ["z"], "q": ["x"]}) == [b"CIRCLE", b"p", b"z"]
    assert (await scripts.enqueue_flow({"p": ["z"]}))[0] == b"OK"
    assert await scripts.enqueue_flow({"q": ["x"]}) == [b"CIRCLE", b"q", b"x"]


async def test_who_has_waiters_may_wait_for_others_and_for_those_that_wait_no_more(
    scripts: Scripts,
) -> None:
    await left_waiting(scripts, {"o": [], "y": [], "x": ["y"], "e": ["y"]}, "y")
    await scripts.operate("cancel", "e", "{}")
    await left_waiting(scripts, {"y2": [], "x2": ["y2"]}, "y2")

    assert (await scripts.enqueue_flow({"y": ["o"], "y2": ["x"]}))[0] == b"OK"
    await scripts.enqueue_flow({"r": ["e"]}, options=",fr")
    await end_all(scripts)
    await end_all(scripts)
    assert await states(scripts, "y", "o") == "cc"


async def test_what_takes_too_long_to_follow_is_refused(scripts: Scripts) -> None:
    await left_waiting(scripts, {"y": [], "x": ["y"]}, "y")
    far = {f"f{at:03}": [f"f{at - 1:03}"] if at else [] for at in range(250)}
    await scripts.enqueue_flow(far)
    for more in range(4):
        names = [f"g{more}{at:03}" for at in range(250)]
        before = [f"g{more - 1}249" if more else "f249", *names]
        await scripts.enqueue_flow(dict(zip(names, [[name] for name in before], strict=False)))

    assert await scripts.enqueue_flow({"y": ["g3249"]}) == [b"CIRCLE", b"y", b"g3249"]
    assert (await scripts.enqueue_flow({"y": ["g2000"]}))[0] == b"OK"


async def test_who_waits_for_another_one_and_was_told_of_the_id_before_is_no_circle(
    scripts: Scripts,
) -> None:
    await scripts.enqueue_flow({"y": [], "w": [], "x": ["y", "w"]})
    (claim,) = await scripts.claim(1)
    await scripts.exchange(scripts.ended(claim, "c", "", b"value"), nonce=scripts.nonce)
    await scripts.operate("remove", "c", 0, "y")
    await left_waiting(scripts, {"y": [], "e": ["y"]}, "y")

    assert await states(scripts, "y", "w", "x", "e") == "qbb"
    assert (await scripts.enqueue_flow({"y": ["x"]}))[0] == b"OK"
