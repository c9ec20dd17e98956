"""For whom a job still waits, and the end of a wait for a job whose id another one has by now."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lua.test_flows import end_all, states
from tests.lua.test_flows_across import HERE, THERE
from tests.support.scripts import Scripts, dump

GATE = "\udcffother,\udcffgate"


async def waits(scripts: Scripts, *ids: str, turn: int = 0) -> dict[str, bytes]:
    """Return for whom jobs wait, of all that were looked at."""
    _, *flat = await scripts.run("waits", turn, *ids)
    return {id.decode(): name for id, name in zip(flat[::3], flat[2::3], strict=True)}


async def incarnation(scripts: Scripts, id: str) -> bytes:
    _, _, found, *_ = await scripts.run("waits", 0, id)
    assert found
    return bytes(found)


async def break_wait(scripts: Scripts, id: str, incarnation: bytes, name: Any) -> list[Any]:
    found: list[Any] = await scripts.run("break_wait", id, incarnation, name)
    return found


async def test_each_is_followed_up_to_one_that_waits_for_none_or_for_another_queue(
    scripts: Scripts,
) -> None:
    await scripts.enqueue_flow({"a": [], "b": ["a"], "c": ["b"], "e": ["c", THERE]})

    assert await waits(scripts, "c", "b") == {"c": b"b", "b": b"a", "a": b""}
    assert await waits(scripts, "e", turn=0) == {"e": HERE}
    found = await waits(scripts, "e", "no", turn=1)
    assert found == {"e": b"c", "c": b"b", "b": b"a", "a": b"", "no": b""}
    await end_all(scripts, "c")
    assert await waits(scripts, "c") == {"c": b"b", "b": b""}


async def test_who_waits_for_a_gate_or_is_to_be_told_or_has_ended_waits_for_none(
    scripts: Scripts,
) -> None:
    await scripts.enqueue_flow({"g": [THERE, GATE], "p": [], "x": ["p"], "e": [f"{THERE}2"]})
    await scripts.operate("cancel", "e", "{}")
    await scripts.operate("remove", "q", 0, "p")
    assert await states(scripts, *"gxe") == "bbx"

    assert await waits(scripts, *"gxe") == dict.fromkeys("gxe", b"")
    await scripts.run("hear", GATE.encode(errors="surrogateescape"), 5, "c", "")
    assert (await waits(scripts, "g"))["g"] == HERE
    # Of more than a hundred that wait for it some are not told yet.
    await scripts.enqueue_flow({f"m{n}": [f"{THERE}3"] for n in range(120)})
    await scripts.run("hear", HERE + b"3", 5, "c", b"")
    left = [f"m{n}" for n in range(120) if (await states(scripts, f"m{n}")) == "b"]
    assert left
    assert (await waits(scripts, left[0]))[left[0]] == b""


async def test_ids_are_left_out_after_a_thousand_dependencies(scripts: Scripts) -> None:
    parents = [f"p{n}" for n in range(240)]
    await scripts.enqueue_flow({parent: [] for parent in parents})
    for n in range(8):
        await scripts.enqueue_flow({f"c{n}": parents})

    looks, *flat = await scripts.run("waits", 0, *(f"c{n}" for n in range(8)))
    assert 1000 <= looks < 1300
    assert {b"c0", b"c3"} <= {*flat[::3]}
    assert b"c7" not in flat[::3]
    chain = {f"d{n}": [f"d{n - 1}"] if n else [] for n in range(240)}
    await scripts.enqueue_flow(chain)
    assert len(await waits(scripts, "d239", "c0")) == 240 + 2


@pytest.mark.parametrize(("policy", "state"), [("f", "d"), ("c", "x"), ("r", "q")])
async def test_a_wait_is_broken_for_one_job_and_no_other(
    scripts: Scripts, policy: str, state: str
) -> None:
    await scripts.enqueue_flow({"x": [THERE], "y": [THERE]}, options=f",f{policy}")
    await scripts.run("expect", "third", 0, "x")
    before = await dump(scripts.raw, f"*{{{scripts.store.queue}}}*")
    own = await incarnation(scripts, "x")

    assert await break_wait(scripts, "x", b"2" + own[1:], HERE) == [0]
    assert await break_wait(scripts, "x", own, HERE + b"2") == [0]
    assert await break_wait(scripts, "no", b"1,", HERE) == [0]
    assert await dump(scripts.raw, f"*{{{scripts.store.queue}}}*") == before
    told = await break_wait(scripts, "x", own, HERE)
    assert told[0] == 1
    assert await states(scripts, *"xy") == state + "b"
    assert await break_wait(scripts, "x", own, HERE) == [0]
    if policy == "r":
        assert await scripts.claim_ids() == [b"x"]
    else:
        assert b"x" in told[1][1 if policy == "f" else 2]
        assert (await scripts.beat()).to_send, "the queue that waits for it"
    # It stays as it is when the other one of the id ends.
    await scripts.run("hear", HERE, 5, "c", b"value")
    assert (await states(scripts, "y")) == "q"
    assert (await states(scripts, "x")) == ("r" if policy == "r" else state)


async def test_a_wait_within_a_queue_is_broken_too(scripts: Scripts) -> None:
    await scripts.enqueue_flow({"y": [], "x": ["y"], "z": ["x"]})
    await scripts.operate("remove", "q", 0, "y")
    await scripts.enqueue_flow({"y": [THERE], "w": ["y"]})

    assert (await break_wait(scripts, "x", await incarnation(scripts, "x"), "y"))[0] == 1
    assert await states(scripts, *"xzwy") == "ddbb"
    await scripts.run("hear", HERE, 5, "c", b"")
    await end_all(scripts, "c")
    assert await states(scripts, *"xzy") == "ddc"
