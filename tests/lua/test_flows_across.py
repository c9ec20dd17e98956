"""What queues tell each other of jobs: in any order, twice, and of jobs that have gone on since."""

from __future__ import annotations

from typing import Any
from unittest.mock import ANY

import pytest

from tests.support.scripts import Scripts

HERE, THERE = b"\xffother,p", "\udcffother,p"


async def states(scripts: Scripts, *jobs: str) -> str:
    return "".join([letter.decode() for letter in await scripts.run("states", *jobs)])


async def end(scripts: Scripts, code: str = "c", value: Any = b"value") -> None:
    """Claim what is ready, and end it."""
    (claim,) = await scripts.claim()
    await scripts.exchange(scripts.ended(claim, code, "", value), nonce=scripts.nonce)


async def edges(scripts: Scripts) -> list[bytes]:
    found: list[bytes] = await scripts.raw.zrange(scripts.key("edges"), 0, -1)
    return found


async def test_a_telling_that_comes_late_changes_nothing(scripts: Scripts) -> None:
    await scripts.enqueue_flow({"c": [THERE]})

    assert (await scripts.run("hear", HERE, 5, "d", "{}"))[0] == b"1"
    assert await states(scripts, "c") == "d"
    assert (await scripts.run("hear", HERE, 7, "q", ""))[0] == b"1"
    assert await states(scripts, "c") == "b"
    # Of the end before that.
    assert (await scripts.run("hear", HERE, 6, "d", "{}"))[0] == b"1"
    assert await states(scripts, "c") == "b"
    for _ in range(2):
        assert (await scripts.run("hear", HERE, 8, "c", b"new"))[0] == b"1"
    assert await states(scripts, "c") == "q"
    assert await scripts.run("parents", "c", 0) == [1, b"f", [HERE, b"c", b"new"]]


@pytest.mark.parametrize("older", [True, False])
async def test_what_was_on_its_way_when_a_child_came_tells_it_nothing(
    scripts: Scripts, older: bool
) -> None:
    if older:
        await scripts.enqueue_flow({"o": [THERE]})
    await scripts.enqueue_flow({"c": [THERE]}, floors=("third", "1", "other", "9"))
    # Of one whose producer asked earlier, or not at all.
    await scripts.enqueue_flow({"d": [THERE]}, floors=("third", "20", "other", "7"))
    await scripts.enqueue_flow({"e": [THERE]})

    assert (await scripts.run("hear", HERE, 8, "1,aa,c", b"old"))[0] == b"1"
    assert await states(scripts, *"cde") == "bbb"
    assert b"?" + HERE in await edges(scripts), "somebody asks"
    await scripts.run("hear", HERE, 9, "1,bb,c", b"new")
    assert await states(scripts, *"cde") == "qqq"
    # Those that were told read on until who comes later is told as well.
    await scripts.enqueue_flow({"f": [THERE]}, floors=("other", "12"))
    await scripts.run("hear", HERE, 11, "1,aa,c", b"old")
    assert await states(scripts, *"cf") == "qb"
    assert await scripts.run("parents", "c", 0) == [1, b"f", [HERE, b"c", b"new"]]


async def test_whoever_tells_learns_what_ended_here(scripts: Scripts) -> None:
    await scripts.enqueue_flow({"c": [THERE], "e": ["c"]})
    await scripts.enqueue_flow({"x": [THERE]}, options=",fc")
    await scripts.enqueue_flow({"r": [THERE]}, options=",fr")

    assert await scripts.run("hear", HERE, 5, "q", "") == [b"1"]
    digits, (recovered, *ended) = await scripts.run("hear", HERE, 6, "d", "{}")
    assert (digits, recovered) == (b"1", [])
    assert [sorted(ids) for ids in ended] == [[b"c", b"e"], [b"x"]]
    assert await scripts.run("hear", HERE, 6, "d", "{}") == [b"1"], "told once"


async def test_one_that_failed_and_completed_since_takes_along_what_died_of_it(
    scripts: Scripts,
) -> None:
    await scripts.enqueue_flow({"c": [THERE], "e": ["c"]})
    await scripts.run("hear", HERE, 5, "x", "{}")
    assert await states(scripts, "c", "e") == "dd"

    await scripts.run("hear", HERE, 9, "c", b"value")
    assert await states(scripts, "c", "e") == "qb"


async def test_who_is_added_behind_one_that_is_to_run_again_waits_for_it(scripts: Scripts) -> None:
    """It is not told of the old end first: nothing would let it run again with the new one."""
    await scripts.enqueue_flow({"p": [THERE]})
    await scripts.run("hear", HERE, 5, "d", "{}")
    await scripts.enqueue_flow({"c": ["p"]})
    assert await states(scripts, "p", "c") == "db"

    await scripts.run("hear", HERE, 6, "q", "")
    assert await states(scripts, "p", "c") == "bb"
    await scripts.run("hear", HERE, 7, "c", b"value")
    await end(scripts)
    assert await states(scripts, "p", "c") == "cq"


async def test_what_nobody_here_depends_on_is_not_kept(scripts: Scripts) -> None:
    assert (await scripts.run("hear", HERE, 5, "c", b"value"))[0] == b"0"
    await scripts.enqueue_flow({"a": [], "c": [THERE]})
    assert (await scripts.run("hear", b"\xffother,x", 5, "c", b"v", HERE, 5, "c", b"v"))[0] == b"01"
    await scripts.run("remove", "ab" * 16, "qb", 0, "c")

    assert await edges(scripts) == []
    fields = await scripts.raw.hkeys(scripts.key("flows"))
    assert fields == []


@pytest.mark.parametrize("before", "cdxg")
async def test_a_new_child_waits_until_it_is_told_whatever_is_known(
    scripts: Scripts, before: str
) -> None:
    """It may be of another job that had the id, or of one that runs again."""
    await scripts.enqueue_flow({"c": [THERE]})
    await scripts.run("hear", HERE, 5, before, b"old")
    await scripts.enqueue_flow({"e": [THERE], "f": [THERE]})
    await scripts.run("repair", 100)
    await scripts.exchange()

    assert await states(scripts, "e", "f") == "bb"
    assert (await scripts.beat()).to_ask
    assert await scripts.run("parents", "c", 0) == [1, b"f", [HERE, before.encode(), b"old"]]
    # The telling of before, once more.
    await scripts.run("hear", HERE, 5, before, b"old")
    assert await states(scripts, "e", "f") == "bb"
    await scripts.run("hear", HERE, 6, "c", b"new")
    assert await states(scripts, "e", "f") == "qq"
    assert await scripts.run("parents", "e", 0) == [1, b"f", [HERE, b"c", b"new"]]


async def test_what_is_left_of_an_older_telling_does_not_reach_a_new_child(
    scripts: Scripts,
) -> None:
    children = [f"c{number:03}" for number in range(150)]
    await scripts.enqueue_flow({child: [THERE] for child in children})
    await scripts.run("hear", HERE, 5, "d", b"{}")
    assert (await states(scripts, *children)).count("d") < 150
    await scripts.enqueue_flow({"e": [THERE]})
    for _ in range(3):
        await scripts.exchange()
    assert await states(scripts, "e") == "b"

    await scripts.run("hear", HERE, 6, "c", b"new")
    # Those that died of it run again first, and one call has room for a hundred.
    await scripts.exchange()
    assert await states(scripts, "e") == "q"


async def test_an_end_is_crossed_out_only_as_it_was_told(scripts: Scripts) -> None:
    await scripts.enqueue("p")
    number, *rest = await scripts.run("expect", "child", 1, "p", "no")
    assert rest == [b"q", b"", b"g", b""]
    await end(scripts, "d", "{}")
    told, *message = await scripts.post("ab", "")
    assert int(told) > int(number)
    assert message == [b"child", b"p", b"1d", b"{}"]

    await scripts.operate("replay", "dcx", "p")
    # The answer to a telling of the end before.
    again, *message = await scripts.post("ab", "", "child", "p", "1d", 1)
    assert int(again) > int(told)
    assert message == [b"child", b"p", b"2q", b""]
    assert len(await scripts.post("ab", "", "child", "p", "2q", 1)) == 1
    assert await edges(scripts) == [b"1:p,bchild"]
    await end(scripts)
    assert (await scripts.post("ab", ""))[1:] == [b"child", b"p", b"2c", b"value"]
    assert len(await scripts.post("ab", "", "child", "p", "2c", 1)) == 1
    assert await edges(scripts) == [b"1:p,gchild"]


async def test_a_job_that_has_the_id_of_one_that_ended_is_waited_for_alone(
    scripts: Scripts,
) -> None:
    await scripts.enqueue("p")
    await scripts.run("expect", "child", 0, "p")
    await end(scripts)
    assert await scripts.operate("remove", "c", 0, "p") == b"C"
    await scripts.enqueue("p")

    assert (await scripts.run("expect", "child", 0, "p"))[1:] == [b"q", b""]
    assert await edges(scripts) == [b"1:p,bchild", b">child,p"]
    # The message that was on its way tells of the new one, which has not ended.
    assert (await scripts.post("ab", ""))[1:] == [b"child", b"p", b"1q", b""]
    await scripts.post("ab", "", "child", "p", "1q", 1)
    assert await edges(scripts) == [b"1:p,bchild"]
    await end(scripts)
    assert (await scripts.post("ab", ""))[1:] == [b"child", b"p", b"1c", b"value"]


async def test_a_part_of_a_flow_with_the_id_of_a_job_that_ended_is_waited_for_alone(
    scripts: Scripts,
) -> None:
    await scripts.enqueue_flow({"p": []}, told=("child", "p"))
    await end(scripts)
    assert await scripts.operate("remove", "c", 0, "p") == b"C"

    await scripts.enqueue_flow({"p": []}, told=("child", "p"))

    assert await edges(scripts) == [b"1:p,bchild", b">child,p"]
    assert (await scripts.post("ab", ""))[1:] == [b"child", b"p", b"1q", b""]


async def test_an_end_that_the_other_queue_does_not_know_is_forgotten(scripts: Scripts) -> None:
    await scripts.enqueue("p")
    await scripts.run("expect", "child", 0, "p")
    await end(scripts)
    await scripts.post("ab", "")
    await scripts.post("ab", "", "child", "p", "1c", 0)

    assert await edges(scripts) == []


async def test_who_comes_to_wait_while_its_queue_says_that_it_knows_nobody_is_told(
    scripts: Scripts,
) -> None:
    await scripts.enqueue("p", options=",r0")
    await scripts.run("expect", "child", 0, "p")
    await end(scripts, "d", "{}")
    await scripts.post("ab", "")
    await scripts.post("ab", "", "child", "p", "1d", 1)
    await scripts.operate("replay", "d", "p")
    assert (await scripts.post("ab", ""))[1:] == [b"child", b"p", b"2q", b""]

    # It answered that nobody there depends on it any more. Then somebody came.
    assert (await scripts.run("expect", "child", 0, "p"))[1:] == [b"q", b""]
    await scripts.post("ab", "", "child", "p", "2q", 0)
    (claim,) = await scripts.claim()
    await scripts.exchange(scripts.ended(claim, "c", 0, b"new"), nonce=scripts.nonce)

    assert (await scripts.post("ab", ""))[1:] == [b"child", b"p", b"2c", b"new"]
    await scripts.post("ab", "", "child", "p", "2c", 0)
    assert await edges(scripts) == []


async def test_one_hands_over_at_a_time(scripts: Scripts) -> None:
    await scripts.enqueue("p")
    await scripts.run("expect", "child", 0, "p")
    (claim,) = await scripts.claim()
    reply = await scripts.exchange(scripts.ended(claim, "c", "", b"v"), nonce=scripts.nonce)
    assert reply.to_send
    assert len(await scripts.post("ab", "")) == 5
    assert len(await scripts.post("cd", "")) == 1
    assert not (await scripts.beat()).to_send
    assert not (await scripts.exchange()).to_send

    await scripts.raw.hset(scripts.key("flows"), "h", f"{await scripts.now() - 1},ab")
    assert (await scripts.beat()).to_send
    assert len(await scripts.post("cd", "")) == 5
    # Whoever comes back late does no harm.
    assert len(await scripts.post("ab", "", "child", "p", "1c", 1)) == 1
    assert len(await scripts.post("cd", "", "child", "p", "1c", 1)) == 1
    assert not (await scripts.beat()).to_send


async def test_what_one_queue_does_not_take_keeps_no_other_waiting(scripts: Scripts) -> None:
    await scripts.enqueue("p")
    for queue in ("a", "b"):
        await scripts.run("expect", queue, 0, "p")
    await end(scripts)
    page = (await scripts.post("ab", ""))[1:]
    assert page[::4] == [b"a", b"b"]

    rest = await scripts.post("ab", ">b,p", "b", "p", "1c", 1)
    assert len(rest) == 1
    assert await edges(scripts) == [b"1:p,ca", b"1:p,gb", b">a,p"]


async def test_a_parent_is_kept_until_its_end_was_told(scripts: Scripts) -> None:
    await scripts.enqueue("p", options=",r0")
    await scripts.run("expect", "child", 0, "p")
    (claim,) = await scripts.claim()
    await scripts.exchange(scripts.ended(claim, "c", 0, b"value"), nonce=scripts.nonce)
    assert await states(scripts, "p") == "c"

    _, *message = await scripts.post("ab", "")
    assert message == [b"child", b"p", b"1c", b"value"]
    await scripts.post("ab", "", "child", "p", "1c", 1)
    await scripts.raw.zadd(scripts.key("kept"), {"p": 1})
    await scripts.run("sweep", 10, 0, 0, 0, 0, 0)
    assert await states(scripts, "p") == ""
    assert await edges(scripts) == []


async def test_asked_for_is_what_somebody_waits_for(scripts: Scripts) -> None:
    await scripts.enqueue_flow({"c": [THERE], "d": [f"{THERE}2"]})
    await scripts.raw.zincrby(scripts.key("blocked"), -5000, "c")
    assert (await scripts.beat()).to_ask
    await scripts.operate("cancel", "d", "{}")

    name, age = await scripts.run("asking", "")
    assert name == HERE
    assert 5000 <= age < 65_000
    assert await scripts.run("asking", HERE) == []
    await scripts.run("hear", HERE, 5, "c", b"")
    assert not (await scripts.beat()).to_ask


@pytest.mark.corrupts
async def test_a_queue_that_lost_its_messages_finds_them_again(scripts: Scripts) -> None:
    await scripts.enqueue("p", "q")
    await scripts.run("expect", "child", 0, "p", "q")
    claims = {claim.id: claim for claim in await scripts.claim()}
    await scripts.exchange(scripts.ended(claims[b"p"], "c", "", b"v"), nonce=scripts.nonce)
    await scripts.enqueue_flow({"c": [THERE]})
    key = scripts.key("edges")
    await scripts.raw.zrem(key, ">child,p", "?" + HERE.decode("latin-1"))
    await scripts.raw.zrem(key, b"?" + HERE)
    await scripts.raw.zadd(key, {"4:gone,gchild": 0})

    await scripts.run("repair", 100)
    await scripts.run("repair", 100)
    found = await edges(scripts)
    assert b">child,p" in found
    assert b"?" + HERE in found
    assert b"4:gone,gchild" not in found


async def test_a_retry_is_told_while_somebody_else_hands_over(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    assert (await scripts.run("expect", "child", 0, "a"))[1:] == [b"q", b""]
    (claim,) = await scripts.claim()
    await scripts.exchange(scripts.ended(claim, "d", "", "{}"), nonce=scripts.nonce)
    # It has read the end, and is on its way with it.
    assert (await scripts.run("post", "ab", ""))[1:3] == [b"child", b"a"]
    assert await scripts.run("post", "cd", "") == [ANY]

    assert await scripts.operate("replay", "dS", "a") == [b"D"], "there is somebody to be told"
    assert (await scripts.run("post", "!ef", ""))[1:3] == [b"child", b"a"]
