"""repair.lua: what something else has damaged is mended or put among the dead, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.invariants import INDEXES
from tests.support.scripts import Scripts, dump

pytestmark = pytest.mark.behaviour("F7")

FINISHED = "cxd"
UNFINISHED = "qstrb"
KEYS = [name for names in INDEXES.values() for name in names]
MINUTE = 60_000


async def make(scripts: Scripts, state: str, job: str = "a") -> None:
    """Add a job and bring it into a state."""
    await scripts.enqueue(job)
    if state == "q":
        return
    (claim,) = await scripts.claim(1)
    argument = {"s": MINUTE, "t": MINUTE}.get(state, "")
    value = {"b": b"task", "c": b"1", "t": b"{}", "d": b"{}", "x": b"{}"}.get(state, b"")
    code = "z" if state == "s" else state
    if state != "r":
        await scripts.exchange(scripts.ended(claim, code, argument, value))
    assert await scripts.state(job) == state


async def repair(scripts: Scripts) -> tuple[list[bytes], int, int]:
    buried, removed, shortened = await scripts.run("repair", 100)
    return buried, removed, shortened


async def reason(scripts: Scripts, job: str) -> str:
    """Return the kind of a job's last error."""
    lines = (await scripts.raw.hget(scripts.key("errors"), job)).split(b"\n")
    return str(json.loads(lines[-1])["type"])


async def indexes_of(scripts: Scripts, job: str) -> list[str]:
    scores = {name: await scripts.raw.zscore(scripts.key(name), job) for name in KEYS}
    return [name for name, score in scores.items() if score is not None]


async def test_what_is_sound_is_left_alone(scripts: Scripts) -> None:
    for state in "cxdbtsr" + "q":
        await make(scripts, state, f"job-{state}")
    before = await dump(scripts.raw, f"*{{{scripts.store.queue}}}*")

    assert await repair(scripts) == ([], 0, 0)
    assert await dump(scripts.raw, f"*{{{scripts.store.queue}}}*") == before


@pytest.mark.parametrize("state", UNFINISHED)
async def test_an_unfinished_job_in_no_index_is_put_among_the_dead(
    scripts: Scripts, state: str
) -> None:
    await make(scripts, state)
    for name in KEYS:
        await scripts.raw.zrem(scripts.key(name), "a")

    assert await repair(scripts) == ([b"a"], 0, 0)
    assert await scripts.state("a") == "d"
    assert await reason(scripts, "a") == "corrupt"
    assert await repair(scripts) == ([], 0, 0)
    await scripts.run("replay", "a")
    assert await scripts.claim_ids() == [b"a"], "what can be read of it can be run"


@pytest.mark.parametrize("state", FINISHED)
async def test_a_finished_job_goes_back_into_its_index(scripts: Scripts, state: str) -> None:
    await make(scripts, state)
    (home,) = await indexes_of(scripts, "a")
    await scripts.raw.zrem(scripts.key(home), "a")

    assert await repair(scripts) == ([], 0, 0)
    assert await indexes_of(scripts, "a") == [home]
    assert await scripts.state("a") == state


@pytest.mark.parametrize("text", [b"", b"nonsense", b"\xff\x00,,", b"w,,,,1,0,0,,,,e0000000a"])
@pytest.mark.parametrize("state", UNFINISHED + FINISHED)
async def test_a_job_whose_record_cannot_be_read_is_put_among_the_dead(
    scripts: Scripts, state: str, text: bytes
) -> None:
    await make(scripts, state)
    await scripts.raw.hset(scripts.key("runs"), "a", text)
    if state == "b":
        await scripts.raw.delete(scripts.key("unknown"))

    assert await repair(scripts) == ([b"a"], 0, 0)
    assert await indexes_of(scripts, "a") == ["dead"]
    assert await reason(scripts, "a") == "corrupt"


@pytest.mark.parametrize("index", KEYS)
@pytest.mark.parametrize("state", ["q", "r", "c"])
async def test_a_second_index_lets_go_of_a_job(scripts: Scripts, state: str, index: str) -> None:
    await make(scripts, state)
    (home,) = await indexes_of(scripts, "a")
    if index == home:
        index = "retrying"
    await scripts.raw.zadd(scripts.key(index), {"a": await scripts.now()})

    buried, removed, _ = await repair(scripts)
    assert (buried, removed) == ([], 1)
    assert len(await indexes_of(scripts, "a")) == 1
    assert await scripts.state("a") == state


@pytest.mark.parametrize("score", [float("inf"), float("-inf"), -1.0, 2.0**53, 1e300])
@pytest.mark.parametrize("state", ["q", "s", "t", "r", "b", "c", "x", "d"])
async def test_a_score_that_no_script_writes(scripts: Scripts, state: str, score: float) -> None:
    await make(scripts, state)
    (home,) = await indexes_of(scripts, "a")
    await scripts.raw.zadd(scripts.key(home), {"a": score})

    buried, _, _ = await repair(scripts)
    assert buried == ([b"a"] if state in UNFINISHED else [])
    assert await scripts.state("a") == ("d" if state in UNFINISHED else state)
    (index,) = await indexes_of(scripts, "a")
    found = await scripts.raw.zscore(scripts.key(index), "a")
    assert abs(found - await scripts.now()) < MINUTE


async def test_what_is_left_of_no_job_goes(scripts: Scripts) -> None:
    await make(scripts, "q")
    for name in ("runs", "results", "errors"):
        await scripts.raw.hset(scripts.key(name), "ghost", "c,,,,1,0,0,,1,2,e0000000a")
    for name in KEYS:
        await scripts.raw.zadd(scripts.key(name), {"ghost": 1})
    await scripts.raw.hset(scripts.key("results"), "a", "of a job that did not complete")

    buried, removed, _ = await repair(scripts)
    assert buried == []
    assert removed > 0
    assert await scripts.claim_ids() == [b"a"]


@pytest.mark.behaviour("F33")
@pytest.mark.parametrize(("options", "lease"), [("", 15_000), (",l60000", 60_000)])
async def test_a_lease_further_ahead_than_it_can_be_is_cut(
    scripts: Scripts, options: str, lease: int
) -> None:
    await scripts.enqueue("a", "b", options=options)
    await scripts.claim()
    later = await scripts.now() + 3_600_000
    await scripts.raw.zadd(scripts.key("leases"), {"a": later})
    sound = await scripts.raw.zscore(scripts.key("leases"), "b")

    assert await repair(scripts) == ([], 0, 1)
    scores: dict[bytes, Any] = dict(
        await scripts.raw.zrange(scripts.key("leases"), 0, -1, withscores=True)
    )
    assert abs(scores[b"a"] - await scripts.now() - lease) < 5000
    assert scores[b"b"] == sound


async def test_a_queue_that_does_not_exist_is_not_made(scripts: Scripts) -> None:
    assert await repair(scripts) == ([], 0, 0)
    assert await dump(scripts.raw, f"*{{{scripts.store.queue}}}*") == {}
