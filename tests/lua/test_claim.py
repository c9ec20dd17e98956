"""The claims of exchange.lua: order, limits, the byte budget, suspects, expiry."""

from __future__ import annotations

from itertools import chain

import pytest

from tests.support.scripts import Scripts
from tests.support.waiting import wait_until

BIG = b"x" * 300_000


async def test_higher_priority_goes_first_and_equal_ones_in_order(scripts: Scripts) -> None:
    for job, priority in (("a", 0), ("b", 1023), ("c", -1024), ("d", 5), ("e", 5), ("f", 0)):
        await scripts.enqueue(job, options=f",p{priority}" if priority else "")

    assert await scripts.claim_ids() == [b"b", b"d", b"e", b"a", b"f", b"c"]


async def test_a_claim_takes_no_more_than_its_limit(scripts: Scripts) -> None:
    await scripts.enqueue(*(f"{number:03}" for number in range(250)))

    assert len(await scripts.claim_ids(0)) == 0
    assert len(await scripts.claim_ids(3)) == 3
    assert len(await scripts.claim_ids(250)) == 247
    assert await scripts.claim_ids(250) == []


async def test_a_paused_queue_hands_out_nothing_and_takes_completions(scripts: Scripts) -> None:
    await scripts.enqueue("a", "b")
    (claim,) = await scripts.claim(1)
    await scripts.operate("pause", 1)
    reply = await scripts.exchange(scripts.ended(claim, "c"), limit=5)

    assert reply.claims == []
    assert reply.lost == []
    await scripts.operate("pause", 0)
    assert await scripts.claim_ids() == [b"b"]


async def later(scripts: Scripts, fences: list[int]) -> bool:
    return await scripts.now() * 1024 > max(fences)


async def test_every_claim_has_a_fence_of_its_own_that_only_grows(scripts: Scripts) -> None:
    await scripts.enqueue("a", "b", "c")
    fences = [claim.fence for claim in (*await scripts.claim(2), *await scripts.claim(1))]
    await scripts.destroy()
    # A new queue's fences start at the clock, which has to have moved on.
    await wait_until(lambda: later(scripts, fences), "the server's clock to move on")
    await scripts.enqueue("a")
    fences += [claim.fence for claim in await scripts.claim()]

    assert fences == sorted(set(fences))


async def test_a_lease_has_the_length_that_the_job_asks_for(scripts: Scripts) -> None:
    await scripts.enqueue("a", options=",l60000")
    await scripts.enqueue("b")
    now = await scripts.now()
    await scripts.claim()
    ends = dict(await scripts.raw.zrange(scripts.key("leases"), 0, -1, withscores=True))

    assert 0 <= ends[b"a"] - now - 60_000 < 10_000
    assert 0 <= ends[b"b"] - now - 15_000 < 10_000


async def test_specs_of_one_call_stay_within_the_budget_and_in_order(scripts: Scripts) -> None:
    for number in range(20):
        await scripts.enqueue(f"{number:02}", spec=BIG)
    taken = [await scripts.claim_ids() for _ in range(3)]

    assert [len(ids) for ids in taken] == [13, 7, 0]
    assert list(chain(*taken)) == [f"{number:02}".encode() for number in range(20)]


async def test_what_ranks_below_a_spec_over_the_budget_goes_back_with_it(scripts: Scripts) -> None:
    await scripts.enqueue("a", spec=b"x" * 3_000_000)
    await scripts.enqueue("b", spec=b"x" * 2_000_000)
    await scripts.enqueue("c", spec=b"x")

    assert await scripts.claim_ids() == [b"a"]
    claims = await scripts.claim()
    assert [claim.id for claim in claims] == [b"b", b"c"]
    await scripts.exchange(*(scripts.ended(claim, "r") for claim in claims))
    assert await scripts.claim_ids() == [b"b", b"c"]


async def test_a_spec_over_the_budget_is_handed_out_alone(scripts: Scripts) -> None:
    await scripts.enqueue("a", spec=b"x" * 5_000_000)
    await scripts.enqueue("b")

    assert await scripts.claim_ids() == [b"a"]
    assert await scripts.claim_ids() == [b"b"]


@pytest.mark.corrupts
async def test_an_id_without_a_spec_is_dropped(scripts: Scripts) -> None:
    await scripts.enqueue("a", "b")
    await scripts.raw.hdel(scripts.key("jobs"), "a")

    assert await scripts.claim_ids() == [b"b"]
    assert await scripts.raw.zrange(scripts.key("leases"), 0, -1) == [b"b"]
    assert await scripts.raw.hkeys(scripts.key("runs")) == [b"b"]


async def test_a_job_that_expired_before_its_start_is_dead(scripts: Scripts) -> None:
    now = await scripts.now()
    await scripts.enqueue("a", options=f",x{now - 1000}")
    await scripts.enqueue("b", options=f",x{now + 60_000}")

    assert await scripts.claim_ids() == [b"b"]
    assert await scripts.state("a") == "d"
    error = await scripts.raw.hget(scripts.key("errors"), "a")
    assert b'"type":"expired"' in error


async def test_a_job_that_has_started_does_not_expire_between_attempts(scripts: Scripts) -> None:
    await scripts.enqueue("a", options=f",x{await scripts.now() + 60_000}")
    (claim,) = await scripts.claim()
    await scripts.exchange(scripts.ended(claim, "t", 0, "{}"))
    run = await scripts.raw.hget(scripts.key("runs"), "a")
    past = b",x%d" % (await scripts.now() - 1000)
    await scripts.raw.hset(scripts.key("runs"), "a", run[: run.rindex(b",x")] + past)

    assert await scripts.claim_ids() == [b"a"]


async def lose_twice(scripts: Scripts, *jobs: str) -> None:
    for _ in range(2):
        await scripts.claim()
        for job in jobs:
            await scripts.expire_lease(job)
        await scripts.exchange()


async def test_a_job_that_lost_a_lease_gets_its_old_place(scripts: Scripts) -> None:
    await scripts.enqueue("a", "b")
    await scripts.claim(1)
    await scripts.expire_lease("a")
    claims = await scripts.claim()

    assert [(claim.id, claim.lost) for claim in claims] == [(b"a", 1), (b"b", 0)]


async def test_suspects_are_handed_out_one_at_a_time(scripts: Scripts) -> None:
    await scripts.enqueue("s1", "s2")
    await lose_twice(scripts, "s1", "s2")
    await scripts.enqueue("a", "b")

    assert await scripts.raw.zcard(scripts.key("suspects")) == 2
    assert await scripts.claim_ids(5, suspects=False) == [b"a", b"b"]
    assert await scripts.claim_ids(5) == [b"s1"]
    assert await scripts.claim_ids(5, suspects=False) == []
    assert await scripts.claim_ids(5) == [b"s2"]


async def test_a_suspect_that_was_parked_comes_back_as_a_suspect(scripts: Scripts) -> None:
    await scripts.enqueue("s1", "s2")
    await lose_twice(scripts, "s1", "s2")
    await scripts.enqueue("a")
    parked = []
    for _ in range(2):
        (claim,) = await scripts.claim(1)
        parked.append(scripts.ended(claim, "b", "", "rare"))
    for each in parked:
        await scripts.exchange(each)

    assert await scripts.claim_ids(1, adopt=("rare",)) == [b"s1"]
    assert await scripts.state("s2") == "b"
    assert await scripts.claim_ids(5, adopt=("rare",), suspects=False) == [b"a"]
    assert await scripts.raw.zrange(scripts.key("suspects"), 0, -1) == [b"s2"]


async def test_a_suspect_takes_the_last_slot_from_lower_ranks_only(scripts: Scripts) -> None:
    await scripts.enqueue("s")
    await lose_twice(scripts, "s")
    await scripts.enqueue("high", options=",p9")
    await scripts.enqueue("low")

    assert await scripts.claim_ids(1) == [b"high"]
    assert await scripts.claim_ids(1) == [b"s"]
    assert await scripts.claim_ids(1) == [b"low"]


async def test_a_suspect_over_the_budget_stays_a_suspect(scripts: Scripts) -> None:
    await scripts.enqueue("s", spec=b"x" * 2_000_000)
    await lose_twice(scripts, "s")
    await scripts.enqueue("a", spec=b"x" * 3_000_000, options=",p9")

    assert await scripts.claim_ids() == [b"a"]
    assert await scripts.raw.zrange(scripts.key("suspects"), 0, -1) == [b"s"]
    assert await scripts.claim_ids() == [b"s"]


async def test_an_exchange_moves_what_is_due_and_takes_what_expired(scripts: Scripts) -> None:
    await scripts.enqueue("late", "later", options=",y60000")
    await scripts.enqueue("lost")
    await scripts.claim(1)
    await scripts.make_due("scheduled", "late", 10)
    await scripts.make_due("scheduled", "later", 5)
    await scripts.expire_lease("lost")

    assert await scripts.claim_ids(incarnation="b" * 32) == [b"lost", b"late", b"later"]


async def test_the_limit_of_deliveries_ends_a_job(scripts: Scripts) -> None:
    await scripts.enqueue("a", options=",d1")
    await scripts.enqueue("b", options=",m1")
    await scripts.claim()
    await scripts.expire_lease("a")
    await scripts.expire_lease("b")
    await scripts.exchange()
    errors = await scripts.raw.hmget(scripts.key("errors"), "a", "b")

    assert [await scripts.state(job) for job in "ab"] == ["d", "d"]
    assert b'"lease_expired"' in errors[0]
    assert b'"abandoned"' in errors[1]
