"""Jobs that asked to go first (option L): their places, and what these leave as it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.lua.test_ticks import ID, fire, put
from tests.support.other_clock import START, at
from tests.support.scripts import Member, Scripts, token

stopped_clock = pytest.mark.usefixtures("stopped_clock")
FIRST, BAND, FRONT = ",L1", 2**42, 2**40
SPEC = b"\x93\x01\xa4work\x91\x90"
ERROR = '{"type":"E","at":0}'


async def order(scripts: Scripts) -> list[str]:
    """Return what is ready, in the order of claims."""
    return [id.decode() for id in await scripts.raw.zrange(scripts.key("ready"), 0, -1)]


async def place(scripts: Scripts, id: str) -> int:
    return int(await scripts.raw.zscore(scripts.key("ready"), id)) % BAND


async def end(scripts: Scripts, code: str, argument: int | str) -> None:
    """Claim all that waits, and end it in the same way."""
    claims = await scripts.claim()
    await scripts.exchange(*(scripts.ended(claim, code, argument, ERROR) for claim in claims))


async def test_the_newest_goes_first_in_its_priority_and_no_further(scripts: Scripts) -> None:
    await scripts.enqueue("a", "b")
    await scripts.enqueue("high", options=",p1")
    await scripts.enqueue("c", options=FIRST)
    await scripts.enqueue("d", "e", options=FIRST)
    await scripts.enqueue("f")
    await scripts.enqueue("low", options=",p-1" + FIRST)

    assert await order(scripts) == ["high", "e", "d", "c", "a", "b", "f", "low"]
    assert await scripts.claim_ids(3) == [b"high", b"e", b"d"]
    await scripts.enqueue("g", options=FIRST)
    assert await scripts.claim_ids(3) == [b"g", b"c", b"a"]


async def test_it_takes_no_arrival(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    await scripts.enqueue("b", "c", options=FIRST)
    await scripts.enqueue("d")

    assert [await place(scripts, id) - FRONT for id in "abcd"] == [1, -1, -2, 2]


async def _due(scripts: Scripts) -> None:
    await scripts.enqueue("x", "y", options=",y60000" + FIRST)
    await scripts.enqueue("a")
    await scripts.raw.zadd(scripts.key("scheduled"), {"x": 1, "y": 1})
    await scripts.exchange()


async def _promoted(scripts: Scripts) -> None:
    await scripts.enqueue("x", "y", options=",y60000" + FIRST)
    await scripts.enqueue("a")
    await scripts.operate("promote", "st", "x", "y")


async def _moved(scripts: Scripts) -> None:
    await scripts.enqueue("x", "y", options=",y60000" + FIRST)
    await scripts.enqueue("a")
    await scripts.operate("move", "x", "", "now")
    await scripts.operate("move", "y", "", "w" + str(START - 1))


async def _replayed(scripts: Scripts) -> None:
    await scripts.enqueue("x", "y", options=FIRST)
    await end(scripts, "d", "")
    await scripts.enqueue("a")
    await scripts.operate("replay", "d", "x", "y")


async def _free(scripts: Scripts) -> None:
    await scripts.enqueue("p")
    (parent,), nonce = await scripts.claim(), scripts.nonce
    await scripts.enqueue_flow({"x": ["p"]}, options=",ff" + FIRST)
    await scripts.enqueue_flow({"y": ["p"]}, options=",ff" + FIRST)
    await scripts.enqueue("a")
    await scripts.exchange(Member(parent.id, token(parent, nonce), "1"))


async def _followed(scripts: Scripts) -> None:
    await scripts.enqueue("p", options=",udf:k", needs=2)
    (parent,), nonce = await scripts.claim(), scripts.nonce
    await scripts.enqueue("y", options=",udf:k" + FIRST, needs=2)
    await scripts.enqueue("a")
    await scripts.enqueue("x", options=FIRST)
    await scripts.exchange(Member(parent.id, token(parent, nonce), "1"))


@pytest.mark.parametrize("way", [_due, _promoted, _moved, _replayed, _free, _followed])
async def test_whenever_it_becomes_ready_it_goes_to_the_front(
    scripts: Scripts, way: Callable[[Scripts], Awaitable[None]]
) -> None:
    await way(scripts)

    assert await order(scripts) == ["y", "x", "a"]


@pytest.mark.parametrize("code", ["t", "z"])
@pytest.mark.parametrize("delay", [0, 60_000])
async def test_once_it_has_failed_or_snoozed_it_waits_like_any_other(
    scripts: Scripts, code: str, delay: int
) -> None:
    await scripts.enqueue("x", options=FIRST)
    await end(scripts, code, delay)
    await scripts.enqueue("a")
    if delay:
        index = "scheduled" if code == "z" else "retrying"
        await scripts.raw.zadd(scripts.key(index), {"x": 1})
        await scripts.exchange()
    await scripts.enqueue("b")

    assert await order(scripts) == (["a", "x", "b"] if delay else ["x", "a", "b"])
    assert await place(scripts, "x") > FRONT

    await end(scripts, "d", "")
    await scripts.enqueue("c")
    await scripts.operate("replay", "d", "x")
    assert await order(scripts) == ["x", "c"]
    assert await place(scripts, "x") < FRONT


@stopped_clock
async def test_handed_back_or_lost_it_stands_at_its_own_place(scripts: Scripts) -> None:
    await at(scripts, 0)
    await scripts.enqueue("a", "b")
    await scripts.enqueue("x", "y", options=FIRST)
    claims, nonce = await scripts.claim(3), scripts.nonce
    assert [claim.id for claim in claims] == [b"y", b"x", b"a"]
    await scripts.enqueue("z", options=FIRST)
    back = [Member(claim.id, token(claim, nonce), "r  1") for claim in claims[1:]]
    await scripts.exchange(*back)
    assert await order(scripts) == ["z", "x", "a", "b"]

    # The lease of the other one runs out.
    await at(scripts, 20_000)
    await scripts.meta(beat=START + 20_000, hold=0)
    await scripts.exchange()
    assert await order(scripts) == ["z", "y", "x", "a", "b"]


async def test_another_priority_is_that_of_the_same_place(scripts: Scripts) -> None:
    await scripts.enqueue("a", options=",p3")
    await scripts.enqueue("x", options=FIRST)
    await scripts.enqueue("y", options=",p3" + FIRST)
    await scripts.operate("move", "x", "3", "")

    assert await order(scripts) == ["y", "x", "a"]


async def test_a_parked_one_is_back_at_its_place_when_its_task_is_known(scripts: Scripts) -> None:
    await scripts.enqueue("x", options=FIRST)
    await scripts.enqueue("a")
    (x, a), nonce = await scripts.claim(), scripts.nonce
    await scripts.exchange(
        Member(a.id, token(a, nonce), "b  1", value="other"),
        Member(x.id, token(x, nonce), "b  1", value="other"),
    )
    await scripts.enqueue("y", options=FIRST)
    await scripts.enqueue("b")

    assert await scripts.claim_ids(adopt=("other",)) == [b"y", b"x", b"a", b"b"]


async def test_held_back_by_a_limit_it_is_let_out_first(scripts: Scripts) -> None:
    await scripts.run("limit", "twork", "1,,")
    await scripts.enqueue("a", "b", "c", spec=SPEC)
    claims, nonce, found = await scripts.claim(), scripts.nonce, list[str]()
    await scripts.enqueue("x", "y", options=FIRST, spec=SPEC)
    await scripts.exchange(limit=9)
    scripts.nonce = nonce
    while claims:
        found += [claim.id.decode() for claim in claims]
        claims = (await scripts.exchange(*map(scripts.ended, claims), limit=9)).claims

    assert found == ["a", "y", "x", "b", "c"]


async def _mixed(scripts: Scripts, *, first: bool) -> list[str]:
    """Let keys take turns, beside jobs that go first or without them; return the others' order."""
    found: list[str] = []
    number = 0
    for turn in range(30):
        if first and turn < 24:
            await scripts.enqueue(f"x{turn}", f"y{turn}", options=FIRST)
        for key, count in (("a", 3), ("b", 1 + turn % 2), (f"n{turn}", 1), ("", turn % 3)):
            for _ in range(count if turn < 20 else 0):
                number += 1
                await scripts.enqueue(
                    f"{key or '-'}.{number:03}", options=f",g{key}" if key else ""
                )
        if turn == 12:
            await scripts.operate(
                "cancel", [id for id in await order(scripts) if id[0] == "a"][-1], "{}"
            )
            while await scripts.run("forgive", 5):
                pass
        claims, nonce = await scripts.claim(6 if first and turn < 24 else 4), scripts.nonce
        ids = [claim.id.decode() for claim in claims]
        if first and turn < 24:
            assert ids[:2] == [f"y{turn}", f"x{turn}"]
            claims, ids = claims[2:] + claims[:2], ids[2:]
        found += ids
        ended = [
            Member(claim.id, token(claim, nonce), "r  1" if at % 3 == 2 and at < 4 else "1")
            for at, claim in enumerate(claims)
        ]
        await scripts.exchange(*ended)
    return found


async def test_turns_of_keys_are_the_same_with_them_as_without_them(scripts: Scripts) -> None:
    with_them = await _mixed(scripts, first=True)
    await scripts.destroy()
    without = await _mixed(scripts, first=False)

    assert len(set(with_them)) > 60
    assert with_them == without


async def test_turns_behind_a_limit_are_the_same_with_them_as_without_them(
    scripts: Scripts,
) -> None:
    orders = []
    for first in (False, True):
        await scripts.run("limit", "twork", "1,,")
        await scripts.enqueue("-", spec=SPEC)
        claims, nonce, found = await scripts.claim(9), scripts.nonce, list[str]()
        await scripts.enqueue(*(f"a{n}" for n in range(5)), options=",ga", spec=SPEC)
        await scripts.enqueue("low", "-0", "-1", spec=SPEC)
        await scripts.operate("cancel", "low", "{}")
        await scripts.exchange(limit=9)
        if first:
            await scripts.enqueue("x", "y", options=FIRST, spec=SPEC)
            await scripts.exchange(limit=9)
        for key in "bc":
            await scripts.enqueue(f"{key}0", f"{key}1", options=f",g{key}", spec=SPEC)
        await scripts.exchange(limit=9)
        scripts.nonce = nonce
        while claims:
            found += [claim.id.decode() for claim in claims]
            claims = (await scripts.exchange(*map(scripts.ended, claims), limit=9)).claims
        if first:
            assert found[:3] == ["-", "y", "x"]
        orders.append([id for id in found if id not in "xy"])
        await scripts.destroy()

    assert orders[0] == orders[1]
    assert len(orders[0]) == 12


@stopped_clock
async def test_they_hide_nobody_who_has_waited_for_long(scripts: Scripts) -> None:
    await at(scripts, 0)
    await scripts.operate("age", 1_000)
    await scripts.enqueue("old", options=",p-1")
    await scripts.enqueue("x00", options=",p-1" + FIRST)
    await at(scripts, 500)
    await scripts.enqueue(*(f"x{n:02}" for n in range(1, 30)), options=",p-1" + FIRST)
    await scripts.enqueue("a", "b")
    await at(scripts, 1_000)

    # As if they had come with that priority: the one before, and the other behind who waits there.
    assert await scripts.claim_ids(2) == [b"x00", b"old"]
    assert await scripts.claim_ids(3) == [b"a", b"b", b"x29"]


@stopped_clock
async def test_large_ones_rise_one_after_the_other(scripts: Scripts) -> None:
    await at(scripts, 0)
    await scripts.operate("age", 1_000)
    large = b"x" * 300_000
    await scripts.enqueue("x", "y", options=",p-1" + FIRST, spec=large)
    await scripts.enqueue("a", "b", options=",p-1", spec=large)
    await at(scripts, 1_000)
    await scripts.enqueue(*(f"h{n}" for n in range(9)))

    found = [(await scripts.claim_ids(1))[0].decode() for _ in range(4)]
    assert sorted(found) == ["a", "b", "x", "y"]


@stopped_clock
async def test_the_longest_wait_is_found_behind_them_and_among_them(scripts: Scripts) -> None:
    await at(scripts, 0)
    await scripts.enqueue("x", options=FIRST)
    await at(scripts, 1_000)
    await scripts.enqueue("a")
    await at(scripts, 2_000)
    await scripts.enqueue("y", options=FIRST)
    await at(scripts, 3_000)

    assert (await scripts.run("counts"))[10] == 3_000
    assert await scripts.run("priorities", "0") == [b"", [0, 3, 3_000]]
    await scripts.operate("cancel", "x", "{}")
    assert (await scripts.run("counts"))[10] == 2_000
    await scripts.operate("cancel", "a", "{}")
    assert await scripts.run("priorities", "0") == [b"", [0, 1, 1_000]]


@pytest.mark.parametrize("later", [0, 1000])
async def test_replaced_it_keeps_its_place_where_the_other_one_asks_too(
    scripts: Scripts, later: int
) -> None:
    """Both, the first one alone, the second one alone."""
    unique = ",udr:{}"
    for key, options in (("both", FIRST), ("was", FIRST), ("is", "")):
        wait = f",y{later}" if later else ""
        await scripts.enqueue(key, options=unique.format(key) + wait + options, needs=2)
    await scripts.enqueue("a")
    await scripts.enqueue("x", options=FIRST)
    for key, options in (("both", FIRST), ("was", ""), ("is", FIRST)):
        await scripts.enqueue(f"new-{key}", options=unique.format(key) + options, needs=2)

    if later:
        assert await order(scripts) == ["is", "both", "x", "a", "was"]
    else:
        assert await order(scripts) == ["is", "x", "both", "a", "was"]


async def test_without_room_in_front_they_stay_before_all_arrivals(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    await scripts.meta(front=FRONT - 1)
    await scripts.enqueue("z", "y", "x", options=FIRST)

    assert await order(scripts) == ["x", "y", "z", "a"]
    assert [await place(scripts, id) for id in "xyz"] == [0, 0, 0]
    (x,), nonce = await scripts.claim(1), scripts.nonce
    await scripts.exchange(Member(x.id, token(x, nonce), "r  1"))
    assert await scripts.claim_ids() == [b"x", b"y", b"z", b"a"]


async def test_the_ticks_of_a_schedule_go_first(scripts: Scripts) -> None:
    await put(scripts, START)
    await scripts.enqueue("a")
    assert await fire(scripts, START, START + 1, START - 1, START, options=FIRST) == 2

    assert await order(scripts) == [f"{ID}:{START}", f"{ID}:{START - 1}", "a"]


async def test_a_call_without_one_asks_for_no_more_than_before(scripts: Scripts) -> None:
    """No command touches what counts the places in front."""
    await scripts.enqueue("a", "b", options=",p3")
    await scripts.enqueue("c", options=",gk")
    await end(scripts, "t", 0)
    assert not await scripts.raw.hexists(scripts.key("meta"), "front")
