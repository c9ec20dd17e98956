"""renew.lua: leases grow longer for their holder only, claims of an unread reply included."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.scripts import Scripts, token


async def lease_end(scripts: Scripts, job: str) -> float:
    return float(await scripts.raw.zscore(scripts.key("leases"), job))


async def renew(scripts: Scripts, *pairs: str, unread: int = 0) -> Any:
    return await scripts.run("renew", scripts.incarnation, unread, *pairs)


async def test_a_held_lease_is_prolonged_from_now_on(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    (claim,) = await scripts.claim()
    now, confirmed, lost, cancel = await renew(scripts, "a", f"{token(claim, scripts.nonce)} 60000")

    assert (confirmed, lost, cancel) == (0, [], [])
    assert await lease_end(scripts, "a") == now + 60_000


async def test_a_renewal_never_shortens_a_lease(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    (claim,) = await scripts.claim()
    before = await lease_end(scripts, "a")
    await renew(scripts, "a", f"{token(claim, scripts.nonce)} 1000")

    assert await lease_end(scripts, "a") == before


@pytest.mark.parametrize("wrong", ["", ",", "{fence},", "{fence},{short}", "{fence},ff"])
async def test_a_lease_of_another_token_is_lost(scripts: Scripts, wrong: str) -> None:
    await scripts.enqueue("a", "queued")
    (claim,) = await scripts.claim(1)
    before = await lease_end(scripts, "a")
    bad = wrong.format(fence=claim.fence, short=scripts.nonce[:-1])
    _, _, lost, _ = await renew(scripts, "a", f"{bad} 60000", "queued", "1,ab 60000", "no", "1,a 5")

    assert lost == [b"a", b"queued", b"no"]
    assert await lease_end(scripts, "a") == before
    assert await scripts.raw.zcard(scripts.key("leases")) == 1


async def test_the_claims_of_an_unread_reply_are_renewed_too(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    await scripts.enqueue("b", options=",l40000")
    await scripts.claim(counter=4)
    for job in "ab":
        await scripts.raw.zadd(scripts.key("leases"), {job: await scripts.now() + 5})
    now, confirmed, lost, _ = await renew(scripts, unread=4)

    assert (confirmed, lost) == (4, [])
    assert await lease_end(scripts, "a") == now + 15_000
    assert await lease_end(scripts, "b") == now + 40_000


async def test_a_reply_that_was_read_is_not_confirmed(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    await scripts.claim(counter=4)
    before = await lease_end(scripts, "a")

    for unread in (5, 0):
        assert (await renew(scripts, unread=unread))[1] == 0
    assert await lease_end(scripts, "a") == before


@pytest.mark.parametrize(("unread", "renewed"), [(4, "abc"), (5, "bc"), (6, "c")])
async def test_the_claims_of_both_exchanges_on_their_way_are_renewed(
    scripts: Scripts, unread: int, renewed: str
) -> None:
    await scripts.enqueue("a", "b", "c")
    for counter in (4, 5, 6):
        await scripts.claim(1, counter=counter)
    for job in "abc":
        await scripts.raw.zadd(scripts.key("leases"), {job: await scripts.now() + 5})
    now, confirmed, lost, _ = await renew(scripts, unread=unread)

    ends = [await lease_end(scripts, job) == now + 15_000 for job in "abc"]
    # The one before the last two was answered before the last one was sent.
    assert ends == [False, *(job in renewed for job in "bc")]
    assert (confirmed, lost) == (6, [])


async def test_a_claim_of_an_unread_reply_that_went_on_is_left_alone(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    await scripts.claim(counter=4)
    await scripts.expire_lease("a")
    await scripts.claim(incarnation="b" * 32)
    before = await lease_end(scripts, "a")
    _, confirmed, _, _ = await renew(scripts, unread=4)

    assert confirmed == 0
    assert await lease_end(scripts, "a") == before


@pytest.mark.parametrize(("gone", "confirmed"), [("a", 0), ("b", 0), ("c", 4), ("", 5)])
async def test_what_is_confirmed_ends_before_the_first_claim_that_went_on(
    scripts: Scripts, gone: str, confirmed: int
) -> None:
    await scripts.enqueue("a", "b", "c")
    await scripts.claim(2, counter=4)
    await scripts.claim(1, counter=5)
    if gone:
        await scripts.expire_lease(gone)
        await scripts.claim(1, incarnation="b" * 32)
    now, found, _, _ = await renew(scripts, unread=4)

    assert found == confirmed
    # The others are kept all the same: their reply may still be read in time.
    for job in {"a", "b", "c"} - {gone}:
        assert await lease_end(scripts, job) == now + 15_000


async def test_a_renewal_names_the_jobs_to_cancel(scripts: Scripts) -> None:
    await scripts.enqueue("a", "b")
    first, second = await scripts.claim()
    await scripts.operate("cancel", "b", '{"message":"why"}')
    pairs = [
        part
        for claim in (first, second)
        for part in (claim.id.decode(), f"{token(claim, scripts.nonce)} 15000")
    ]

    assert (await renew(scripts, *pairs))[3] == [b"b", b'{"message":"why"}']


async def test_nothing_to_renew_is_no_error(scripts: Scripts) -> None:
    assert (await renew(scripts))[1:] == [0, [], []]
    assert (await renew(scripts, unread=7))[1:] == [0, [], []]
    assert await scripts.raw.keys(f"*{{{scripts.store.queue}}}*") == []
