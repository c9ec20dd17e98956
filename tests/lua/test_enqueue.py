"""enqueue.lua: each id once, each call once, nothing of a call that is refused."""

from __future__ import annotations

import pytest

from tests.support.scripts import Scripts

REPLY_OK = b"OK"


async def test_each_id_is_added_once(scripts: Scripts) -> None:
    assert await scripts.enqueue("a", "b", "a") == [REPLY_OK, b"110"]
    assert await scripts.enqueue("b", "c") == [REPLY_OK, b"01"]
    assert await scripts.claim_ids() == [b"a", b"b", b"c"]


async def test_the_first_of_two_jobs_with_one_id_stays(scripts: Scripts) -> None:
    await scripts.enqueue("a", spec=b"first")
    await scripts.enqueue("a", spec=b"second", options=",p5")

    (claim,) = await scripts.claim()
    assert claim.blob.endswith(b"\nfirst")


async def test_ids_are_found_among_large_specs_too(scripts: Scripts) -> None:
    await scripts.enqueue("a", spec=b"x" * 20_000)

    assert await scripts.enqueue("b", "a", "b") == [REPLY_OK, b"100"]


async def test_a_resent_call_is_answered_as_the_first_time(scripts: Scripts) -> None:
    await scripts.enqueue("b", counter=3)
    first = await scripts.enqueue("a", "b", counter=4)
    (claim, *_) = await scripts.claim()
    await scripts.exchange(scripts.ended(claim, "c", 0))

    assert first == [REPLY_OK, b"10"]
    assert await scripts.enqueue("a", "b", counter=4) == first
    assert await scripts.state("b") == ""


async def test_a_call_older_than_the_last_is_refused(scripts: Scripts) -> None:
    await scripts.enqueue("a", counter=4)

    assert await scripts.enqueue("b", counter=3) == [b"STALE"]
    assert await scripts.state("b") == ""


async def test_a_key_adds_as_many_at_once_as_its_rate_allows(scripts: Scripts) -> None:
    rate = "3 3600000"

    assert await scripts.enqueue("a", "b", options=",gk", rate=rate) == [REPLY_OK, b"11"]
    assert await scripts.enqueue("a", "c", "d", "e", options=",gk", rate=rate) == [
        REPLY_OK,
        b"0122",
    ]
    assert await scripts.enqueue("d", options=",gother", rate=rate) == [REPLY_OK, b"1"]
    assert await scripts.enqueue("e", "f", "g", "h", rate=rate) == [REPLY_OK, b"1112"]
    assert await scripts.enqueue("i", options=",gk") == [REPLY_OK, b"1"]
    assert sorted(await scripts.claim_ids()) == [b"a", b"b", b"c", b"d", b"e", b"f", b"g", b"i"]


async def test_a_resent_call_is_refused_what_it_was_refused(scripts: Scripts) -> None:
    first = await scripts.enqueue("a", "b", rate="1 3600000", counter=1)
    await scripts.raw.delete(scripts.key("rates"))

    assert first == [REPLY_OK, b"12"]
    assert await scripts.enqueue("a", "b", rate="1 3600000", counter=1) == first
    assert await scripts.state("b") == ""


async def test_steps_that_are_no_whole_number_of_ms_add_up(scripts: Scripts) -> None:
    (_, flags) = await scripts.enqueue(*map(str, range(242)), rate="241 3600000")

    assert flags == b"1" * 241 + b"2"


async def test_a_bucket_that_a_clock_has_left_ahead_is_full(scripts: Scripts) -> None:
    ahead = (await scripts.now() + 7_260_000) * 1000
    await scripts.raw.zadd(scripts.key("rates"), {"k": ahead})

    assert await scripts.enqueue("a", "b", options=",gk", rate="1 3600000") == [REPLY_OK, b"12"]


async def test_a_call_that_would_pass_the_length_adds_nothing(scripts: Scripts) -> None:
    await scripts.enqueue("a", options=",y60000")
    await scripts.enqueue("b", max_length=2)

    assert await scripts.enqueue("c", max_length=2) == [b"FULL", 2]
    assert await scripts.enqueue("c", "d", max_length=3) == [b"FULL", 2]
    assert await scripts.state("c") == ""
    await scripts.claim()
    assert await scripts.enqueue("c", max_length=2) == [REPLY_OK, b"1"]


async def test_jobs_that_a_limit_holds_back_count_for_the_length(scripts: Scripts) -> None:
    await scripts.run("limit", "kk", "1,,")
    await scripts.enqueue("a", "b", "c", options=",gk", max_length=3)
    assert await scripts.claim_ids() == [b"a"]

    assert await scripts.enqueue("d", "e", options=",gk", max_length=3) == [b"FULL", 2]
    assert await scripts.enqueue("d", options=",gk", max_length=3) == [REPLY_OK, b"1"]


async def test_a_refusal_is_answered_again_though_there_is_room_by_now(scripts: Scripts) -> None:
    await scripts.enqueue("a", "b", counter=1)
    assert await scripts.enqueue("c", counter=2, max_length=2) == [b"FULL", 2]
    await scripts.claim()

    assert await scripts.enqueue("c", counter=2, max_length=2) == [b"FULL", 0]
    assert await scripts.state("c") == ""
    assert await scripts.enqueue("c", counter=3, max_length=2) == [REPLY_OK, b"1"]


async def test_a_delay_counts_from_the_servers_time(scripts: Scripts) -> None:
    before = await scripts.now()
    await scripts.enqueue("a", options=",y60000")
    due = await scripts.raw.zscore(scripts.key("scheduled"), "a")

    assert before + 60_000 <= due <= await scripts.now() + 60_000
    assert await scripts.state("a") == "s"
    assert await scripts.raw.zcard(scripts.key("due")) == 1


@pytest.mark.parametrize(("offset", "state"), [(60_000, "s"), (-60_000, "q")])
async def test_a_time_in_the_past_is_ready_at_once(
    scripts: Scripts, offset: int, state: str
) -> None:
    at = await scripts.now() + offset
    await scripts.enqueue("a", options=f",w{at}")

    assert await scripts.state("a") == state
    ((_, blob, *_),) = await scripts.run("inspect", "a")
    assert b",w%d" % at in blob


async def test_an_expiry_is_counted_from_the_servers_time(scripts: Scripts) -> None:
    before = await scripts.now()
    await scripts.enqueue("a", options=",p3,v5000")
    ((_, blob, *_),) = await scripts.run("inspect", "a")
    header = blob.partition(b"\n")[0].decode()
    expiry = int(header.rpartition(",x")[2])

    assert ",v" not in header
    assert before + 5000 <= expiry <= await scripts.now() + 5000


async def test_only_an_earlier_due_time_rings_for_the_leader(scripts: Scripts) -> None:
    rang = []
    for job, delay in (("a", 60_000), ("b", 90_000), ("c", 30_000)):
        await scripts.enqueue(job, options=f",y{delay}")
        rang.append(await scripts.raw.delete(scripts.key("due")))

    assert rang == [1, 0, 1]


async def test_jobs_of_one_due_time_become_ready_in_the_order_of_their_enqueue(
    scripts: Scripts,
) -> None:
    at = await scripts.now() + 60_000
    names = [f"{number:02}" for number in range(20)]
    await scripts.enqueue(*reversed(names), options=f",w{at}")
    for name in names:
        await scripts.raw.zadd(scripts.key("scheduled"), {name: at - 120_000})

    assert await scripts.claim_ids() == [name.encode() for name in reversed(names)]


async def test_a_paused_queue_takes_jobs_without_ringing(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    await scripts.raw.delete(scripts.key("wake"))
    await scripts.operate("pause", 1)
    await scripts.enqueue("b")

    assert await scripts.raw.zcard(scripts.key("wake")) == 0
    await scripts.operate("pause", 0)
    assert await scripts.raw.zcard(scripts.key("wake")) == 1


async def test_an_entry_of_the_events_holds_64_ids_at_most(scripts: Scripts) -> None:
    await scripts.enqueue(*(f"{number:03}" for number in range(250)))
    entries = [fields for _, fields in await scripts.raw.xrange(scripts.key("events"))]
    sizes = [fields[b"enqueued,work"].count(b"3:") for fields in entries]

    assert sizes == [64, 64, 64, 58]
