"""Who holds a slot of a limit, who waits for one, and who lets them out: the odd cases."""

from __future__ import annotations

import msgspec
import pytest

from aiojobs_redis._redis.store import Claim
from tests.support.other_clock import START, at
from tests.support.scripts import Member, Scripts, token

pytestmark = pytest.mark.usefixtures("stopped_clock")
SLOW = msgspec.msgpack.encode([1, "slow", [[]]])


@pytest.fixture
async def limited(scripts: Scripts) -> Scripts:
    await at(scripts, 0)
    return scripts


async def claim_one(scripts: Scripts) -> tuple[Claim, str]:
    (claim,) = await scripts.claim(1)
    return claim, scripts.nonce


async def end(scripts: Scripts, lease: tuple[Claim, str], what: str = "1", value: str = "") -> None:
    claim, nonce = lease
    await scripts.exchange(Member(claim.id, token(claim, nonce), what, value=value))


async def test_a_cancelled_job_waits_for_no_slot_any_more(limited: Scripts) -> None:
    await limited.run("limit", "ka", "1,,")
    await limited.enqueue("a1", "a2", "a3", options=",ga")
    first = await claim_one(limited)
    assert await limited.claim() == []
    await limited.operate("cancel", "a2", "{}")
    assert await limited.raw.zcard(limited.key("slots")) == 2

    await end(limited, first)
    assert await limited.claim_ids() == [b"a3"]


async def test_who_holds_a_slot_and_waits_for_the_window_goes_before_higher_ones(
    limited: Scripts,
) -> None:
    await limited.run("limit", "ka", "2,1,1000")
    await limited.enqueue("a1", "a2", options=",ga")
    assert await limited.claim_ids() == [b"a1"]
    await limited.enqueue("high", options=",ga,p5")
    assert await limited.claim() == []

    await at(limited, 1_020)
    assert await limited.claim_ids() == [b"a2"]
    # It is left so that what it holds and waits for can be seen in its record.
    await limited.enqueue("last", options=",ga")
    assert await limited.claim() == []


async def test_the_slot_of_one_that_waits_for_the_window_is_taken(limited: Scripts) -> None:
    await limited.run("limit", "ka", "1,1,1000")
    await limited.enqueue("a1", "a2", "a3", options=",ga")
    await end(limited, await claim_one(limited))
    assert await limited.claim() == []

    assert await limited.raw.zcount(limited.key("slots"), "-inf", "+inf") == 3
    assert await limited.raw.zscore(limited.key("slots"), "hka,a2") is not None


async def test_a_window_that_was_narrowed_opens_for_who_came_later(limited: Scripts) -> None:
    await limited.run("limit", "ka", ",5,1000")
    await limited.enqueue("a1", "a2", "a3", options=",ga")
    assert len(await limited.claim()) == 3
    await limited.run("limit", "ka", ",1,1000")
    await limited.exchange()
    await limited.enqueue("a4", options=",ga")
    reply = await limited.exchange(limit=1)
    assert reply.claims == []
    assert reply.due_at is not None
    assert reply.due_at > START

    await at(limited, reply.due_at - START)
    assert await limited.claim_ids() == [b"a4"]


async def test_starts_count_in_a_window_of_another_length(limited: Scripts) -> None:
    await limited.run("limit", "ka", ",2,1000")
    await limited.enqueue("a1", "a2", "a3", options=",ga")
    assert len(await limited.claim()) == 2
    await limited.run("limit", "ka", ",2,6400")
    await at(limited, 6_300)
    assert await limited.claim() == []
    await at(limited, 6_500)
    assert await limited.claim_ids() == [b"a3"]


async def test_a_key_with_a_limit_of_its_own_has_only_that(limited: Scripts) -> None:
    await limited.run("limit", "k*", "1,,")
    await limited.run("limit", "ka", "3,,")
    await limited.run("limit", "bslow/*", "1,,")
    await limited.run("limit", "bslow/a", "2,,")
    await limited.enqueue("a1", "a2", "a3", "a4", options=",ga")
    assert len(await limited.claim()) == 3
    await limited.run("limit", "ka", "")
    await limited.run("limit", "k*", "")
    await limited.exchange()
    await limited.claim()
    await limited.enqueue("s1", "s2", "s3", options=",ga", spec=SLOW)
    assert await limited.claim_ids() == [b"s1", b"s2"]


async def test_one_is_let_out_a_slot_at_its_old_place(limited: Scripts) -> None:
    await limited.run("limit", "ka", "1,,")
    await limited.enqueue("a1", "a2", "a3", options=",ga")
    first = await claim_one(limited)
    assert await limited.claim() == []
    await limited.enqueue("other-1", "other-2")
    await end(limited, first)
    assert await limited.state("a3") == "b"
    assert await limited.raw.zscore(limited.key("slots"), "hka,a2") is not None

    assert await limited.claim_ids() == [b"a2", b"other-1", b"other-2"]


async def test_a_suspect_that_was_held_back_is_one_still(limited: Scripts) -> None:
    await limited.enqueue("a1", options=",ga")
    for lost in (1, 2):
        await claim_one(limited)
        await at(limited, 20_000 * lost)
        await limited.meta(beat=START + 20_000 * lost, hold=0)
        await limited.exchange()
    await limited.run("limit", "ka", ",1,1000")
    await limited.enqueue("a0", options=",ga,p5")
    assert await limited.claim_ids(2) == [b"a0"]
    assert await limited.state("a1") == "b"

    await at(limited, 42_000)
    await limited.exchange()
    assert await limited.raw.zrange(limited.key("suspects"), 0, -1) == [b"a1"]


async def test_of_two_pauses_that_jobs_ask_for_the_longer_counts(limited: Scripts) -> None:
    await limited.enqueue("a1", "a2", "a3", options=",ga")
    long, short = (await limited.claim(2)), limited.nonce
    await end(limited, (long[0], short), "l 5000 1", "k")
    await end(limited, (long[1], short), "l 1000 1", "k")
    for ms in (0, 1_000, 4_999):
        await at(limited, ms)
        assert await limited.claim() == []
    await at(limited, 5_000)
    assert await limited.claim_ids() == [b"a1", b"a2", b"a3"]


async def test_closing_changes_something_where_it_is_closed_for_longer(limited: Scripts) -> None:
    forever = 100 * 365 * 86_400_000
    changed = []
    for ms in (60_000, forever, forever, 1_000, 0, 0):
        changed.append(await limited.operate("close", "ka", ms))
        await limited.enqueue("any", options=",ga")

    assert changed == [1, 1, 0, 0, 1, 0]


async def test_a_raised_limit_lets_nobody_out_of_a_scope_that_is_closed(limited: Scripts) -> None:
    await limited.run("limit", "ka", "1,,")
    await limited.operate("close", "ka", 5_000)
    await limited.enqueue("a1", "a2", options=",ga")
    assert await limited.claim() == []
    await limited.run("limit", "ka", "2,,")
    reply = await limited.exchange(limit=2)
    assert reply.claims == []
    assert reply.due_at == START + 5_000

    await at(limited, 5_000)
    assert await limited.claim_ids() == [b"a1", b"a2"]


async def test_a_closed_scope_stays_closed_whoever_looks_at_it(limited: Scripts) -> None:
    await limited.operate("close", "ka", 5_000)
    await limited.run("limit", "ka", "2,,")
    await limited.exchange()
    await limited.enqueue("a1", options=",ga")
    assert await limited.claim() == []

    await at(limited, 5_000)
    assert await limited.claim_ids() == [b"a1"]


async def test_a_long_window_is_looked_at_when_it_opens_and_not_before(limited: Scripts) -> None:
    await limited.run("limit", "ka", ",1,7000")
    await limited.enqueue("a1", "a2", "a3", options=",ga")
    assert await limited.claim_ids() == [b"a1"]
    await at(limited, 7_200)
    reply = await limited.exchange(limit=2)
    assert [claim.id for claim in reply.claims] == [b"a2"]
    assert reply.due_at is not None
    assert 14_200 <= reply.due_at - START <= 14_400


async def test_who_is_held_back_leaves_its_place_to_the_next_one(limited: Scripts) -> None:
    await limited.run("limit", "ka", "1,,")
    await limited.enqueue("a1", "a2", "a3", options=",ga")
    await limited.enqueue("other-1", "other-2")
    assert await limited.claim_ids(3) == [b"a1", b"other-1", b"other-2"]


async def test_one_let_out_of_its_task_waits_for_a_limit_that_its_key_got_meanwhile(
    limited: Scripts,
) -> None:
    await limited.run("limit", "tslow", "2,,")
    await limited.enqueue("a1", "a2", "a3", "a4", options=",ga", spec=SLOW)
    await limited.enqueue("free", options=",p-5", spec=SLOW)
    (first, second), nonce = await limited.claim(), limited.nonce
    assert {first.id, second.id} == {b"a1", b"a2"}
    await limited.run("limit", "k*", "1,,")

    await end(limited, (first, nonce))
    third = await claim_one(limited)
    assert third[0].id == b"a3", "those that ran before count for nothing"
    await end(limited, (second, nonce))
    assert await limited.claim() == []
    # What it held of its task goes to the next one.
    assert await limited.claim_ids() == [b"free"]
    await end(limited, third)
    assert await limited.claim_ids() == [b"a4"]


async def test_one_whose_key_is_closed_keeps_no_slot_of_its_task(limited: Scripts) -> None:
    await limited.run("limit", "tslow", "1,,")
    await limited.enqueue("a1", options=",ga", spec=SLOW)
    await limited.enqueue("other", spec=SLOW)
    first = await claim_one(limited)
    assert await limited.claim() == []

    await end(limited, first, "l 5000 1", "k")
    reply = await limited.exchange(limit=1)
    assert (reply.claims, reply.due_at) == ([], START)
    assert await limited.claim_ids() == [b"other"]


async def test_a_slot_that_is_given_back_is_there_for_who_was_held_back_first(
    limited: Scripts,
) -> None:
    await limited.run("limit", "tslow", "1,,")
    await limited.enqueue("a1", options=",ga", spec=SLOW)
    first = await claim_one(limited)
    await end(limited, first, "l 5000 1", "k")
    await limited.enqueue("before", options=",p5", spec=SLOW)
    await limited.enqueue("next", options=",p-5", spec=SLOW)

    assert await limited.claim_ids() == [], "the place of the next one is not the best"
    assert await limited.claim_ids() == [b"before"]


async def starts(scripts: Scripts, ms: int, *, limit: int = 10) -> list[bytes]:
    """Return what starts at a time, in two calls, and ends at once."""
    await at(scripts, ms)
    started: list[bytes] = []
    for _ in range(2):
        claims = await scripts.claim(limit)
        nonce = scripts.nonce
        started += [claim.id for claim in claims]
        await scripts.exchange(*(Member(each.id, token(each, nonce), "c") for each in claims))
    return started


@pytest.mark.behaviour("T07")
@pytest.mark.parametrize("late", [(), ("late",)], ids=["alone", "passing"])
async def test_for_the_room_of_one_that_expired_the_next_in_order_goes(
    limited: Scripts, late: tuple[str, ...]
) -> None:
    await limited.run("limit", "ka", ",1,1000")
    await limited.enqueue("a1", options=",ga")
    await limited.enqueue("ends", options=f",ga,x{START + 500}")
    await limited.enqueue("a2", options=",ga")
    assert await starts(limited, 0) == [b"a1"]
    for job in late:
        await limited.enqueue(job, options=",ga")

    assert await starts(limited, 1100) == [b"a2"]
    assert await starts(limited, 2200) == [job.encode() for job in late]


async def test_who_holds_a_slot_is_not_passed_by_a_higher_one_for_the_room_of_one_that_expired(
    limited: Scripts,
) -> None:
    await limited.run("limit", "ka", "4,1,1000")
    await limited.enqueue("a1", options=",ga")
    await limited.enqueue("ends", options=f",ga,x{START + 500}")
    await limited.enqueue("a2", options=",ga")
    assert await starts(limited, 0) == [b"a1"]
    await limited.enqueue("high", options=",ga,p9")

    assert await starts(limited, 1100) == [b"a2"]
    assert await starts(limited, 2200) == [b"high"]


async def test_for_the_room_of_one_whose_key_is_shut_another_one_of_the_task_goes(
    limited: Scripts,
) -> None:
    await limited.run("limit", "tslow", ",1,1000")
    await limited.enqueue("b1", spec=SLOW)
    assert await starts(limited, 0) == [b"b1"]
    await limited.enqueue("a1", "a2", options=",ga", spec=SLOW)
    await limited.enqueue("b2", spec=SLOW)
    assert await starts(limited, 10) == []
    await limited.operate("close", "ka", 60_000)

    assert await starts(limited, 1100) == [b"b2"]


async def test_of_very_many_keys_none_is_passed_by_its_own_later_job(limited: Scripts) -> None:
    await limited.run("limit", "k*", ",1,1000")
    keys = [f"k{number:02}" for number in range(60)]
    for key in keys:
        await limited.enqueue(f"{key}-1", f"{key}-2", options=f",g{key}")
    first = await starts(limited, 0, limit=250)
    assert sorted(first) == [f"{key}-1".encode() for key in keys]
    for key in keys:
        await limited.enqueue(f"{key}-3", options=f",g{key}")

    second = await starts(limited, 1100, limit=250)
    assert sorted(second) == [f"{key}-2".encode() for key in keys]


@pytest.mark.behaviour("T07")
async def test_a_limit_that_is_lowered_holds_for_who_has_a_slot_and_waits_for_another_attempt(
    limited: Scripts,
) -> None:
    await limited.run("limit", "ka", "3,,")
    await limited.enqueue("a1", "a2", "a3", options=",ga,a9")
    leases = [await claim_one(limited) for _ in range(3)]
    for lease in leases[:2]:
        await end(limited, lease, "t 100 1", "{}")
    await limited.run("limit", "ka", "1,,")
    await at(limited, 200)

    assert await limited.claim_ids() == [], "the third one runs"
    await end(limited, leases[2])
    first = await claim_one(limited)
    assert (first[0].id, await limited.claim_ids()) == (b"a1", [])
    await end(limited, first)
    assert await limited.claim_ids() == [b"a2"]


async def test_one_without_a_key_that_waits_alone_keeps_no_slot(limited: Scripts) -> None:
    await limited.run("limit", "tslow", "1,,")
    await limited.enqueue("a", "b", spec=SLOW)
    first = await claim_one(limited)
    assert await limited.claim() == []

    await end(limited, first, "l 5000 1", "k")
    assert await limited.state("a") == "s"
    assert await limited.claim_ids() == [b"b"]


async def test_a_limit_that_is_changed_during_a_walk_lets_out_also_those_before_it(
    limited: Scripts,
) -> None:
    await limited.run("limit", "k*", ",1,60000")
    for n in range(60):
        await limited.enqueue(f"{n:02}a", f"{n:02}b", options=f",gk{n:02}")
    assert len(await limited.claim(120)) == 60
    await limited.run("limit", "k*", ",1,50000")
    await limited.exchange()
    assert await limited.raw.hget(limited.key("limits"), "cursor") is not None, "it is on its way"

    await limited.run("limit", "k*", "")
    await limited.exchange()
    await limited.exchange()
    assert len(await limited.claim(120)) == 60


@pytest.mark.corrupts
async def test_what_nobody_heard_of_is_found_by_the_janitor(limited: Scripts) -> None:
    await limited.run("limit", "ka", "1,,")
    await limited.enqueue("a1", "a2", options=",ga")
    assert await limited.claim_ids() == [b"a1"]
    await limited.exchange()
    await limited.raw.delete(limited.key("opens"))
    await limited.raw.zrem(limited.key("slots"), "hka,a1")
    assert await limited.claim() == []
    await limited.run("sweep", 10, 0, 0, 0, 0, 0)

    assert await limited.claim_ids() == [b"a2"]


@pytest.mark.corrupts
async def test_a_slot_of_nobody_is_given_back_and_who_waits_is_found_again(
    limited: Scripts,
) -> None:
    await limited.run("limit", "ka", "1,,")
    await limited.run("limit", "bslow/a", "1,,")
    slots = limited.key("slots")
    await limited.raw.zadd(slots, {"hka,gone": 0, "hbslow/a,gone": 0})
    await limited.enqueue("a1", options=",ga", spec=SLOW)
    assert await limited.claim() == []
    await limited.raw.zrem(
        slots, *(m for m in await limited.raw.zrange(slots, 0, -1) if m[:1] == b"p")
    )
    await limited.run("repair", 50)
    assert await limited.state("a1") == "b"
    assert [m[:5] for m in await limited.raw.zrange(slots, 0, -1)] == [b"pka,1"]

    assert await limited.claim_ids() == [b"a1"]
