"""The lines of keys: how many jobs may wait for their first start, and who counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import redis.exceptions

from tests.lua.test_promote import promote
from tests.support.scripts import Scripts, dump

LINE = ",gk,b1"


async def add(scripts: Scripts, *ids: str, most: int = 2, options: str = LINE, **more: Any) -> str:
    """Add jobs of a key that may have so many; a flag a job."""
    reply = await scripts.enqueue(*ids, options=options, max_length=f"0 {most}", **more)
    assert reply[0] == b"OK"
    return str(reply[1].decode())


async def line(scripts: Scripts) -> list[str]:
    """Return who is in a line, by the ids."""
    members = await scripts.raw.zrange(scripts.key("slots"), 0, -1)
    return sorted(member.decode().partition(",")[2] for member in members if member[:1] == b"l")


async def test_each_key_has_so_many_jobs_that_have_not_started(scripts: Scripts) -> None:
    assert await add(scripts, "a", "b", "c", "d") == "1155"
    assert await add(scripts, "e", options=",gother,b1") == "1"
    assert await add(scripts, "f", options="") == "1", "one without a key is not counted"
    assert await line(scripts) == ["a", "b", "e"]
    (claim,) = await scripts.claim(1)
    assert claim.id == b"a"
    assert await line(scripts) == ["b", "e"]
    assert await add(scripts, "c", "d") == "15"
    assert [await scripts.state(id) for id in "abcd"] == ["r", "q", "q", ""]


@pytest.mark.parametrize("code", ["t", "z", "r", "b", "c"])
async def test_who_has_started_once_never_counts_again(scripts: Scripts, code: str) -> None:
    assert await add(scripts, "a", most=1) == "1"
    (claim,) = await scripts.claim()
    value = "work" if code == "b" else b"{}" if code == "t" else b""
    await scripts.exchange(scripts.ended(claim, code, 60_000 if code != "c" else "", value=value))
    assert await line(scripts) == []
    if code == "t":
        assert await promote(scripts, "a") == "T"
    assert await add(scripts, "b", "c", most=1) == "15"
    assert await line(scripts) == ["b"]


async def test_a_replay_does_not_count(scripts: Scripts) -> None:
    await add(scripts, "a", most=1)
    assert await scripts.operate("cancel", "a", b"{}") == b"q"
    assert await line(scripts) == []
    assert await scripts.run("replay", "ac", "x", "a") == [b"x"]
    assert await line(scripts) == []
    assert await add(scripts, "b", most=1) == "1"


async def test_who_waits_for_its_time_or_for_others_counts(scripts: Scripts) -> None:
    assert await add(scripts, "late", options=LINE + ",y60000") == "1"
    assert await add(scripts, "b", "c") == "15"
    await scripts.make_due("scheduled", "late")
    await scripts.exchange()
    assert await line(scripts) == ["b", "late"]


async def test_an_end_without_a_start_leaves_the_line(scripts: Scripts) -> None:
    await add(scripts, "removed", "cancelled", "expired", most=9, options=LINE + ",v1")
    assert await scripts.run("remove", "ab", "qs", 0, "removed") == b"Q"
    assert await scripts.operate("cancel", "cancelled", b"{}") == b"q"
    assert await line(scripts) == ["expired"]
    while await scripts.state("expired") == "q":
        await scripts.exchange(limit=1)
        if await line(scripts):
            pytest.fail("it started, or counts still")
    assert await scripts.state("expired") == "d"
    assert await line(scripts) == []


async def test_a_call_that_is_sent_again_is_answered_as_the_first_time(scripts: Scripts) -> None:
    assert await add(scripts, "a", "b", "c", counter=5) == "115"
    await scripts.claim()
    assert await add(scripts, "a", "b", "c", counter=5) == "115"
    assert await line(scripts) == []


async def test_what_is_refused_costs_nothing_of_the_rate_and_the_other_way(
    scripts: Scripts,
) -> None:
    assert await add(scripts, "a", "b", most=1, rate="3 60000") == "15"
    assert await add(scripts, "c", "d", "e", most=9, rate="3 60000") == "112"
    assert await line(scripts) == ["a", "c", "d"]
    assert await add(scripts, "e", "f", most=5, rate="1 1", options=LINE) == "12"
    assert await line(scripts) == ["a", "c", "d", "e"]
    await scripts.claim()
    assert await add(scripts, "g", most=1, rate="1 60000") == "1"
    await scripts.claim()
    assert await add(scripts, "h", "i", most=1, rate="1 60000") == "22", "and none in line"


async def test_a_key_that_begins_as_another_has_a_line_of_its_own(scripts: Scripts) -> None:
    for key in ("k!", "k%2C", "k-", "k0", "k"):
        assert await add(scripts, f"1{key}", f"2{key}", most=1, options=f",g{key},b1") == "15"


async def test_ids_that_are_taken_take_no_place(scripts: Scripts) -> None:
    assert await add(scripts, "a", "a", "b", "c") == "1015"
    assert await add(scripts, "a", "b") == "00"


UNIQUE = ",ud{}:work/{}"


async def test_one_that_replaces_another_takes_its_place(scripts: Scripts) -> None:
    first, same = LINE + UNIQUE.format("r", "u"), {"most": 1, "needs": 2}
    assert await add(scripts, "a", options=first, **same) == "1"
    assert await add(scripts, "b", options=first, **same) == "4", "full, and no more than before"
    assert await line(scripts) == ["a"]
    moved = ",gother,b1" + UNIQUE.format("r", "u")
    assert await add(scripts, "c", options=moved, **same) == "4"
    assert await scripts.raw.zrange(scripts.key("slots"), 0, -1) == [b"lother,a"]
    assert await add(scripts, "d", most=1) == "1", "it left the line of its key"
    assert await add(scripts, "e", options=first, **same) == "5", "the line of the new one is full"
    assert await scripts.raw.zrange(scripts.key("slots"), 0, -1) == [b"lk,d", b"lother,a"]
    bare = UNIQUE.format("r", "u")
    assert await add(scripts, "f", options=bare, **same) == "4"
    assert await line(scripts) == ["d"]


async def test_in_one_call_the_last_of_a_unique_key_says_whose_line_it_is(
    scripts: Scripts,
) -> None:
    both = [LINE + UNIQUE.format("r", "u"), ",gother,b1" + UNIQUE.format("r", "u")]
    jobs = zip("abc", [*both, LINE], strict=True)
    words = [word for id, each in jobs for word in (id, "1" + each, b"")]
    reply = await scripts.run("enqueue", "ab", 1, "0 1", 2, "", 1, "work", *words)
    assert reply == [b"OK", b"141", b"1:a"]
    assert await scripts.raw.zrange(scripts.key("slots"), 0, -1) == [b"lk,c", b"lother,a"]


@pytest.mark.corrupts
async def test_a_line_that_disagrees_with_the_records_is_mended(scripts: Scripts) -> None:
    await add(scripts, "a", "late", most=9)
    await add(scripts, "c", most=9, options=LINE + ",y60000")
    slots = scripts.key("slots")
    await scripts.raw.zrem(slots, "lk,c")
    await scripts.raw.zadd(slots, {"lk,nobody": 0, "lother,a": 0})
    dead, removed, _ = await scripts.run("repair", 100)
    assert (dead, removed) == ([], 2)
    assert await line(scripts) == ["a", "c", "late"]
    await scripts.raw.zrem(slots, "lk,a")
    await scripts.run("repair", 100)
    assert await line(scripts) == ["a", "c", "late"]
    await scripts.claim(1)
    await scripts.raw.zadd(slots, {"lk,a": 0})
    await scripts.run("repair", 100)
    assert await line(scripts) == ["c", "late"]


async def test_a_flow_is_added_whole_or_not(scripts: Scripts) -> None:
    async def flow(*ids: str, most: int) -> Sequence[Any]:
        jobs = [word for id in ids for word in (id, "1" + LINE, b"spec")]
        head = ("ab", next(numbers), f"0 {most}", len(ids), "", 1, "work")
        return list(await scripts.run("enqueue_flow", *head, *jobs))

    numbers = iter(range(1, 9))
    assert await flow("a", "b", "c", most=2) == [b"OK", b"995"]
    assert await line(scripts) == []
    assert await flow("a", "b", most=2) == [b"OK", b"11"]
    assert await line(scripts) == ["a", "b"]
    assert await flow("c", most=2) == [b"OK", b"5"]


async def test_a_tick_whose_line_is_full_is_given_up(scripts: Scripts) -> None:
    tick = await scripts.now() - 5000
    await scripts.run("schedule", "s", "ab", "", tick, tick, 1, "definition")
    jobs = [word for n in range(3) for word in (f"s:{n}", f"1{LINE},w{tick}", "spec")]
    made = await scripts.run("fire", "s", "ab", tick, tick + 9, tick, 4, "0 2", "", "work", *jobs)
    assert made == b"115"
    assert await line(scripts) == ["s:0", "s:1"]
    record = await scripts.raw.hget(scripts.key("schedules"), "s")
    assert record.split(b",")[2:4] == [b"2", b"5"], "runs and missed"


@pytest.mark.corrupts
@pytest.mark.behaviour("F19")
async def test_a_start_that_cannot_leave_the_line_is_none(scripts: Scripts) -> None:
    await add(scripts, "a", most=1)
    await scripts.raw.delete(scripts.key("slots"))
    await scripts.raw.set(scripts.key("slots"), "a plain string")
    before = await dump(scripts.raw, f"*{{{scripts.store.queue}}}*")

    with pytest.raises(redis.exceptions.ResponseError, match="WRONGTYPE"):
        await scripts.claim()
    assert await dump(scripts.raw, f"*{{{scripts.store.queue}}}*") == before
