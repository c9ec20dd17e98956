"""exchange_plain.lua: a queue takes it unless it has limits, flows, turns of keys or followers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.lua.test_wrong_types import everything
from tests.support.scripts import Scripts

Use = Callable[[Scripts], Awaitable[Any]]


async def use_a_follower(scripts: Scripts) -> None:
    await scripts.enqueue("leader", options=",udf:key", needs=2)
    await scripts.claim()
    await scripts.enqueue("follower", options=",udf:key", needs=2)


USES: dict[str, Use] = {
    "a limit": lambda scripts: scripts.run("limit", "q", "5,,"),
    "a pause": lambda scripts: scripts.run("close", "ab", "kslow", 60_000),
    "a key": lambda scripts: scripts.enqueue("keyed", options=",gkey"),
    "a key for later": lambda scripts: scripts.enqueue("keyed", options=",gkey,y60000"),
    "a weight": lambda scripts: scripts.run("weigh", "key", 3, 1000),
    "a flow": lambda scripts: scripts.enqueue_flow({"parent": [], "child": ["parent"]}),
    "a flow of another queue": lambda scripts: scripts.run("expect", "there", 1, "job"),
    "a follower": use_a_follower,
}


def words(scripts: Scripts, counter: int = 1) -> tuple[Any, ...]:
    return (scripts.incarnation, counter, "ab", "w1", 5, 1, 0, 0, 0)


@pytest.mark.parametrize("use", USES.values(), ids=USES)
async def test_a_queue_that_uses_a_feature_is_told_so_and_left_alone(
    scripts: Scripts, use: Use
) -> None:
    await scripts.enqueue("job")
    await use(scripts)
    before = await everything(scripts)

    reply = await scripts.run("exchange_plain", *words(scripts, counter=9))

    assert reply[0] == b"WHOLE"
    assert await everything(scripts) == before


async def test_a_completion_that_closes_a_limit_is_left_to_the_whole_script(
    scripts: Scripts,
) -> None:
    """It comes last, behind one that would be told to who waits before it was found."""
    await scripts.enqueue("a", "b")
    done, throttled = await scripts.claim()
    ends = (scripts.ended(done), scripts.ended(throttled, "l", 60_000, "q"))
    before = await everything(scripts)

    flat = [part for end in ends for part in end]
    head = (scripts.incarnation, 9, "ab", "w1", 0, 1, 0, len(ends), 1, "task")
    reply = await scripts.run("exchange_plain", *head, *flat)

    assert reply[0] == b"WHOLE"
    assert await everything(scripts) == before
    assert (await scripts.exchange(*ends, nonce=scripts.nonce)).lost == []
    assert await scripts.claim_ids() == []


@pytest.mark.parametrize("use", USES.values(), ids=USES)
async def test_a_worker_goes_on_where_its_queue_begins_to_use_a_feature(
    scripts: Scripts, use: Use
) -> None:
    await scripts.enqueue("before")
    first = await scripts.claim_ids(1)
    await use(scripts)
    await scripts.enqueue("after")

    assert first == [b"before"]
    assert await scripts.claim_ids(1) != []


async def test_a_queue_that_uses_nothing_any_more_is_plain_again(scripts: Scripts) -> None:
    await scripts.enqueue("keyed", options=",gkey")
    (claim,) = await scripts.claim()
    await scripts.exchange(scripts.ended(claim), nonce=scripts.nonce)
    await scripts.run("sweep", 100, 0, 0, 0, 0, 0)
    await scripts.enqueue("job")

    assert (await scripts.run("exchange_plain", *words(scripts, counter=9)))[0] == b"OK"


async def test_a_job_that_comes_back_has_a_turn_of_its_key_again(scripts: Scripts) -> None:
    """No job with a key is met by the plain script, however long it was away."""
    await scripts.enqueue("keyed", options=",gkey")
    (claim,) = await scripts.claim()
    await scripts.run("sweep", 100, 0, 0, 0, 0, 0)
    await scripts.exchange(scripts.ended(claim, "t", 0, "{}"), nonce=scripts.nonce)

    assert (await scripts.run("exchange_plain", *words(scripts, counter=9)))[0] == b"WHOLE"
    assert await scripts.claim_ids() == [b"keyed"]


@pytest.mark.corrupts
async def test_of_completed_jobs_the_usual_number_is_kept(scripts: Scripts) -> None:
    """A hundred thousand, those of the call itself among them: so many of the oldest go."""
    index = scripts.key("completed")
    start = await scripts.now() - 200_000
    for first in range(0, 100_000, 10_000):
        await scripts.raw.zadd(index, {f"old-{n}": start + n for n in range(first, first + 10_000)})
    await scripts.enqueue("a", "b")
    claims = await scripts.claim()

    await scripts.exchange(*(scripts.ended(claim) for claim in claims), nonce=scripts.nonce)

    assert await scripts.raw.zcard(index) == 100_000
    assert await scripts.raw.zrange(index, 0, 0) == [b"old-2"]
