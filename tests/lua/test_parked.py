"""Jobs that no worker knows yet: a claim that finds that out is no start, and order is kept."""

from __future__ import annotations

import pytest

from aiojobs_redis._redis.store import Claim
from tests.support.other_clock import at
from tests.support.scripts import Scripts

pytestmark = pytest.mark.usefixtures("stopped_clock")


@pytest.fixture
async def clocked(scripts: Scripts) -> Scripts:
    await at(scripts, 0)
    return scripts


async def park(scripts: Scripts, limit: int = 250) -> None:
    """Claim as a worker that does not know the task."""
    await put_back(scripts, await scripts.claim(limit))


async def put_back(scripts: Scripts, claims: list[Claim]) -> None:
    await scripts.exchange(*(scripts.ended(claim, "b", 0, "newer") for claim in claims))


async def adopt(scripts: Scripts, limit: int = 250) -> list[Claim]:
    """Claim as a worker that knows the task."""
    return (await scripts.exchange(limit=limit, adopt=("newer",))).claims


async def test_it_counts_as_no_start(clocked: Scripts) -> None:
    await clocked.enqueue("a", options=",o2")
    await park(clocked)
    for _ in range(3):
        claims = await adopt(clocked)
        assert [claim.id for claim in claims] == [b"a"]
        await put_back(clocked, claims)

    for _ in range(2):
        (claim,) = await adopt(clocked) or await clocked.claim()
        await clocked.exchange(clocked.ended(claim, "r", 0))
    assert await clocked.claim() == []
    assert await clocked.state("a") == "d"


async def test_it_does_not_hold_off_the_expiry(clocked: Scripts) -> None:
    await clocked.enqueue("a", options=",v1000")
    await park(clocked)
    await at(clocked, 2_000)

    assert await adopt(clocked) == []
    assert await clocked.state("a") == "d"


@pytest.mark.parametrize("code", ["t", "r", "z"])
async def test_one_that_had_started_before_does_not_expire(clocked: Scripts, code: str) -> None:
    await clocked.enqueue("a", options=",v1000")
    (claim,) = await clocked.claim()
    await clocked.exchange(clocked.ended(claim, code, 0, "{}"))
    for _ in range(2):
        await put_back(clocked, await clocked.claim() or await adopt(clocked))
    await at(clocked, 2_000)

    assert [claim.id for claim in await adopt(clocked)] == [b"a"]


async def test_the_unique_key_of_one_is_not_given_up(clocked: Scripts) -> None:
    unique = ",usr:look"
    await clocked.enqueue("a", options=unique, spec=b"1", needs=2)
    await park(clocked)
    await clocked.enqueue("b", options=unique, spec=b"2", needs=2)
    (claim,) = await adopt(clocked)
    assert (claim.id, claim.blob.endswith(b"\n2")) == (b"a", True)

    await clocked.enqueue("c", options=unique, spec=b"3", needs=2)
    assert [claim.id for claim in await clocked.claim()] == [b"c"]


@pytest.mark.parametrize("options", ["", ",gk"])
async def test_they_are_adopted_in_the_order_in_which_they_came(
    clocked: Scripts, options: str
) -> None:
    ids = [b"8", b"9", b"10", b"11"]
    for job in ids:
        await clocked.enqueue(job, options=options)
    await clocked.enqueue("z", options=options + ",p5")
    await park(clocked)

    found = [claim.id for _ in range(3) for claim in await adopt(clocked, 2)]
    assert found == [b"z", *ids]


async def test_nothing_is_left_of_one_that_is_cancelled_or_given_up(clocked: Scripts) -> None:
    await clocked.enqueue("a", "b")
    await park(clocked)
    await clocked.operate("cancel", "a", "{}")
    assert await clocked.raw.zcard(clocked.key("unknown")) == 1
    await at(clocked, 86_400_001)
    await clocked.run("sweep", 100, 0, 0, 0, 0, 0)

    assert await clocked.state("b") == "d"
    assert await clocked.raw.zcard(clocked.key("unknown")) == 0


async def park_each(scripts: Scripts, **tasks: str) -> None:
    """Claim all there is, and park each job as of the task that is named."""
    claims = await scripts.claim()
    await scripts.exchange(
        *(scripts.ended(claim, "b", 0, tasks[claim.id.decode()]) for claim in claims)
    )


async def take_any(scripts: Scripts, limit: int) -> list[bytes]:
    """Claim as one that takes any task."""
    return await scripts.claim_ids(limit, adopt=("*",))


@pytest.mark.requirement("B3")
async def test_who_takes_any_task_gets_them_in_their_order(clocked: Scripts) -> None:
    await clocked.enqueue("d", "c", "b", "a")
    await clocked.enqueue("high", options=",p5")
    await park_each(clocked, a="red", b="blue", c="red", d="green", high="red")

    assert await take_any(clocked, 2) == [b"high", b"d"]
    assert await clocked.raw.zcard(clocked.key("unknown")) == 3, "the others stay parked"
    assert await take_any(clocked, 10) == [b"c", b"b", b"a"]


@pytest.mark.requirement("B3")
async def test_what_is_behind_other_jobs_stays_parked(clocked: Scripts) -> None:
    await clocked.enqueue("a", "b", options=",p1")
    await park(clocked)
    await clocked.enqueue("c", "d", options=",p2")
    await clocked.enqueue("e")

    assert await take_any(clocked, 2) == [b"c", b"d"]
    assert await clocked.state("a") == "b"
    assert await take_any(clocked, 2) == [b"a", b"b"]


@pytest.mark.requirement("B3")
@pytest.mark.parametrize("why", ["paused", "limited"])
async def test_what_may_not_start_stays_parked(clocked: Scripts, why: str) -> None:
    await clocked.enqueue("a")
    await park(clocked)
    if why == "paused":
        await clocked.operate("pause", 1)
    else:
        await clocked.enqueue("b")
        await clocked.run("limit", "q", "1,,")
        assert await clocked.claim_ids() == [b"b"]

    assert await take_any(clocked, 5) == []
    assert await clocked.state("a") == "b"


@pytest.mark.requirement("B3")
async def test_of_more_than_a_hundred_tasks_all_get_their_turn(clocked: Scripts) -> None:
    names = [f"j{number}" for number in range(150)]
    await clocked.enqueue(*names)
    await park_each(clocked, **{name: f"task{name}" for name in names})

    found = {job for _ in range(2) for job in await take_any(clocked, 250)}
    assert found == {name.encode() for name in names}
