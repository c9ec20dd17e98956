"""Unique jobs that wait for the end of another one: however it ends, they go on, and only then."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.other_clock import at
from tests.support.scripts import Scripts

FOLLOW, REPLACE = ",udf:k", ",usr:k"


async def enqueue(scripts: Scripts, *ids: str, options: str = FOLLOW, **rest: Any) -> bytes:
    flags: bytes = (await scripts.enqueue(*ids, options=options, needs=2, **rest))[1]
    return flags


async def start(scripts: Scripts, job: str = "a", options: str = FOLLOW) -> Any:
    """Add a job, and lease it."""
    await enqueue(scripts, job, options=options)
    (claim,) = await scripts.claim()
    return claim


async def end(scripts: Scripts, claim: Any, *what: Any, limit: int = 0) -> list[bytes]:
    """End a job as it is told, and return what is claimed in the same exchange."""
    ended = scripts.ended(claim, *what)
    return [each.id for each in (await scripts.exchange(ended, limit=limit)).claims]


@pytest.mark.behaviour("T29")
@pytest.mark.parametrize(
    "what", [("c",), ("c", 0), ("c", 60_000), ("d", "", "{}"), ("x", "", "{}")], ids=str
)
async def test_one_goes_on_in_the_exchange_that_ends_the_other(
    scripts: Scripts, what: tuple[Any, ...]
) -> None:
    claim = await start(scripts)
    assert await enqueue(scripts, "b") == b"1"
    assert await scripts.state("b") == "b"
    assert await end(scripts, claim, *what, limit=5) == [b"b"]
    assert await scripts.raw.hlen(scripts.key("followers")) == 0


@pytest.mark.parametrize("what", [("t", 60_000, "{}"), ("z", 60_000), ("r",), ("b", "", "rare")])
async def test_it_waits_on_while_the_other_is_put_off(
    scripts: Scripts, what: tuple[Any, ...]
) -> None:
    claim = await start(scripts)
    await enqueue(scripts, "b")
    await end(scripts, claim, *what)
    assert await scripts.state("b") == "b"
    assert await enqueue(scripts, "c", spec=b"later") == b"4"
    await scripts.operate("cancel", "a", "{}")
    if what[0] == "r":
        assert await scripts.state("a") == "x"
    assert await scripts.state("b") == "s"
    (next_one,) = await scripts.claim()
    assert (next_one.id, next_one.blob.partition(b"\n")[2]) == (b"b", b"later")


async def test_a_worker_that_died_for_good_lets_it_go_on(scripts: Scripts) -> None:
    await start(scripts, options=FOLLOW + ",d1")
    await enqueue(scripts, "b")
    await scripts.expire_lease("a")
    beat = await scripts.beat()
    assert await scripts.run("states", "a", "b") == [b"d", b"s"]
    assert beat.claimable
    assert await scripts.claim_ids() == [b"b"]


async def test_a_lost_lease_that_is_not_the_last_lets_nothing_go_on(scripts: Scripts) -> None:
    await start(scripts)
    await enqueue(scripts, "b")
    await scripts.expire_lease("a")
    await scripts.beat()
    assert await scripts.run("states", "a", "b") == [b"q", b"b"]


async def test_several_of_one_call_are_one(scripts: Scripts) -> None:
    await start(scripts)
    reply = await scripts.enqueue("b", "c", "d", options=FOLLOW, needs=2)
    assert reply == [b"OK", b"144", b"1:b1:b"]
    assert await enqueue(scripts, "e", options=",udk:k") == b"3"
    assert await scripts.run("states", "b", "c", "e") == [b"b", b"", b""]


async def test_one_over_the_rate_is_not_waited_for(scripts: Scripts) -> None:
    await start(scripts)
    reply = await scripts.enqueue("b", "c", "d", options=FOLLOW, needs=2, rate="1 60000")
    assert reply == [b"OK", b"144", b"1:b1:b"]
    await scripts.operate("cancel", "b", "{}")
    assert await scripts.enqueue("c", "d", options=FOLLOW, needs=2, rate="1 60000") == [
        b"OK",
        b"22",
    ]
    assert await scripts.run("states", "c", "d") == [b"", b""]


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")], ids=str)
async def test_both_may_be_removed_in_one_call(scripts: Scripts, order: tuple[str, str]) -> None:
    claim = await start(scripts)
    await enqueue(scripts, "b")
    await end(scripts, claim, "t", 60_000, "{}")
    await scripts.run("remove", "ab" * 16, "qstb", 0, *order)
    assert await scripts.run("states", "a", "b") == [b"", b""]
    assert await scripts.raw.hlen(scripts.key("followers")) == 0
    assert await enqueue(scripts, "c") == b"1"


async def test_the_removal_of_one_lets_the_other_go_on(scripts: Scripts) -> None:
    claim = await start(scripts)
    await enqueue(scripts, "b")
    await end(scripts, claim, "z", 60_000)
    assert await scripts.run("remove", "ab" * 16, "s", 0, "a") == b"S"
    assert await scripts.claim_ids() == [b"b"]


async def test_its_own_time_counts_from_its_enqueue(scripts: Scripts) -> None:
    claim = await start(scripts)
    await enqueue(scripts, "b", options=FOLLOW + ",y60000")
    now = await scripts.now()
    await end(scripts, claim, "c")
    due = await scripts.raw.zscore(scripts.key("scheduled"), "b")
    assert now + 50_000 < due <= now + 60_000


async def test_the_repair_leaves_alone_what_waits_for_another(scripts: Scripts) -> None:
    await start(scripts)
    await enqueue(scripts, "b")
    assert await scripts.run("repair", 100) == [[], 0, 0]
    assert await scripts.state("b") == "b"


@pytest.mark.corrupts
async def test_the_repair_buries_what_waits_for_nothing(scripts: Scripts) -> None:
    await start(scripts)
    await enqueue(scripts, "b")
    await scripts.raw.delete(scripts.key("followers"))
    assert (await scripts.run("repair", 100))[0] == [b"b"]
    assert await scripts.state("b") == "d"


@pytest.mark.corrupts
async def test_the_sweep_lets_go_on_what_nobody_told_of_the_end(scripts: Scripts) -> None:
    await start(scripts)
    await enqueue(scripts, "b")
    for key in ("jobs", "runs"):
        await scripts.raw.hdel(scripts.key(key), "a")
    await scripts.raw.zrem(scripts.key("leases"), "a")
    await scripts.run("sweep", 10, 0, 0, 0, 0, 0)
    assert await scripts.claim_ids() == [b"b"]
    assert await enqueue(scripts, "c") == b"1"
    assert await scripts.state("c") == "b"


@pytest.fixture
async def followed(stopped_clock: None, scripts: Scripts) -> Scripts:
    """A queue in which "b" waits for "a", which is parked for a task and has expired."""
    await at(scripts, 0)
    claim = await start(scripts, options=f"{FOLLOW},v1000")
    await enqueue(scripts, "b")
    await end(scripts, claim, "b", "", "work")
    await at(scripts, 2000)
    assert await scripts.run("states", "a", "b") == [b"b", b"b"]
    return scripts


async def test_nobody_comes_between_one_that_has_expired_and_what_waits_for_it(
    followed: Scripts,
) -> None:
    assert await enqueue(followed, "c", spec=b"last") == b"4"
    await followed.operate("remove", "b", 0, "a")
    (claim,) = await followed.claim()
    assert (claim.id, claim.blob.partition(b"\n")[2]) == (b"b", b"last")


async def test_the_sweep_lets_go_on_what_waits_for_one_that_has_expired(followed: Scripts) -> None:
    await followed.run("sweep", 250, 0, 0, 0, 0, 0)
    await followed.run("repair", 100)
    assert await followed.run("states", "a", "b") == [b"b", b"s"]
    assert await followed.raw.hget(followed.key("unique"), "k") == b",b"
    assert await followed.claim_ids() == [b"b"]


async def test_what_waits_for_one_that_nobody_knew_for_a_day_is_in_one_index(
    stopped_clock: None, scripts: Scripts
) -> None:
    await at(scripts, 0)
    claim = await start(scripts)
    await enqueue(scripts, "b")
    await end(scripts, claim, "b", "", "work")
    # Both have been blocked for a day, and are looked at in one round.
    await at(scripts, 86_400_001)
    reply = await scripts.run("sweep", 250, 0, 0, 0, 0, 0)
    assert reply[3] == [b"a"]
    assert await scripts.state("b") == "s"
    assert await scripts.raw.zcard(scripts.key("blocked")) == 0


async def test_the_window_of_the_first_one_goes_on(scripts: Scripts) -> None:
    first = await start(scripts, options=",udk60000:k")
    await enqueue(scripts, "b")
    assert await end(scripts, first, limit=1) == [b"b"]
    await scripts.operate("cancel", "b", "{}")
    assert await enqueue(scripts, "c", options=",udk:k") == b"3"


async def test_one_that_gives_up_its_key_gives_up_its_window(scripts: Scripts) -> None:
    await start(scripts, options=",udk60000:k")
    await enqueue(scripts, "b")
    assert await scripts.operate("free", "a") == 1
    await scripts.operate("remove", "bqs", 0, "b")
    assert await enqueue(scripts, "c", options=",udk:k") == b"1"


async def test_what_is_in_the_place_of_another_has_its_own_window(scripts: Scripts) -> None:
    await enqueue(scripts, "a", options=",udk60000:k")
    assert await enqueue(scripts, "b", options=REPLACE) == b"4"
    (claim,) = await scripts.claim()
    await end(scripts, claim)
    assert await enqueue(scripts, "c", options=",udk:k") == b"1"


async def test_a_follower_that_is_gone_is_replaced_by_a_new_one(scripts: Scripts) -> None:
    claim = await start(scripts)
    await enqueue(scripts, "b")
    await scripts.operate("cancel", "b", "{}")
    assert await scripts.raw.hlen(scripts.key("followers")) == 0
    assert await enqueue(scripts, "c") == b"1"
    assert await end(scripts, claim, "c", limit=5) == [b"c"]


async def test_a_replacement_is_answered_again_and_done_once(scripts: Scripts) -> None:
    await enqueue(scripts, "a", options=REPLACE, counter=1)
    first = await scripts.enqueue("b", options=REPLACE, needs=2, spec=b"second", counter=2)
    assert first == [b"OK", b"4", b"1:a"]
    # Somebody else does so meanwhile; the copy of the first call must not undo it.
    jobs = ("c", f"1{REPLACE}", b"third")
    await scripts.run("enqueue", "f" * 32, 1, 0, 2, "", 1, "work", *jobs)
    assert await scripts.enqueue("b", options=REPLACE, needs=2, counter=2) == first
    (claim,) = await scripts.claim()
    assert claim.blob.endswith(b"\nthird")


async def test_a_replaced_job_is_measured_by_what_it_is_now(scripts: Scripts) -> None:
    await enqueue(scripts, "a", options=REPLACE, spec=b"small")
    assert await scripts.raw.hget(scripts.key("meta"), "big") is None
    await enqueue(scripts, "b", options=REPLACE, spec=b"x" * 20_000)
    assert await scripts.raw.hget(scripts.key("meta"), "big") == b"1"


async def test_a_replayed_job_is_replaced_within_its_generation(scripts: Scripts) -> None:
    await enqueue(scripts, "a", options=REPLACE)
    await scripts.operate("cancel", "a", "{}")
    await scripts.operate("replay", "cdx", "a")
    assert await enqueue(scripts, "b", options=REPLACE, spec=b"new") == b"4"
    (claim,) = await scripts.claim()
    assert (claim.id, claim.generation) == (b"a", 2)
    assert claim.blob.endswith(b"\nnew")


@pytest.mark.corrupts
async def test_a_blocked_job_gets_new_arguments_and_waits_on(scripts: Scripts) -> None:
    """As one does that waits for other jobs: when it goes on is not the new one's to say."""
    claim = await start(scripts)
    await enqueue(scripts, "b")
    # Its own key, so that it holds it while it is blocked.
    for key, prefix in (("jobs", b",e1"), ("runs", b"b,,,,1,0,0,,,,e1")):
        rest = b"\nspec" if key == "jobs" else b""
        await scripts.raw.hset(scripts.key(key), "b", prefix + b",udk:own" + rest)
    await scripts.raw.hset(scripts.key("unique"), "own", b",b")
    assert await enqueue(scripts, "c", options=",usr:own,y5", spec=b"new") == b"4"
    blob = await scripts.raw.hget(scripts.key("jobs"), "b")
    assert blob == b",e1,usr:own\nnew"
    assert await scripts.state("b") == "b"
    await end(scripts, claim, "c")


async def test_a_replaced_job_keeps_its_place_among_the_others(scripts: Scripts) -> None:
    await scripts.enqueue("a", options=",udr:k", needs=2)
    await scripts.enqueue("between")
    await scripts.enqueue("b", options=",udr:k", spec=b"new", needs=2)

    first, second = await scripts.claim()
    assert (first.id, second.id) == (b"a", b"between")
    assert first.blob.endswith(b"\nnew")
