"""exchange.lua: a completion is taken once, with the token of its lease; a resend is answered."""

from __future__ import annotations

import pytest
import redis.exceptions

from tests.support.scripts import Member, Scripts, dump, token


async def test_a_completion_is_taken_with_its_result(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    (claim,) = await scripts.claim()
    reply = await scripts.exchange(scripts.ended(claim, "c", "", b"value"), nonce=scripts.nonce)

    assert reply.lost == []
    assert await scripts.run("outcome", "a", "") == [b"c", b"value"]
    assert await scripts.raw.zcard(scripts.key("leases")) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        "{fence},",
        ",{nonce}",
        ",",
        "",
        "{fence},{short}",
        "{fence},{long}",
        "{fence},{other}",
        "{next},{nonce}",
        "0{fence},{nonce}",
        "{fence},{nonce},",
        "{fence},{nonce},{place}",
        "{fence}",
    ],
)
async def test_only_the_whole_token_of_the_lease_completes_a_job(
    scripts: Scripts, wrong: str
) -> None:
    await scripts.enqueue("a")
    (claim,) = await scripts.claim()
    nonce, fence = scripts.nonce, claim.fence
    parts = {"fence": fence, "nonce": nonce, "short": nonce[:-1], "long": nonce + "0"}
    before = await scripts.record("a")
    bad = wrong.format(**parts, other="f" * 32, next=fence + 1, place=before[3])

    reply = await scripts.exchange(Member("a", bad, "1", value=b"stolen"))

    assert reply.lost == [b"a"]
    assert await scripts.record("a") == before
    assert await scripts.run("outcome", "a", "") == [b"r", b""]


@pytest.mark.parametrize("code", ["c", "t", "d", "z", "x", "b", "r"])
async def test_no_code_is_taken_from_a_job_that_is_not_running(scripts: Scripts, code: str) -> None:
    await scripts.enqueue("a")

    reply = await scripts.exchange(
        Member("a", "", f"{code} 5 1", value="x"), Member("b", "1,a", "1")
    )

    assert reply.lost == [b"a", b"b"]
    assert await scripts.state("a") == "q"
    assert await scripts.state("b") == ""


async def test_the_second_completion_of_one_job_in_a_call_is_lost(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    (claim,) = await scripts.claim()
    first, second = scripts.ended(claim, "c", "", b"1"), scripts.ended(claim, "c", "", b"2")

    reply = await scripts.exchange(first, second)

    assert reply.lost == [b"a"]
    assert await scripts.run("outcome", "a", "") == [b"c", b"1"]


async def test_a_resent_operation_gets_the_same_answer_and_applies_nothing(
    scripts: Scripts,
) -> None:
    await scripts.enqueue("a", "b", "c")
    first, *_ = await scripts.claim(1)
    ended = scripts.ended(first, "t", 60_000, "{}")
    lost = Member("b", "1,ab", "1")
    reply = await scripts.exchange(ended, lost, limit=5, counter=7)
    nonce, errors = scripts.nonce, await scripts.raw.hgetall(scripts.key("errors"))

    again = await scripts.exchange(ended, lost, limit=5, counter=7, nonce=nonce)

    assert again.lost == reply.lost == [b"b"]
    assert again.claims == reply.claims
    assert [claim.id for claim in again.claims] == [b"b", b"c"]
    assert await scripts.raw.hgetall(scripts.key("errors")) == errors
    assert (await scripts.record("a"))[5] == "1"


async def test_each_of_the_last_two_operations_is_answered_again(scripts: Scripts) -> None:
    await scripts.enqueue("a", "b", "c")
    replies, nonces = {}, {}
    for counter in (1, 2, 3):
        replies[counter] = await scripts.exchange(limit=1, counter=counter, after=counter - 1)
        nonces[counter] = scripts.nonce

    for counter in (3, 2, 3):
        again = await scripts.exchange(limit=1, counter=counter, nonce=nonces[counter])
        assert again.claims == replies[counter].claims
    with pytest.raises(RuntimeError, match="later one"):
        await scripts.exchange(limit=1, counter=1, nonce=nonces[1])
    assert await scripts.raw.zcard(scripts.key("leases")) == 3


async def test_an_exchange_that_overtook_the_one_before_it_writes_nothing(
    scripts: Scripts,
) -> None:
    await scripts.enqueue("a", "b")
    before = await dump(scripts.raw, "*")
    early = await scripts.exchange(limit=1, counter=2, after=1)

    assert early.early
    assert early.claims == []
    assert await dump(scripts.raw, "*") == before
    assert await scripts.claim_ids(1, counter=1) == [b"a"]
    assert await scripts.claim_ids(1, counter=2, after=1) == [b"b"]


async def test_an_exchange_may_follow_one_that_the_server_has_forgotten(scripts: Scripts) -> None:
    await scripts.enqueue("a", "b")
    await scripts.claim(1, counter=7)
    await scripts.raw.delete(scripts.key("ops"))

    assert await scripts.claim_ids(1, counter=9) == [b"b"]


async def test_a_resend_does_not_hand_out_what_is_not_held_any_more(scripts: Scripts) -> None:
    await scripts.enqueue("a", "b")
    await scripts.exchange(limit=2, counter=1)
    nonce = scripts.nonce
    await scripts.expire_lease("a")
    await scripts.exchange(limit=1, incarnation="b" * 32)

    again = await scripts.exchange(limit=2, counter=1, nonce=nonce)

    assert [claim.id for claim in again.claims] == [b"b"]


async def test_an_operation_older_than_the_last_is_refused(scripts: Scripts) -> None:
    await scripts.enqueue("a", "b")
    await scripts.claim(1, counter=5)

    with pytest.raises(RuntimeError):
        await scripts.claim(1, counter=4)
    assert await scripts.state("b") == "q"


async def test_operations_of_two_incarnations_do_not_meet(scripts: Scripts) -> None:
    await scripts.enqueue("a", "b")

    first = await scripts.claim_ids(1, counter=9)
    second = await scripts.claim_ids(1, counter=1, incarnation="b" * 32)

    assert [first, second] == [[b"a"], [b"b"]]


@pytest.mark.corrupts
@pytest.mark.parametrize("damage", ["", "x", "1,2", "1,2,ab,", "9,5,ab,3,5:a", "9,5,ab,0,2:aXq:b"])
async def test_a_damaged_memory_of_the_last_operation_stops_nobody(
    scripts: Scripts, damage: str
) -> None:
    await scripts.enqueue("a")
    await scripts.raw.hset(scripts.key("ops"), scripts.incarnation, damage)

    await scripts.run("renew", scripts.incarnation, 9)
    claims = await scripts.claim(counter=10)

    assert [claim.id for claim in claims] == [b"a"]


async def test_a_queue_that_does_not_exist_answers_none_and_stays_so(scripts: Scripts) -> None:
    reply = await scripts.exchange(Member("a", "1,ab", "1", value="v"), limit=5, adopt=("t",))

    assert not reply.exists
    assert await scripts.raw.keys(f"*{{{scripts.store.queue}}}*") == []


async def test_a_failed_job_waits_for_its_time_with_its_error(scripts: Scripts) -> None:
    await scripts.enqueue("a", options=",p7")
    (claim,) = await scripts.claim()
    now = await scripts.now()
    reply = await scripts.exchange(scripts.ended(claim, "t", 60_000, '{"type":"E"}'))

    assert await scripts.state("a") == "t"
    assert reply.due_at is not None
    assert now + 60_000 <= reply.due_at <= await scripts.now() + 60_000
    assert await scripts.raw.hget(scripts.key("errors"), "a") == b'{"type":"E"}'
    assert (await scripts.record("a"))[5] == "1"


@pytest.mark.parametrize("code", ["t", "z", "r"])
async def test_what_goes_back_at_once_can_be_claimed_in_the_same_call(
    scripts: Scripts, code: str
) -> None:
    await scripts.enqueue("a")
    (first,) = await scripts.claim()
    ended = scripts.ended(first, code, 0 if code != "r" else "", "{}")
    (second,) = (await scripts.exchange(ended, limit=5)).claims
    reply = await scripts.exchange(scripts.ended(second, "c", "", b"v"))

    assert second.id == b"a"
    assert second.failures == (code == "t")
    assert second.fence > first.fence
    assert reply.lost == []
    assert await scripts.state("a") == "c"


async def test_a_job_handed_back_keeps_its_place_and_a_retried_one_goes_to_the_tail(
    scripts: Scripts,
) -> None:
    await scripts.enqueue("a", "b", "c", "d")
    claims = await scripts.claim(2)
    released, failed = scripts.ended(claims[0], "r"), scripts.ended(claims[1], "t", 0, "{}")
    await scripts.exchange(released, failed)

    assert await scripts.claim_ids() == [b"a", b"c", b"d", b"b"]


async def test_the_last_ten_errors_of_a_job_are_kept(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    for number in range(12):
        (claim,) = await scripts.claim()
        await scripts.exchange(scripts.ended(claim, "t", 0, f"{number}"))

    lines = await scripts.raw.hget(scripts.key("errors"), "a")
    assert lines.split(b"\n") == [str(number).encode() for number in range(2, 12)]


async def test_nothing_is_kept_of_a_job_that_keeps_no_result(scripts: Scripts) -> None:
    await scripts.enqueue("a", "b")
    first, second = await scripts.claim()
    await scripts.exchange(
        scripts.ended(first, "c", 0, b"value"), scripts.ended(second, "c", 60_000, b"value")
    )

    assert await scripts.state("a") == ""
    assert await scripts.raw.hkeys(scripts.key("jobs")) == [b"b"]
    assert await scripts.raw.zscore(scripts.key("kept"), "b") > await scripts.now()


async def test_a_job_of_an_unknown_task_is_parked_and_adopted_at_its_old_place(
    scripts: Scripts,
) -> None:
    await scripts.enqueue("a", "b", "c")
    claims = await scripts.claim(2)
    await scripts.exchange(*(scripts.ended(claim, "b", "", "rare") for claim in claims))
    parked = await scripts.state("a"), (await scripts.beat()).parked
    others = await scripts.claim_ids(1, adopt=("rarer", "rar", "other"))
    adopted = await scripts.claim_ids(1, adopt=("rare",))

    assert parked == ("b", ["rare"])
    assert others == [b"c"]
    assert adopted == [b"a"]
    assert await scripts.state("b") == "b"


async def test_a_job_that_was_to_be_cancelled_does_not_run_again(scripts: Scripts) -> None:
    await scripts.enqueue("a", "b", "c")
    first, second, third = await scripts.claim()
    for job in "abc":
        assert await scripts.operate("cancel", job, '{"type":"Cancel"}') == b"r"
    failed = scripts.ended(first, "t", 0, "{}")
    await scripts.exchange(failed, scripts.ended(second, "c"), scripts.ended(third, "r"))

    states = [await scripts.state(job) for job in "abc"]
    assert states == ["x", "c", "x"]


async def test_statistics_and_events_count_what_was_accepted(scripts: Scripts) -> None:
    await scripts.enqueue("a", "b")
    first, second = await scripts.claim()
    stale = Member("b", token(second, "ff"), "1", "100")
    await scripts.exchange(scripts.ended(first, "c"), stale)

    stats = {
        field.decode().partition(",")[2]: int(count)
        for field, count in (await scripts.raw.hgetall(scripts.key("stats"))).items()
        if b"," in field
    }
    kinds = [kind for _, entry in await scripts.raw.xrange(scripts.key("events")) for kind in entry]
    assert stats == {"work,enqueued": 2, "work,completed": 1, "work,ms": 5}
    assert kinds == [b"enqueued,work", b"@", b"started", b"@", b"completed,work"]


async def test_a_waiter_is_told_once_and_forgotten(scripts: Scripts) -> None:
    async with scripts.raw.pubsub() as listener:
        await listener.subscribe("here")
        await listener.get_message(timeout=5)
        await scripts.enqueue("a")
        assert await scripts.run("outcome", "a", "here") == [b"q", b""]
        assert await scripts.run("outcome", "a", "here") == [b"q", b""]
        (claim,) = await scripts.claim()
        await scripts.exchange(scripts.ended(claim, "c", "", b"value"))
        message = await listener.get_message(ignore_subscribe_messages=True, timeout=5)

    assert message is not None
    assert message["data"] == b"cv1:avalue"
    assert await scripts.raw.hlen(scripts.key("waiters")) == 0


async def test_a_script_error_says_what_is_wrong_with_the_arguments(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    with pytest.raises(redis.exceptions.ResponseError):
        await scripts.run("exchange", "ab")
