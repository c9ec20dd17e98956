"""Keys take turns inside a priority: the places that the scripts give."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence

import pytest
import redis.asyncio

from tests.support.scripts import Scripts


@pytest.fixture
async def real_scripts(
    real_url: str, queue_name: str, redis_client: redis.asyncio.Redis
) -> AsyncIterator[Scripts]:
    scripts = Scripts(real_url, queue_name, redis_client)
    yield scripts
    await scripts.close()


async def add(scripts: Scripts, key: str, count: int, options: str = "") -> None:
    """Enqueue jobs of a key with the ids <key>0000, <key>0001 and so on."""
    names = [f"{key}{number:04}" for number in range(count)]
    for at in range(0, count, 250):
        await scripts.enqueue(
            *names[at : at + 250], options=f",g{key}{options}" if key else options
        )


async def order(scripts: Scripts, limit: int = 250) -> list[str]:
    return [job.decode() for job in await scripts.claim_ids(limit)]


def of(claimed: Sequence[str], key: str) -> list[int]:
    """Return at which places the jobs of a key were claimed, and see that they kept their order."""
    found = [(at, job) for at, job in enumerate(claimed) if job.startswith(key)]
    assert [job for _, job in found] == sorted(job for _, job in found)
    return [at for at, _ in found]


async def test_a_key_that_comes_late_has_every_other_turn(scripts: Scripts) -> None:
    await add(scripts, "a", 20)
    await add(scripts, "b", 5)
    claimed = await order(scripts)

    assert len(claimed) == 25
    assert of(claimed, "b")[-1] <= 11
    assert of(claimed, "a")[5] <= 11


async def test_turns_go_on_where_part_of_a_key_has_run(scripts: Scripts) -> None:
    await add(scripts, "a", 40)
    assert of(await order(scripts, 20), "a") == list(range(20))
    await add(scripts, "b", 10)
    claimed = await order(scripts)

    assert of(claimed, "b")[-1] <= 21


async def test_who_was_alone_before_has_no_advantage_and_no_debt(scripts: Scripts) -> None:
    await add(scripts, "a", 50)
    await order(scripts)
    await scripts.enqueue(*(f"b{n}" for n in range(9)), options=",gb")
    await scripts.enqueue(*(f"c{n}" for n in range(9)), options=",gc")
    await scripts.enqueue(*(f"a0{n}" for n in range(9)), options=",ga")
    claimed = await order(scripts, 12)

    assert all(3 <= len(of(claimed, key)) <= 5 for key in "abc")


async def test_jobs_without_a_key_take_turns_with_keys_and_keep_their_order(
    scripts: Scripts,
) -> None:
    await add(scripts, "a", 30)
    await add(scripts, "", 30)
    claimed = await order(scripts, 20)

    assert 9 <= len(of(claimed, "a")) <= 11
    assert of(claimed, "0") == [at for at, job in enumerate(claimed) if not job.startswith("a")]


async def test_jobs_without_a_key_do_not_wait_for_a_key_that_came_before(scripts: Scripts) -> None:
    await add(scripts, "a", 200)
    for number in range(20):
        await scripts.enqueue(f"n{number:02}")
        claimed = await order(scripts, 3)
        assert of(claimed, "n") != []


async def test_a_priority_stays_before_every_turn(scripts: Scripts) -> None:
    await add(scripts, "a", 5)
    await add(scripts, "b", 2, ",p1")
    claimed = await order(scripts)

    assert of(claimed, "b") == [0, 1]


@pytest.mark.parametrize("way", ["forward", "retry", "move", "replay", "adopt"])
async def test_every_way_into_the_queue_takes_a_turn(scripts: Scripts, way: str) -> None:
    await add(scripts, "b", 3, ",y60000" if way == "forward" else "")
    if way != "forward":
        claims = await scripts.claim()
        ways: dict[str, tuple[str, int | str, str]] = {
            "retry": ("t", 0, "{}"),
            "move": ("t", 60_000, "{}"),
            "replay": ("d", "", "{}"),
            "adopt": ("b", "", "other"),
        }
        code, argument, value = ways[way]
        ended = [scripts.ended(claim, code, argument, value) for claim in claims]
        await scripts.exchange(*ended, nonce=scripts.nonce)
    await add(scripts, "a", 20)
    names = [f"b{number:04}" for number in range(3)]
    if way == "forward":
        await scripts.raw.zadd(scripts.key("scheduled"), dict.fromkeys(names, 1))
    elif way == "move":
        for name in names:
            await scripts.operate("move", name, "", "now")
    elif way == "replay":
        await scripts.operate("replay", "cdx", *names)
    adopt = ("other",) if way == "adopt" else ()
    claimed = [job.decode() for job in await scripts.claim_ids(10, adopt=adopt)]

    assert of(claimed, "b")[-1] <= 7
    assert len(of(claimed, "a")) >= 5


async def test_a_job_that_goes_to_another_priority_takes_its_turn_there(scripts: Scripts) -> None:
    await add(scripts, "a", 20, ",p1")
    await add(scripts, "b", 30)
    await scripts.operate("move", "b0029", "1", "")
    claimed = await order(scripts, 5)

    assert "b0029" in claimed[:3]


async def test_weights_are_shares(scripts: Scripts) -> None:
    assert await scripts.run("weigh", "a", 3, 1000) == 3
    assert await scripts.run("weigh", "b", 2, 1000) == 6
    for key in "abc":
        await add(scripts, key, 100)
    claimed = await order(scripts, 60)

    assert {key: round(len(of(claimed, key)) / 10) for key in "abc"} == {"a": 3, "b": 2, "c": 1}


async def test_weights_that_do_not_go_together_are_refused(scripts: Scripts) -> None:
    assert await scripts.run("weigh", "a", 97, 1000) == 97
    assert await scripts.run("weigh", "b", 89, 1000) == 97 * 89
    assert await scripts.raw.hgetall(scripts.key("limits")) == {b"wa": b"97", b"n97": b"1"}
    assert await scripts.run("weigh", "a", 1, 1000) == 1
    assert not await scripts.raw.exists(scripts.key("limits"), scripts.key("tags"))


async def test_a_weight_counts_as_long_as_a_key_has_it(scripts: Scripts) -> None:
    for key, weight, multiple in (
        *(("a", 3, 3), ("a", 3, 3), ("b", 3, 3), ("c", 4, 12), ("a", 2, 12), ("b", 1, 4)),
        *(("c", 1, 2), ("c", 5, 10), ("a", 5, 5), ("a", 1, 5), ("c", 1, 1)),
    ):
        assert await scripts.run("weigh", key, weight, 1000) == multiple
    assert not await scripts.raw.exists(scripts.key("limits"))


async def test_to_weigh_a_key_takes_no_longer_with_very_many_of_them(
    real_scripts: Scripts,
) -> None:
    scripts = real_scripts
    await scripts.run("weigh", "a", 2, 1000)
    many = {f"wkey{number}": "2" for number in range(20_000)}
    await scripts.raw.hset(scripts.key("limits"), mapping=many)
    await scripts.raw.hset(scripts.key("limits"), "n2", 20_001)

    assert await scripts.run("weigh", "b", 3, 1000) == 6
    took: list[float] = []
    for _ in range(5):
        began = time.perf_counter()
        await scripts.run("weigh", "b", 3, 1000)
        took.append(time.perf_counter() - began)
    assert min(took) < 0.01


async def test_keys_that_come_once_do_not_pile_up(scripts: Scripts) -> None:
    await add(scripts, "a", 250)
    for number in range(400):
        await scripts.enqueue(f"once{number}", options=f",l3600000,gonce{number}")
        await scripts.claim(1)

    assert await scripts.raw.hlen(scripts.key("tags")) < 100


async def test_nothing_is_kept_of_keys_whose_jobs_have_all_ended(scripts: Scripts) -> None:
    await add(scripts, "a", 3)
    await scripts.run("sweep", 100, 0, 0, 0, 0, 0)
    assert await scripts.raw.exists(scripts.key("tags"))
    claims = await scripts.claim()
    await scripts.run("sweep", 100, 0, 0, 0, 0, 0)
    assert await scripts.raw.exists(scripts.key("tags"))
    await scripts.exchange(*(scripts.ended(claim) for claim in claims), nonce=scripts.nonce)
    await scripts.run("sweep", 100, 0, 0, 0, 0, 0)

    assert not await scripts.raw.exists(scripts.key("tags"))


async def test_a_tenant_with_10_000_jobs_does_not_keep_another_one_waiting(
    real_scripts: Scripts,
) -> None:
    """Counted in jobs that start before: what a machine makes of it is not the queue's."""
    scripts = real_scripts
    for first in range(0, 10_000, 250):
        names = (f"a{number:06}" for number in range(first, first + 250))
        await scripts.enqueue(*names, options=",ga")
    waited = []
    for number in range(300):
        await scripts.enqueue(f"b{number}", options=",gb")
        claimed = await order(scripts, 5)
        waited.append(claimed.index(f"b{number}"))

    assert max(waited) <= 2
    await scripts.raw.delete(*scripts.store.keys.values())
    await scripts.close()
