"""take_once.lua and end_once.lua: one running job makes a call, its result counts for a while."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.scripts import Member, Scripts, token

DAY = 86_400_000


async def held(scripts: Scripts, *ids: str) -> dict[str, str]:
    """Enqueue and claim jobs; return their tokens."""
    await scripts.enqueue(*ids)
    return {claim.id.decode(): token(claim, scripts.nonce) for claim in await scripts.claim()}


async def take(scripts: Scripts, job: str, lease: str, key: str = "k") -> Any:
    return await scripts.run("take_once", key, job, lease)


async def end(scripts: Scripts, job: str, lease: str, keep: Any = 60_000, body: Any = b"v") -> Any:
    return await scripts.run("end_once", "k", job, lease, keep, body)


async def records(scripts: Scripts) -> tuple[int, int]:
    once, ends = scripts.key("once"), scripts.key("once_ends")
    return await scripts.raw.hlen(once), await scripts.raw.zcard(ends)


@pytest.mark.requirement("D20")
async def test_the_first_makes_the_call_and_the_others_get_its_result(scripts: Scripts) -> None:
    leases = await held(scripts, "a", "b")
    assert await take(scripts, "a", leases["a"]) == [b"OWN"]
    assert await take(scripts, "b", leases["b"]) == [b"WAIT"]
    assert await take(scripts, "a", leases["a"]) == [b"OWN"], "its answer was lost"
    assert await take(scripts, "b", leases["b"], "other") == [b"OWN"]
    assert await end(scripts, "a", leases["a"], body=b"\x00d,1,2") == 1
    assert await end(scripts, "a", leases["a"], body=b"\x00d,1,2") == 1, "its answer was lost"

    for job in ("a", "b"):
        assert await take(scripts, job, leases[job]) == [b"DONE", b"\x00d,1,2"]
    assert await records(scripts) == (2, 2)


@pytest.mark.requirement("D20")
async def test_a_call_that_failed_is_free(scripts: Scripts) -> None:
    leases = await held(scripts, "a", "b")
    await take(scripts, "a", leases["a"])
    assert await end(scripts, "a", leases["a"], keep="") == 1
    assert await records(scripts) == (0, 0)
    assert await take(scripts, "b", leases["b"]) == [b"OWN"]
    assert await end(scripts, "a", leases["a"]) == 0, "it is another's by now"
    assert await end(scripts, "a", leases["a"], keep="") == 0
    assert await end(scripts, "b", leases["b"]) == 1
    assert await end(scripts, "b", leases["b"], keep="") == 1
    assert await take(scripts, "a", leases["a"]) == [b"DONE", b"v"], "what is done is not freed"


@pytest.mark.requirement("D20", "D30")
@pytest.mark.behaviour("F3")
@pytest.mark.parametrize("end_of_owner", ["lease", "c", "t", "d", "r", "x", "z"])
async def test_the_end_of_its_owner_frees_a_call(scripts: Scripts, end_of_owner: str) -> None:
    leases = await held(scripts, "a", "b")
    nonce = scripts.nonce
    await take(scripts, "a", leases["a"])
    if end_of_owner == "lease":
        await scripts.expire_lease("a")
        await scripts.beat()
    else:
        argument = "60000" if end_of_owner in "tz" else ""
        ended = Member("a", leases["a"], f"{end_of_owner} {argument} 1", value="{}")
        await scripts.exchange(ended, nonce=nonce)

    assert await take(scripts, "b", leases["b"]) == [b"OWN"]
    assert await take(scripts, "a", leases["a"]) == [b"LOST"]
    assert await end(scripts, "a", leases["a"]) == 0
    assert await end(scripts, "b", leases["b"]) == 1


async def test_an_expired_lease_holds_until_it_is_taken_away(scripts: Scripts) -> None:
    leases = await held(scripts, "a", "b")
    await take(scripts, "a", leases["a"])
    await scripts.expire_lease("a")

    assert await take(scripts, "b", leases["b"]) == [b"WAIT"], "its worker may renew it still"


@pytest.mark.parametrize("wrong", ["", ",", "1,ab", "{fence},ff"])
async def test_whoever_does_not_hold_the_job_gets_nothing(scripts: Scripts, wrong: str) -> None:
    lease = (await held(scripts, "a"))["a"]
    bad = wrong.format(fence=lease.partition(",")[0])

    assert await take(scripts, "a", bad) == [b"LOST"]
    assert await take(scripts, "nobody", lease) == [b"LOST"]
    assert await end(scripts, "a", bad) == 0
    assert await records(scripts) == (0, 0)


@pytest.mark.requirement("D20")
@pytest.mark.behaviour("F25")
async def test_a_result_counts_for_a_time_and_goes(scripts: Scripts) -> None:
    leases = await held(scripts, "a", "b")
    await take(scripts, "a", leases["a"])
    await end(scripts, "a", leases["a"], keep=50)
    await scripts.raw.hset(scripts.key("once"), "k", f"d,1,{leases['a']},v")
    assert await take(scripts, "b", leases["b"]) == [b"OWN"], "its time is up"
    await end(scripts, "b", leases["b"], keep=DAY)
    assert await records(scripts) == (1, 1)

    await scripts.raw.zadd(scripts.key("once_ends"), {"dk": 5})
    removed, *_ = await scripts.run("sweep", 10, 0, 0, 0, 0, 0)
    assert removed == 1
    assert await records(scripts) == (0, 0)


async def test_what_nobody_asks_for_any_more_is_forgotten(scripts: Scripts) -> None:
    """Of calls that are a day old those stay whose owner still runs."""
    leases = await held(scripts, "a", "b", "c")
    for job in "ab":
        await take(scripts, job, leases[job], f"of {job}")
    await scripts.exchange(Member("a", leases["a"], "c 0 1"), nonce=scripts.nonce)
    await scripts.raw.zadd(scripts.key("once_ends"), {"oof a": 5, "oof b": 6})
    await take(scripts, "c", leases["c"], "of c")

    ends = dict(await scripts.raw.zrange(scripts.key("once_ends"), 0, -1, withscores=True))
    assert sorted(await scripts.raw.hkeys(scripts.key("once"))) == [b"of b", b"of c"]
    assert sorted(ends) == [b"oof b", b"oof c"]
    assert ends[b"oof b"] > await scripts.now() + DAY - 60_000


@pytest.mark.corrupts
async def test_a_damaged_record_counts_for_nothing(scripts: Scripts) -> None:
    lease = (await held(scripts, "a"))["a"]
    for damaged in (b"", b"x", b"d,,1,ab,v", b"o,,1,ab", b"d,99999999999999,1"):
        await scripts.raw.hset(scripts.key("once"), "k", damaged)
        assert await take(scripts, "a", lease) == [b"OWN"]
