"""Claims that were no start: handed back before the job had begun (u), or of unknown tasks (b)."""

from __future__ import annotations

import pytest

from aiojobs_redis._redis.store import Claim
from tests.lua.test_limits import Clocked, clock, clocked, spec
from tests.support.scripts import Member, Scripts, token

__all__ = ["clock", "clocked"]

SCOPES = ("q", "twork", "ka", "k*", "bwork/a", "bwork/*")


async def back(scripts: Scripts, code: str = "u", limit: int = 0) -> list[Claim]:
    """Claim one job, give it back, and return what is claimed then."""
    (claim,), nonce = await scripts.claim(1), scripts.nonce
    value = "" if code == "u" else "work"
    member = Member(claim.id, token(claim, nonce), f"{code}  1", value=value)
    reply = await scripts.exchange(member, limit=limit, adopt=() if code == "u" else ("work",))
    return list(reply.claims)


@pytest.mark.parametrize("code", ["u", "b"])
async def test_it_does_not_count_for_the_number_of_starts(clocked: Clocked, code: str) -> None:
    scripts = clocked.scripts
    await scripts.enqueue("a", options=",o1")
    (claim,) = await back(scripts, code, limit=1)
    await scripts.exchange(scripts.ended(claim, "r"))
    assert await scripts.claim() == []
    assert await scripts.state("a") == "d", "the one that counted was the only one"


@pytest.mark.parametrize(("code", "state"), [("u", "d"), ("r", "q")])
async def test_a_job_that_has_not_begun_expires(clocked: Clocked, code: str, state: str) -> None:
    scripts = clocked.scripts
    await scripts.enqueue("a", options=",v5000")
    assert await back(scripts, code) == []
    await clocked.at(6_000)
    claimed = await scripts.claim_ids()
    assert claimed == ([] if state == "d" else [b"a"])


async def test_a_start_before_it_stays_one(clocked: Clocked) -> None:
    scripts = clocked.scripts
    await scripts.enqueue("a", options=",v5000,o3")
    assert await back(scripts, "r") == []
    assert await back(scripts, "u") == []
    await clocked.at(6_000)
    assert await scripts.claim_ids() == [b"a"], "it had begun, and so does not expire"


async def test_leases_that_were_lost_before_still_count(clocked: Clocked) -> None:
    scripts = clocked.scripts
    await scripts.enqueue("a", options=",d9")
    for life in range(1, 3):
        await scripts.claim()
        await clocked.at(life * 20_000)
        await scripts.meta(beat=clocked.now)
        await scripts.beat()
    assert (await scripts.record("a"))[6] == "2"
    assert await back(scripts, "u") == []
    assert (await scripts.record("a"))[6] == "2"
    assert await scripts.raw.zcard(scripts.key("suspects")) == 1
    assert await back(scripts, "r") == []
    assert (await scripts.record("a"))[6] == "0", "who ran it is well"


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("code", ["u", "b"])
async def test_it_leaves_no_trace_in_the_window_of_a_rate(
    clocked: Clocked, scope: str, code: str
) -> None:
    scripts = clocked.scripts
    await scripts.run("limit", scope, ",2,3600000")
    await scripts.enqueue(*"abcd", options=",ga", spec=spec("work"))
    assert await scripts.claim_ids(1) == [b"a"]
    await clocked.at(1_000)
    for _ in range(3):
        # The next one, or itself where it keeps its place: the second start is to be had.
        (claim,) = await back(scripts, code, limit=1)
        await scripts.exchange(scripts.ended(claim, "u"))
    assert len(await scripts.claim_ids(5)) == 1
    await clocked.at(3_599_000)
    assert await scripts.claim_ids(5) == []


async def test_a_rate_that_was_set_meanwhile_counts_others_alone(clocked: Clocked) -> None:
    scripts = clocked.scripts
    await scripts.run("limit", "twork", "9,,")
    await scripts.enqueue(*"abcd", options=",ga", spec=spec("work"))
    (first,), nonce = await scripts.claim(1), scripts.nonce
    await scripts.run("limit", "ka", ",1,3600000")
    assert await scripts.claim_ids(1) == [b"b"]
    reply = await scripts.exchange(Member(first.id, token(first, nonce), "u  1"), limit=5)
    assert reply.claims == [], "the one start of the window is that of b"


async def test_who_waits_for_room_in_the_window_starts_at_once(clocked: Clocked) -> None:
    scripts = clocked.scripts
    await scripts.run("limit", "ka", ",1,3600000")
    await scripts.enqueue(*"ab", options=",ga", spec=spec("work"))
    (first,), nonce = await scripts.claim(1), scripts.nonce
    assert await scripts.claim_ids(5) == []
    assert await scripts.state("b") == "b"
    await scripts.exchange(Member(first.id, token(first, nonce), "u  1"))
    await scripts.operate("cancel", "a", "{}")
    assert await scripts.claim_ids(5) == [b"b"]
