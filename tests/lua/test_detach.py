"""A job waits for one of others no more: what is forgotten of that one, and what stays."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lua.test_flows import end_all, states
from tests.lua.test_flows_across import HERE, THERE, edges
from tests.support.scripts import Scripts, dump, named

GATE = "\udcffother,\udcffgate"


async def detach(scripts: Scripts, job: str, parent: Any) -> str:
    name = parent.encode(errors="surrogateescape")
    found: bytes = await scripts.operate("detach", job, name)
    return found.decode()


async def keys(scripts: Scripts) -> dict[bytes, Any]:
    return await dump(scripts.raw, f"*{{{scripts.store.queue}}}*")


async def letters(scripts: Scripts, job: str) -> tuple[str, str]:
    """Return the option f in the job and in its record."""
    found = []
    for key in ("jobs", "runs"):
        text = await scripts.raw.hget(scripts.key(key), job) or b""
        header = text.partition(b"\n")[0].decode().split(",")
        found.append(next((part[1:] for part in header if part[:1] == "f"), ""))
    return found[0], found[1]


@pytest.mark.requirement("B13", "T63")
async def test_the_last_one_lets_the_job_go_on_and_the_others_do_not(scripts: Scripts) -> None:
    await scripts.enqueue_flow({"a": [], "b": [], "c": ["a", "b"], "e": ["a"]})

    assert await detach(scripts, "c", "a") == "B"
    assert await states(scripts, *"abce") == "qqbb"
    assert await scripts.run("parents", "c", 0) == [1, b"f", [b"b", b"q", b""]]
    assert await detach(scripts, "c", "b") == "Q"
    assert await states(scripts, *"abce") == "qqqb"
    assert await scripts.run("parents", "c", 0) == [0, b"f"]
    assert await edges(scripts) == [b"1:a,ae"]
    assert await scripts.claim_ids() == [b"a", b"b", b"c"]


async def test_it_waits_for_its_time_where_that_is_ahead(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    await scripts.enqueue_flow({"c": ["a"]}, options=",ff,y60000")

    assert await detach(scripts, "c", "a") == "S"
    assert await states(scripts, "c") == "s"
    assert await scripts.raw.zcard(scripts.key("due")) == 1


@pytest.mark.parametrize("code", ["c", "d"])
async def test_one_that_has_ended_is_forgotten_too(scripts: Scripts, code: str) -> None:
    await scripts.enqueue_flow({"a": [], "b": [], "c": ["a", "b"], "e": ["c"]}, options=",fr")
    (first,) = await scripts.claim(1)
    await scripts.exchange(scripts.ended(first, code, "", "{}"), nonce=scripts.nonce)

    assert await detach(scripts, "c", "a") == "B"
    assert await states(scripts, *"abce") == f"{code}qbb"
    assert await scripts.run("parents", "c", 0) == [1, b"r", [b"b", b"q", b""]]
    # A replay of the one that is forgotten makes it wait no more.
    await scripts.operate("replay", "cdx", "a")
    await end_all(scripts)
    await end_all(scripts)
    assert await states(scripts, *"ce") == "cq"


async def test_each_state_but_that_of_waiting_for_others_is_refused(scripts: Scripts) -> None:
    await scripts.run("limit", "k*", "1,,")
    await scripts.enqueue("r", "l", options=",gk")
    await scripts.enqueue("p", task="strange")
    await scripts.enqueue("leader", options=",udf:lead", needs=2)
    claims = {claim.id: claim for claim in await scripts.claim()}
    await scripts.exchange(scripts.ended(claims[b"p"], "b", "", "strange"), nonce=scripts.nonce)
    await scripts.enqueue("follower", options=",udf:lead", needs=2)
    await scripts.enqueue_flow({"a": [], "g": ["a"], "s": ["a"]})
    await scripts.enqueue_flow({"c": ["s"]})
    await scripts.operate("cancel", "s", "{}")
    assert await states(scripts, *"rlpagsc") == "rbbqbxd"
    before = await keys(scripts)

    found = {job: await detach(scripts, job, "a") for job in ("r", "l", "p", "follower", "a", "s")}
    assert found == {"r": "r", "l": "b", "p": "b", "follower": "b", "a": "q", "s": "x"}
    assert await detach(scripts, "nobody", "a") == ""
    assert [await detach(scripts, "g", other) for other in "gsr"] == ["-", "-", "-"]
    assert await detach(scripts, "g", THERE) == "-"
    assert await keys(scripts) == before


async def test_what_its_failure_means_goes_with_a_parent(scripts: Scripts) -> None:
    await scripts.enqueue_flow({"a": [], "b": [], "x": [], "y": []})
    await scripts.enqueue_flow({"c": ["a", "b", "x", "y"]}, options=",ffrcnr")

    assert await detach(scripts, "c", "b") == "B"
    assert await letters(scripts, "c") == ("frnr",) * 2
    assert await detach(scripts, "c", "a") == "B"
    assert await letters(scripts, "c") == ("fnr",) * 2
    assert await detach(scripts, "c", "y") == "B"
    await scripts.operate("cancel", "b", "{}")
    assert await states(scripts, "c") == "b"
    await scripts.operate("cancel", "x", "{}")
    assert await states(scripts, "c") == "q", "it is still the one that means run_now"


async def test_letters_count_all_but_gates(scripts: Scripts) -> None:
    await scripts.enqueue_flow({"a": [], "c": [GATE, "a", THERE]}, options=",ffrc")

    assert await detach(scripts, "c", GATE) == "-"
    assert await detach(scripts, "c", "a") == "B"
    assert await letters(scripts, "c") == ("fc", "fc")
    assert await detach(scripts, "c", THERE) == "B"
    assert await letters(scripts, "c") == ("f", "f")
    assert await states(scripts, "c") == "b"
    await scripts.run("hear", GATE.encode(errors="surrogateescape"), 5, "c", "")
    assert await states(scripts, "c") == "q"


async def test_who_was_let_run_by_a_failure_does_not_forget_that_one(scripts: Scripts) -> None:
    await scripts.enqueue_flow({"a": [], "b": []})
    await scripts.enqueue_flow({"c": ["a", "b"]}, options=",ffnf")
    await scripts.enqueue("own", options=",p-5")
    await scripts.operate("cancel", "a", "{}")
    claims = {claim.id: claim for claim in await scripts.claim()}
    await scripts.exchange(scripts.ended(claims[b"c"], "w", "", named(["own"])))
    assert await states(scripts, *"abc") == "xrb"
    before = await keys(scripts)

    assert await detach(scripts, "c", "a") == "n"
    assert await keys(scripts) == before
    assert await detach(scripts, "c", "b") == "B"
    assert await detach(scripts, "c", "a") == "n"
    assert await detach(scripts, "c", "own") == "Q"


async def test_those_that_it_has_named_go_when_it_starts_anew(scripts: Scripts) -> None:
    await scripts.enqueue_flow({"a": [], "b": []})
    await scripts.enqueue_flow({"c": ["a", "b"]}, options=",fr")
    await end_all(scripts)
    (claim,) = await scripts.claim()
    await scripts.enqueue("own", "other")
    await scripts.exchange(scripts.ended(claim, "w", "", named(["own", "other"])))

    assert await detach(scripts, "c", "a") == "B"
    assert await detach(scripts, "c", "own") == "B"
    assert [row[0] for row in (await scripts.run("parents", "c", 0))[2:]] == [b"b", b"other"]
    await end_all(scripts)
    await end_all(scripts)
    assert await states(scripts, "c") == "c"
    await scripts.operate("replay", "cdx", "c")
    assert [row[0] for row in (await scripts.run("parents", "c", 0))[2:]] == [b"b"]


async def test_one_of_another_queue_is_forgotten_with_the_last_that_knows_it(
    scripts: Scripts,
) -> None:
    await scripts.enqueue_flow({"c": [THERE], "e": [THERE]})

    assert await detach(scripts, "c", THERE) == "Q"
    assert await scripts.raw.hkeys(scripts.key("flows")) != []
    assert await detach(scripts, "e", THERE) == "Q"
    assert await edges(scripts) == await scripts.raw.hkeys(scripts.key("flows")) == []
    # What was to be told of it comes late.
    assert await scripts.run("hear", HERE, 5, "d", "{}") == [b"0"]
    assert await states(scripts, *"ce") == "qq"


async def test_the_same_call_again_is_answered_as_the_first_time(scripts: Scripts) -> None:
    await scripts.enqueue_flow({"a": [], "c": ["a"]})
    assert await scripts.run("detach", "ab", "c", "a") == b"Q"
    await end_all(scripts, "d")
    before = await keys(scripts)

    assert await scripts.run("detach", "ab", "c", "a") == b"Q"
    assert await keys(scripts) == before
    assert await scripts.run("detach", "cd", "c", "a") == b"d"


async def prune(scripts: Scripts, job: str, *parents: str, line: str = "{}", free: str = "") -> str:
    words = [word for parent in parents for word in (parent, line, free)]
    found: bytes = await scripts.operate("prune", job, *words)
    return found.decode()


async def test_what_only_the_job_needs_and_has_not_started_is_cancelled(scripts: Scripts) -> None:
    await scripts.enqueue("run", "end")
    await end_all(scripts, limit=0)
    await scripts.operate("replay", "cdx", "run")
    await scripts.claim_ids()
    await scripts.enqueue_flow({"deep": [], "also": [], "wait": ["deep", "also"], "shared": []})
    top = ["wait", "run", "end", "shared", "late"]
    await scripts.enqueue("late", options=",y60000")
    await scripts.enqueue_flow({"top": top, "other": ["shared", "also"], "behind": ["top"]})

    assert await prune(scripts, "top", line="") == "B"
    digits = await prune(scripts, "top", *top, "deep", "also", "nobody", "top")
    assert digits == "B" + "100011000"
    assert await states(scripts, *top, "deep", "also") == "xrcqxxq"
    assert await states(scripts, "top", "other", "behind") == "bbb"
    assert [row[0] for row in (await scripts.run("parents", "top", 0))[2:]] == [
        *(b"run", b"end", b"shared")
    ]


async def test_what_waits_for_nothing_more_goes_on_and_nobody_dies_of_what_was_cancelled(
    scripts: Scripts,
) -> None:
    await scripts.enqueue_flow({"a": [], "b": ["a"], "c": ["a", "b"]})

    assert await prune(scripts, "c", "b", "a") == "B11"
    assert await states(scripts, *"abc") == "xxq"
    assert await prune(scripts, "c", "b", "a") == "q00"
    # Each says what it was: the one that is behind the other ended by itself.
    assert await edges(scripts) == [b"1:a,fb"]


async def test_what_has_started_before_and_waits_again_stays(scripts: Scripts) -> None:
    await scripts.enqueue("back", "named")
    back, named_one = await scripts.claim()
    await scripts.enqueue("own")
    wait = scripts.ended(named_one, "w", "", named(["own"]))
    await scripts.exchange(scripts.ended(back, "r"), wait, nonce=scripts.nonce)
    await scripts.enqueue_flow({"c": ["back", "named"]})
    assert await states(scripts, "back", "named", "c") == "qbb"

    assert await prune(scripts, "c", "back", "named") == "B00"


async def test_one_that_follows_another_of_them_is_cancelled_as_well(scripts: Scripts) -> None:
    await scripts.enqueue("leader", options=",udf:lead", needs=2)
    (claim,) = await scripts.claim()
    await scripts.enqueue("follower", options=",udf:lead", needs=2)
    await scripts.exchange(scripts.ended(claim, "u"), nonce=scripts.nonce)
    await scripts.enqueue_flow({"c": ["leader", "follower"]})
    assert await states(scripts, "leader", "follower", "c") == "qbb"

    assert await prune(scripts, "c", "leader", "follower") == "B11"
    assert await states(scripts, "leader", "follower", "c") == "xxq"
    assert await scripts.raw.zcard(scripts.key("scheduled")) == 0


async def test_whether_one_would_be_cancelled_is_told_without_a_change(scripts: Scripts) -> None:
    await scripts.enqueue("a", "b")
    await scripts.run("expect", "third", 0, "a", "b")
    await scripts.run("expect", "fourth", 0, "b")
    before = await keys(scripts)

    assert await prune(scripts, "", "a", "b", line="", free="third") == "-10"
    assert await prune(scripts, "", "a", "b", line="", free="fourth,third") == "-11"
    assert await prune(scripts, "", "a", "b") == "-00"
    assert await keys(scripts) == before
    assert await prune(scripts, "", "a", "b", free="third") == "-10"
    assert (await scripts.beat()).to_send


async def test_a_prune_that_is_sent_again_cancels_no_more(scripts: Scripts) -> None:
    await scripts.enqueue_flow({"a": [], "b": [], "c": ["a", "b"], "e": ["b"]})
    words = ["c", "a", "{}", "", "b", "{}", ""]
    assert await scripts.run("prune", "ab", *words) == b"B10"
    await scripts.operate("cancel", "e", "{}")
    before = await keys(scripts)

    assert await scripts.run("prune", "ab", *words) == b"B10"
    assert await keys(scripts) == before
    assert await scripts.run("prune", "cd", *words) == b"B01"
