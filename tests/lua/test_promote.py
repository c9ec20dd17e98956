"""promote.lua: many jobs that wait for their time queue up, each call all or nothing, and once."""

from __future__ import annotations

import secrets

from tests.lua.test_reading import one_of_each
from tests.support.scripts import Scripts


async def promote(scripts: Scripts, *ids: str, states: str = "st", call: str = "") -> str:
    call = call or secrets.token_hex(16)
    return str((await scripts.run("promote", call, states, *ids)).decode())


async def test_only_what_waits_for_its_time_is_promoted(scripts: Scripts) -> None:
    await one_of_each(scripts)
    assert await promote(scripts, *"ckdxtbrsq", "unknown", states="s") == "ccdxtbrSq-"
    assert await promote(scripts, *"ts", "t") == "Tqq"
    assert [await scripts.state(id) for id in "ts"] == ["q", "q"]
    assert await scripts.raw.zcard(scripts.key("scheduled")) == 0
    assert await scripts.raw.zcard(scripts.key("retrying")) == 0


async def test_they_start_in_the_order_of_the_call_by_priority_and_key(scripts: Scripts) -> None:
    await scripts.enqueue("a", "b", "c", options=",y60000")
    await scripts.enqueue("high", options=",y60000,p5")
    await scripts.enqueue("k1", "k2", options=",y60000,gk")
    await scripts.enqueue("other", options=",y60000,gother")
    assert await promote(scripts, "c", "k1", "k2", "other", "a", "high", "b") == "SSSSSSS"

    started = await scripts.claim_ids()
    assert started[0] == b"high"
    assert [id for id in started if id in {b"a", b"b", b"c"}] == [b"c", b"a", b"b"]
    assert started.index(b"k1") < started.index(b"k2")
    assert started.index(b"other") < started.index(b"k2"), "each key has a turn"


async def test_a_call_that_is_sent_again_promotes_no_more(scripts: Scripts) -> None:
    await scripts.enqueue("a", options=",y60000")
    call = secrets.token_hex(16)
    assert await promote(scripts, "a", call=call) == "S"
    (claim,) = await scripts.claim()
    await scripts.exchange(scripts.ended(claim, "t", 60_000, value=b"{}"))
    assert await scripts.state("a") == "t"

    assert await promote(scripts, "a", call=call) == "S", "as the first time"
    assert await scripts.state("a") == "t", "its next attempt waits"


async def test_a_suspect_stays_one(scripts: Scripts) -> None:
    await scripts.enqueue("a", options=",d9")
    for _ in range(2):
        await scripts.claim()
        await scripts.expire_lease("a")
        await scripts.exchange()
    (claim,) = await scripts.claim()
    await scripts.exchange(scripts.ended(claim, "t", 60_000, value=b"{}"))
    assert await promote(scripts, "a") == "T"
    assert await scripts.raw.zscore(scripts.key("suspects"), "a") is not None


async def test_the_time_of_the_promotion_is_its_own_from_then_on(scripts: Scripts) -> None:
    await scripts.enqueue("a", options=",y60000")
    await promote(scripts, "a")
    header, _, spec = (await scripts.raw.hget(scripts.key("jobs"), "a")).partition(b"\n")
    assert (header.count(b",w"), spec) == (1, b"spec")
    assert int(header.partition(b",w")[2].partition(b",")[0]) <= await scripts.now()


async def test_large_jobs_are_left_for_the_next_call(scripts: Scripts) -> None:
    ids = [f"j{n}" for n in range(6)]
    for id in ids:
        await scripts.enqueue(id, options=",y60000", spec=b"x" * 1_000_000)
    assert await promote(scripts, *ids) == "SSSSS"
    assert await promote(scripts, ids[-1]) == "S"


async def test_a_queue_that_is_not_there_is_not_made(scripts: Scripts) -> None:
    assert await promote(scripts, "a", "b") == "--"
    assert await scripts.raw.exists(scripts.key("producers")) == 0
