"""Whose turn it is among the jobs that the limit of a task holds back."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from tests.support.other_clock import at
from tests.support.scripts import Scripts

pytestmark = pytest.mark.usefixtures("stopped_clock")


def spec(task: str) -> bytes:
    return msgspec.msgpack.encode([1, task, [[]]])


SLOW, QUICK = spec("slow"), spec("quick")


@pytest.fixture
async def one_at_once(scripts: Scripts) -> Scripts:
    await at(scripts, 0)
    await scripts.run("limit", "tslow", "1,,")
    return scripts


async def enqueue(scripts: Scripts, key: str, numbers: Sequence[int], options: str = "") -> None:
    """Add jobs of the slow task, whose ids sort the other way round than they come."""
    named = f",g{key}" if key else ""
    for number in numbers:
        job = f"{key or '-'}{100 - number}"
        await scripts.enqueue(job, options=named + options, spec=SLOW)


def names(jobs: Sequence[str]) -> list[str]:
    """Return keys and numbers of jobs."""
    return [f"{job[0]}{100 - int(job[1:])}" for job in jobs]


async def run_all(scripts: Scripts, most: int = 100) -> list[str]:
    """Run job after job, as many as are claimed at once, and return them in the order of starts."""
    order: list[str] = []
    claims = await scripts.claim(10)
    while claims and len(order) < most:
        order += [claim.id.decode() for claim in claims]
        ends = [scripts.ended(claim) for claim in claims]
        claims = (await scripts.exchange(*ends, limit=10)).claims
    return names(order)


async def test_a_key_that_comes_later_does_not_stand_behind_all_that_is_held_back(
    one_at_once: Scripts,
) -> None:
    await enqueue(one_at_once, "a", range(40))
    first = await one_at_once.claim(10)
    await enqueue(one_at_once, "b", range(3))

    reply = await one_at_once.exchange(one_at_once.ended(first[0]), limit=10)
    order = names([claim.id.decode() for claim in reply.claims])
    await one_at_once.exchange(one_at_once.ended(reply.claims[0]))
    order += await run_all(one_at_once, 6)
    assert order == ["a1", "a2", "a3", "b0", "a4", "b1", "a5"]


async def test_other_tasks_do_not_move_it_behind_them(one_at_once: Scripts) -> None:
    await enqueue(one_at_once, "a", range(40))
    (held,) = await one_at_once.claim(10)
    held_ended = one_at_once.ended(held)
    await one_at_once.enqueue(*(f"q{number}" for number in range(100)), options=",gq", spec=QUICK)
    quick = await one_at_once.claim(100)
    await one_at_once.exchange(*(one_at_once.ended(claim) for claim in quick))
    await enqueue(one_at_once, "b", range(1))
    assert await one_at_once.claim(10) == []

    await one_at_once.exchange(held_ended)
    assert await run_all(one_at_once, 4) == ["a1", "a2", "b0", "a3"]


async def test_keys_have_as_many_turns_as_they_weigh(one_at_once: Scripts) -> None:
    await one_at_once.run("weigh", "a", 3, 1000)
    await enqueue(one_at_once, "a", range(30))
    await enqueue(one_at_once, "b", range(30))

    order = await run_all(one_at_once)
    assert [sum(job[0] == "a" for job in order[:most]) for most in (13, 25, 37)] == [10, 19, 28]
    assert [job for job in order if job[0] == "b"] == [f"b{number}" for number in range(30)]


async def test_jobs_without_a_key_count_as_one_more_key(one_at_once: Scripts) -> None:
    await enqueue(one_at_once, "", range(20))
    await one_at_once.claim(10)
    await enqueue(one_at_once, "a", range(20))
    await enqueue(one_at_once, "", range(20, 25))
    await one_at_once.claim(10)
    await one_at_once.run("limit", "tslow", ",,")
    await one_at_once.run("limit", "tslow", "2,,")

    order = await run_all(one_at_once)
    assert [job for job in order if job[0] == "-"] == [f"-{number}" for number in range(1, 25)]
    assert order.index("a9") < order.index("-14")


async def test_a_higher_priority_goes_first(one_at_once: Scripts) -> None:
    await enqueue(one_at_once, "a", range(5))
    await enqueue(one_at_once, "b", range(5), ",p3")
    assert await run_all(one_at_once, 5) == [f"b{number}" for number in range(5)]


async def test_one_that_comes_back_goes_before_the_others_of_its_key(scripts: Scripts) -> None:
    await at(scripts, 0)
    await scripts.run("limit", "tslow", "2,,")
    await enqueue(scripts, "a", range(6))
    one, two = await scripts.claim(10)
    await enqueue(scripts, "b", range(1))
    one_ended, two_ended = scripts.ended(one, "r", 0), scripts.ended(two)
    assert await scripts.claim(10) == []
    await scripts.run("limit", "tslow", "1,,")

    assert (await scripts.exchange(one_ended, limit=10)).claims == []
    reply = await scripts.exchange(two_ended, limit=1)
    assert names([claim.id.decode() for claim in reply.claims]) == ["a0"]
    await scripts.exchange(scripts.ended(reply.claims[0]))
    assert await run_all(scripts) == ["a2", "a3", "b0", "a4", "a5"]


async def test_one_that_comes_back_behind_another_key_goes_before_the_others_of_its_own(
    scripts: Scripts,
) -> None:
    await at(scripts, 0)
    await scripts.run("limit", "tslow", "3,,")
    await scripts.run("limit", "kb", "1,,")
    await enqueue(scripts, "b", range(2))
    (claim,) = await scripts.claim(10)
    b_ended = scripts.ended(claim)
    await scripts.enqueue(*(f"q{number}" for number in range(30)), spec=QUICK)
    quick = await scripts.claim(30)
    await scripts.exchange(*(scripts.ended(claim) for claim in quick))
    await enqueue(scripts, "a", [0])
    await enqueue(scripts, "c", [0])
    ends = {claim.id[:1]: scripts.ended(claim) for claim in await scripts.claim(10)}
    back = ends[b"a"]._replace(what="r 0 1")
    await scripts.run("limit", "tslow", "2,,")
    assert (await scripts.exchange(b_ended, limit=10)).claims == []
    await enqueue(scripts, "a", range(1, 4))
    assert await scripts.claim(10) == []

    await scripts.run("limit", "tslow", "1,,")
    assert (await scripts.exchange(back, limit=10)).claims == []
    await scripts.exchange(ends[b"c"])
    assert await run_all(scripts) == ["b1", "a0", "a1", "a2", "a3"]


async def test_one_that_has_started_has_no_turn_of_before(scripts: Scripts) -> None:
    await at(scripts, 0)
    await scripts.run("limit", "tslow", ",1,1000")
    await enqueue(scripts, "a", range(5))
    await scripts.claim(10)
    started = []
    for window in range(1, 6):
        await at(scripts, 1_100 * window)
        (claim,) = await scripts.claim(10)
        started.append(claim.id.decode())
        await scripts.exchange(scripts.ended(claim, *(("z", 0) if window == 1 else ("c",))))
        assert await scripts.claim(10) == []

    assert names(started) == ["a1", "a2", "a3", "a4", "a1"]


@pytest.mark.parametrize(("priority", "place"), [(-5, 5), (3, 2)])
async def test_one_that_was_let_out_and_gets_another_priority_has_the_turn_of_that(
    scripts: Scripts, priority: int, place: int
) -> None:
    await at(scripts, 0)
    await scripts.run("limit", "tslow", ",1,1000")
    await scripts.enqueue("first", "moved", "a", "b", spec=SLOW)
    (first,) = await scripts.claim(10)
    await scripts.exchange(scripts.ended(first))
    await at(scripts, 2000)
    await scripts.exchange(limit=0)
    assert await scripts.state("moved") == "q", "it was let out"
    await scripts.enqueue("high", options=",p5", spec=SLOW)
    await scripts.enqueue("as high", options=",p5", spec=SLOW)
    await scripts.enqueue("middle", options=",p2", spec=SLOW)
    await scripts.operate("move", "moved", priority, "")

    order: list[str] = []
    for number in range(2, 8):
        await at(scripts, number * 2000)
        (claim,) = await scripts.claim(10)
        order.append(claim.id.decode())
        await scripts.exchange(scripts.ended(claim))
    wanted = ["high", "as high", "middle", "a", "b"]
    wanted.insert(place, "moved")
    assert order == wanted


async def test_who_was_let_out_by_its_turn_starts(scripts: Scripts) -> None:
    await at(scripts, 0)
    await scripts.run("limit", "tslow", ",2,1000")
    await enqueue(scripts, "a", range(20))
    assert len(await scripts.claim(10)) == 2
    await enqueue(scripts, "b", range(4))
    started = []
    for window in range(1, 5):
        assert await scripts.claim(10) == []
        await at(scripts, 1_100 * window)
        started += [claim.id.decode() for claim in await scripts.claim(10)]

    assert names(started) == ["a2", "a3", "a4", "b0", "a5", "b1", "a6", "b2"]


async def test_the_slot_of_one_that_expires_as_it_is_claimed_is_there_for_the_next(
    one_at_once: Scripts,
) -> None:
    await enqueue(one_at_once, "a", range(2))
    (first,) = await one_at_once.claim(10)
    first_ended = one_at_once.ended(first)
    await enqueue(one_at_once, "a", [2], ",v500")
    await one_at_once.claim(10)
    reply = await one_at_once.exchange(first_ended, limit=10)
    await at(one_at_once, 1_000)
    second_ended = one_at_once.ended(reply.claims[0])
    await enqueue(one_at_once, "a", [3])

    reply = await one_at_once.exchange(second_ended, limit=10)
    assert await one_at_once.state("a98") == "d"
    assert names([claim.id.decode() for claim in reply.claims]) == ["a3"]


@pytest.mark.parametrize("way", ["cancel", "run"])
async def test_nothing_is_left_of_a_turn(one_at_once: Scripts, way: str) -> None:
    await enqueue(one_at_once, "a", range(4))
    await enqueue(one_at_once, "b", range(4))
    claims = await one_at_once.claim(10)
    if way == "cancel":
        for key in "ab":
            for number in range(97, 101):
                await one_at_once.operate("cancel", f"{key}{number}", "{}")
    await one_at_once.exchange(one_at_once.ended(claims[0]))
    await run_all(one_at_once)
    assert await one_at_once.raw.zrange(one_at_once.key("slots"), 0, -1) == []


async def test_a_damaged_lot_is_mended(one_at_once: Scripts) -> None:
    await enqueue(one_at_once, "a", range(4))
    await enqueue(one_at_once, "b", range(4))
    (held,) = await one_at_once.claim(10)
    slots = one_at_once.key("slots")
    before = await one_at_once.raw.zrange(slots, 0, -1)
    turns = [member for member in before if member[:1] == b"u"]
    assert len(turns) == 7
    parked = [member for member in before if member[:1] == b"p"]
    await one_at_once.raw.zrem(slots, *turns[:3], *parked[5:])
    await one_at_once.raw.zadd(slots, {b"utslow,a,0000000000000001,0000000000000001,a99": 0})

    await one_at_once.run("repair", 100)
    await one_at_once.run("repair", 100)
    assert await one_at_once.raw.zrange(slots, 0, -1) == before
    await one_at_once.exchange(one_at_once.ended(held))
    assert len(await run_all(one_at_once)) == 7
