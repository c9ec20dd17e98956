"""Unique keys in the scripts: who holds one, what is answered again, what is forgotten."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from tests.lua.test_ticks import fire, put
from tests.support.scripts import Scripts
from tests.support.waiting import wait_until

KEY, WINDOW = ",udk:k", ",u-k60000:k"


async def enqueue(scripts: Scripts, *ids: str, options: str = KEY, **rest: Any) -> Any:
    return await scripts.enqueue(*ids, options=options, needs=2, **rest)


async def end_window(scripts: Scripts, key: str = "k") -> None:
    """Let the window of a key be over."""
    value = await scripts.raw.hget(scripts.key("unique"), key)
    name = value.partition(b",")[2]
    await scripts.raw.hset(scripts.key("unique"), key, b"%d,%s" % (await scripts.now(), name))


async def _is_past(scripts: Scripts, ms: int) -> bool:
    return await scripts.now() > ms


async def keys(scripts: Scripts) -> set[bytes]:
    return set(await scripts.raw.hkeys(scripts.key("unique")))


@pytest.mark.behaviour("F26")
async def test_a_resent_call_names_the_same_jobs_again(scripts: Scripts) -> None:
    await enqueue(scripts, "a", counter=1)
    first = await enqueue(scripts, "b", "a", "3:c", counter=2)
    await scripts.operate("cancel", "a", "{}")

    assert first == [b"OK", b"303", b"1:a1:a"]
    assert await enqueue(scripts, "b", "a", "3:c", counter=2) == first
    assert await scripts.run("states", "b", "3:c") == [b"", b""]


async def test_a_plain_call_that_is_older_than_a_unique_one_is_refused(scripts: Scripts) -> None:
    await enqueue(scripts, "a", counter=1)
    await enqueue(scripts, "b", counter=3)
    late = await scripts.run("enqueue_one", scripts._producer, 2, "late", "work", b"spec")
    assert late == [b"STALE"]


async def test_an_id_may_hold_what_separates_the_fields(scripts: Scripts) -> None:
    odd = "1:a,2\n3"
    await enqueue(scripts, odd)
    assert await enqueue(scripts, "b", counter=9) == [b"OK", b"3", b"7:1:a,2\n3"]
    assert await enqueue(scripts, "b", counter=9) == [b"OK", b"3", b"7:1:a,2\n3"]


async def test_a_job_that_runs_and_is_to_be_cancelled_holds_its_key(scripts: Scripts) -> None:
    await enqueue(scripts, "a")
    (claim,) = await scripts.claim()
    await scripts.operate("cancel", "a", "{}")
    assert (await enqueue(scripts, "b"))[1] == b"3"
    await scripts.exchange(scripts.ended(claim, "t", 0, "{}"), nonce=scripts.nonce)
    assert (await enqueue(scripts, "b"))[1] == b"1"


async def test_a_lost_lease_keeps_the_key(scripts: Scripts) -> None:
    await enqueue(scripts, "a")
    await scripts.claim()
    await scripts.expire_lease("a")
    await scripts.beat()
    assert await scripts.state("a") == "q"
    assert (await enqueue(scripts, "b"))[1] == b"3"


async def test_until_started_is_until_the_first_claim(scripts: Scripts) -> None:
    await enqueue(scripts, "a", options=",usk:k")
    (claim,) = await scripts.claim()
    await scripts.exchange(scripts.ended(claim, "t", 60_000, "{}"), nonce=scripts.nonce)
    assert await scripts.state("a") == "t"
    assert (await enqueue(scripts, "b"))[1] == b"1"
    await scripts.operate("cancel", "a", "{}")
    assert await scripts.operate("replay", "cdx", "a") == [b"ub"]


async def test_a_window_keeps_others_out_whatever_becomes_of_the_job(scripts: Scripts) -> None:
    await enqueue(scripts, "a", options=WINDOW)
    (claim,) = await scripts.claim()
    await scripts.exchange(scripts.ended(claim, "c", 0), nonce=scripts.nonce)
    assert await scripts.state("a") == ""
    assert await enqueue(scripts, "b", options=WINDOW) == [b"OK", b"3", b"1:a"]
    await end_window(scripts)
    assert (await enqueue(scripts, "b", options=WINDOW))[1] == b"1"
    # Not until it is over: another window has begun.
    assert await enqueue(scripts, "c", options=WINDOW) == [b"OK", b"3", b"1:b"]


async def test_a_window_alone_does_not_outlast_itself(scripts: Scripts) -> None:
    await enqueue(scripts, "a", options=WINDOW)
    await end_window(scripts)
    assert await scripts.state("a") == "q"
    assert (await enqueue(scripts, "b", options=WINDOW))[1] == b"1"


async def test_with_until_a_key_is_taken_until_both_have_passed(scripts: Scripts) -> None:
    both = ",udk60000:k"
    await enqueue(scripts, "a", options=both)
    await end_window(scripts)
    assert (await enqueue(scripts, "b", options=both))[1] == b"3"
    await scripts.operate("cancel", "a", "{}")
    assert (await enqueue(scripts, "b", options=both))[1] == b"1"
    await scripts.operate("cancel", "b", "{}")
    assert await enqueue(scripts, "c", options=both) == [b"OK", b"3", b"1:b"]


@pytest.mark.behaviour("T28")
async def test_a_job_that_is_kept_out_may_start_the_window_again(scripts: Scripts) -> None:
    extend = ",u-k60000+:k"
    await enqueue(scripts, "a", options=extend)
    early = b"%d,a" % (await scripts.now() + 1000)
    await scripts.raw.hset(scripts.key("unique"), "k", early)
    assert (await enqueue(scripts, "b", options=WINDOW))[1] == b"3"
    assert await scripts.raw.hget(scripts.key("unique"), "k") == early

    assert await enqueue(scripts, "b", options=extend) == [b"OK", b"3", b"1:a"]
    end, _, name = (await scripts.raw.hget(scripts.key("unique"), "k")).partition(b",")
    assert int(end) > await scripts.now() + 50_000
    assert name == b"a"


async def test_a_replay_asks_for_no_window(scripts: Scripts) -> None:
    await enqueue(scripts, "a", options=WINDOW)
    await scripts.operate("cancel", "a", "{}")
    await end_window(scripts)
    await enqueue(scripts, "b", options=WINDOW)
    assert await scripts.operate("replay", "cdx", "a") == [b"x"]
    assert await enqueue(scripts, "c", options=WINDOW) == [b"OK", b"3", b"1:b"]


@pytest.mark.parametrize("until", ["udk", "usk", "udr", "usr", "udf"])
@pytest.mark.parametrize("state", ["q", "s"])
async def test_a_job_that_expired_unstarted_holds_nothing(
    scripts: Scripts, until: str, state: str
) -> None:
    options = f",{until}:k"
    past = await scripts.now() - 1
    await enqueue(scripts, "a", options=f"{options},x{past}" + (",y60000" if state == "s" else ""))
    assert await enqueue(scripts, "b", options=options) == [b"OK", b"1"]
    assert await enqueue(scripts, "c", options=",udk:k") == [b"OK", b"3", b"1:b"]

    # What is buried later frees nothing that is not its own.
    assert await scripts.operate("free", "a") == 0
    await scripts.operate("promote", "st", "a")
    assert await scripts.claim_ids() == [b"b"]
    assert await scripts.state("a") == "d"
    assert await scripts.raw.hget(scripts.key("unique"), "k") == b",b"
    if options[2] == "d":
        assert await enqueue(scripts, "c", options=",udk:k") == [b"OK", b"3", b"1:b"]
        assert await scripts.operate("replay", "cdx", "a") == [b"ub"]


async def test_an_expiry_ahead_frees_no_key(scripts: Scripts) -> None:
    ahead = await scripts.now() + 60_000
    await enqueue(scripts, "a", options=f"{KEY},x{ahead}")
    assert await enqueue(scripts, "b") == [b"OK", b"3", b"1:a"]


async def test_a_started_job_keeps_its_key_after_its_expiry(scripts: Scripts) -> None:
    soon = await scripts.now() + 500
    await enqueue(scripts, "a", options=f"{KEY},x{soon}")
    (claim,) = await scripts.claim()
    await scripts.exchange(scripts.ended(claim, "t", 60_000, "{}"), nonce=scripts.nonce)
    await wait_until(partial(_is_past, scripts, soon), "the expiry to have passed", 10)
    assert await enqueue(scripts, "b") == [b"OK", b"3", b"1:a"]


async def test_the_one_that_waits_may_expire_and_is_replaced(scripts: Scripts) -> None:
    follow, past = ",udf:k", await scripts.now() - 1
    await enqueue(scripts, "a", options=follow)
    (claim,) = await scripts.claim()
    await enqueue(scripts, "b", options=f"{follow},x{past}")
    assert await enqueue(scripts, "c", options=follow) == [b"OK", b"4", b"1:b"]
    await enqueue(scripts, "d", options=f"{follow},x{past}")
    await scripts.exchange(scripts.ended(claim, "c", 0), nonce=scripts.nonce)

    # It has the key now, and will not run.
    assert await enqueue(scripts, "e", options=follow) == [b"OK", b"1"]
    assert await scripts.claim_ids() == [b"e"]
    assert await scripts.state("b") == "d"


@pytest.mark.parametrize("options", [WINDOW, ",udk60000:k"])
async def test_a_window_outlasts_the_expiry(scripts: Scripts, options: str) -> None:
    past = await scripts.now() - 1
    await enqueue(scripts, "a", options=f"{options},x{past}")
    assert await enqueue(scripts, "b", options=options) == [b"OK", b"3", b"1:a"]
    await end_window(scripts)
    assert await enqueue(scripts, "b", options=options) == [b"OK", b"1"]


async def test_of_two_replays_of_one_key_the_first_is_done(scripts: Scripts) -> None:
    for name in ("a", "b"):
        await enqueue(scripts, name)
        await scripts.operate("cancel", name, "{}")
    assert await scripts.operate("replay", "cdx", "b", "a") == [b"x", b"ub"]
    assert await scripts.run("states", "a", "b") == [b"x", b"q"]


async def test_a_tick_makes_no_job_while_its_key_is_taken(scripts: Scripts) -> None:
    now = await scripts.now()
    await put(scripts, now)
    await enqueue(scripts, "a")
    assert await fire(scripts, now, now + 1, now, options=KEY) == 0
    await scripts.operate("cancel", "a", "{}")
    assert await fire(scripts, now + 1, now + 2, now + 1, now + 2, options=KEY) == 1
    assert await scripts.state(f"nightly:{now + 2}") == ""


async def test_what_is_freed_is_only_what_the_job_holds(scripts: Scripts) -> None:
    await enqueue(scripts, "a")
    await scripts.operate("cancel", "a", "{}")
    await enqueue(scripts, "b")
    assert await scripts.operate("free", "a") == 0
    assert await scripts.operate("free", "b") == 1
    assert await scripts.operate("free", "b") == 0
    assert (await enqueue(scripts, "c"))[1] == b"1"
    # Its own key stays with the job: a replay asks for it.
    await scripts.operate("cancel", "b", "{}")
    assert await scripts.operate("replay", "cdx", "b") == [b"uc"]


async def test_who_gives_up_a_key_gives_up_its_window(scripts: Scripts) -> None:
    await enqueue(scripts, "a", options=WINDOW)
    assert await scripts.operate("free", "a") == 1
    assert (await enqueue(scripts, "b", options=WINDOW))[1] == b"1"


async def test_the_sweep_forgets_the_keys_that_nobody_holds(scripts: Scripts) -> None:
    for name, options in {
        "held": ",udk:held",
        "ended": ",udk:ended",
        "started": ",usk:started",
        "window": ",u-k60000:window",
        "over": ",u-k60000:over",
    }.items():
        await enqueue(scripts, name, options=options, spec=b"")
        if name in ("ended", "started", "window"):
            await scripts.raw.zadd(scripts.key("ready"), {name: 0})
            (claim,) = await scripts.claim(1)
            if name != "started":
                await scripts.exchange(scripts.ended(claim, "c", 0), nonce=scripts.nonce)
    await end_window(scripts, "over")
    await scripts.raw.hset(scripts.key("unique"), "damaged", "no comma")

    *_, vacated = await scripts.run("sweep", 10, 0, 0, 0, 0, 0)
    assert vacated == 4
    assert await keys(scripts) == {b"held", b"window"}


async def test_the_sweep_goes_through_many_keys(scripts: Scripts) -> None:
    await enqueue(scripts, "held")
    fields = {f"{number}": f",{number}" for number in range(3000)}
    await scripts.raw.hset(scripts.key("unique"), mapping=fields)
    cursors: list[Any] = [0] * 5
    for _ in range(20):
        _, _, cursors, *_ = await scripts.run("sweep", 10, *cursors)
    assert await keys(scripts) == {b"k"}
