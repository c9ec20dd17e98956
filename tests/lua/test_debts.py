"""Keys of which jobs were taken away: what they have left is all that they stand behind."""

from __future__ import annotations

import random

import pytest

from aiojobs_redis._redis.store import Claim
from tests.support.scripts import Scripts


async def add(scripts: Scripts, key: str, count: int, first: int = 0, options: str = "") -> None:
    """Enqueue jobs of a key with the ids <key>0000, <key>0001 and so on."""
    names = [f"{key}{number:04}" for number in range(first, first + count)]
    for at in range(0, count, 250):
        await scripts.enqueue(*names[at : at + 250], options=f",g{key}{options}")


async def remove(scripts: Scripts, key: str, first: int, last: int) -> None:
    names = [f"{key}{number:04}" for number in range(first, last)]
    for at in range(0, len(names), 250):
        await scripts.operate("remove", "q", 0, *names[at : at + 250])


async def forgive(scripts: Scripts, most: int = 500) -> int:
    """Let the janitor look until there is nothing more; return how often it did."""
    calls = 1
    while await scripts.run("forgive", most):
        calls += 1
    return calls


async def order(scripts: Scripts, limit: int = 250) -> list[str]:
    return [job.decode() for job in await scripts.claim_ids(limit)]


async def field(scripts: Scripts, name: str) -> bytes | None:
    found: bytes | None = await scripts.raw.hget(scripts.key("tags"), name)
    return found


@pytest.mark.parametrize("way", ["remove", "cancel", "move", "replace"])
async def test_a_key_whose_jobs_were_taken_away_begins_at_the_head(
    scripts: Scripts, way: str
) -> None:
    count = 30
    if way == "replace":
        for number in range(count):
            await scripts.enqueue(f"a{number:04}", options=f",ga,udr:u{number}", needs=2)
    else:
        await add(scripts, "a", count)
    await add(scripts, "b", 60)
    if way == "remove":
        await remove(scripts, "a", 0, count)
    for number in range(count):
        if way == "cancel":
            await scripts.operate("cancel", f"a{number:04}", "{}")
        elif way == "move":
            await scripts.operate("move", f"a{number:04}", "-1", "")
        elif way == "replace":
            await scripts.enqueue(f"x{number}", options=f",gc,udr:u{number},y60000", needs=2)
    await forgive(scripts)
    await scripts.enqueue("anew", options=",ga")

    assert "anew" in (await order(scripts))[:2]


async def test_a_key_without_anything_left_on_an_empty_queue_is_level_with_others(
    scripts: Scripts,
) -> None:
    await add(scripts, "a", 30)
    await remove(scripts, "a", 0, 30)
    await forgive(scripts)
    await add(scripts, "b", 10)
    await add(scripts, "a", 10)

    assert {job[0] for job in (await order(scripts))[:2]} == {"a", "b"}


async def test_it_is_forgiven_while_others_keep_coming(scripts: Scripts) -> None:
    await add(scripts, "a", 300)
    await add(scripts, "b", 2)
    await remove(scripts, "a", 0, 300)
    for number in range(2, 12):
        await scripts.claim(1)
        await add(scripts, "b", 1, number)
    await forgive(scripts)
    await scripts.enqueue("anew", options=",ga")

    assert "anew" in (await order(scripts))[:3]


async def test_a_key_that_has_one_job_left_stands_behind_that_one(scripts: Scripts) -> None:
    await add(scripts, "a", 20)
    await add(scripts, "b", 40)
    await remove(scripts, "a", 0, 9)
    await remove(scripts, "a", 10, 20)
    await forgive(scripts)
    await add(scripts, "a", 2, 20)
    claimed = await order(scripts)

    assert [job for job in claimed if job[0] == "a"] == ["a0009", "a0020", "a0021"]
    assert claimed.index("a0021") < 25


async def test_what_is_taken_from_the_middle_changes_nothing(scripts: Scripts) -> None:
    await add(scripts, "a", 20)
    await add(scripts, "b", 10)
    await remove(scripts, "a", 5, 15)
    before = await field(scripts, "0,a")
    await forgive(scripts)
    await add(scripts, "a", 1, 20)

    assert int(before or 0) + 1 == int(await field(scripts, "0,a") or 0)
    found = [job for job in await order(scripts) if job[0] == "a"]
    assert found == sorted(found)


async def test_a_job_that_comes_during_the_walk_keeps_its_key_where_it_is(scripts: Scripts) -> None:
    await add(scripts, "a", 20)
    await add(scripts, "b", 40)
    await remove(scripts, "a", 0, 20)
    assert await scripts.run("forgive", 10) == 1
    await add(scripts, "a", 1, 20)
    await forgive(scripts, 10)
    await add(scripts, "a", 1, 21)

    assert [job for job in await order(scripts) if job[0] == "a"] == ["a0020", "a0021"]


async def test_a_key_that_loses_jobs_during_the_walk_waits_for_the_next(scripts: Scripts) -> None:
    await add(scripts, "a", 20)
    await add(scripts, "b", 40)
    await remove(scripts, "a", 0, 10)
    assert await scripts.run("forgive", 30) == 1
    await remove(scripts, "a", 10, 20)
    await forgive(scripts, 30)
    assert int(await field(scripts, "0,a") or 0)
    await forgive(scripts, 30)

    assert await field(scripts, "0,a") is None
    assert not [name for name in await scripts.raw.hkeys(scripts.key("tags")) if name[:1] in b"pd"]


async def test_a_walk_goes_on_where_the_job_that_it_had_reached_is_gone(scripts: Scripts) -> None:
    """Many jobs stand at one place, one of each key."""
    await add(scripts, "a", 5)
    for number in range(30):
        await scripts.enqueue(f"k{number}", options=f",gk{number}")
    await remove(scripts, "a", 2, 5)
    calls = 0
    while await scripts.run("forgive", 4):
        _, _, last = (await field(scripts, "walked") or b"").partition(b" ")
        if calls == 3:
            await scripts.operate("remove", "q", 0, last)
        calls += 1
        assert calls < 40
    left = await scripts.raw.zscore(scripts.key("ready"), "a0001")

    assert int(await field(scripts, "0,a") or 0) == int(left) % 2**42


async def test_two_walk_together(scripts: Scripts) -> None:
    await add(scripts, "a", 20)
    await add(scripts, "b", 40)
    await remove(scripts, "a", 0, 20)
    calls = 0
    while await scripts.run("forgive", 5 + calls % 2 * 3):
        calls += 1

    assert 5 < calls < 8
    assert await field(scripts, "0,a") is None
    assert await field(scripts, "walk") is None


async def test_of_very_many_keys_a_page_is_looked_at_at_once(scripts: Scripts) -> None:
    keys = [f"{'long' * 20}{number}" for number in range(250)]
    for key in keys:
        await scripts.enqueue(*(f"{key}-{each}" for each in range(3)), options=f",g{key}")
    await add(scripts, "b", 10)
    names = [f"{key}-{each}" for key in keys for each in range(3)]
    for at in range(0, len(names), 250):
        await scripts.operate("remove", "q", 0, *names[at : at + 250])
    assert int(await field(scripts, "pages") or 0) > 1
    await forgive(scripts)
    assert await field(scripts, "pages") == b"0"
    await forgive(scripts)

    left = {name for name in await scripts.raw.hkeys(scripts.key("tags")) if b"long" in name}
    assert not left
    assert await field(scripts, "debts") is None


async def test_a_job_that_runs_goes_back_before_those_that_came_after_it(scripts: Scripts) -> None:
    """Its key was forgiven meanwhile, when another one had come back to an earlier place."""
    await add(scripts, "a", 10)
    claims = await scripts.claim(5)
    back = [scripts.ended(claim, "r") for claim in claims]
    await scripts.exchange(*back[:1])
    await add(scripts, "b", 3)
    await remove(scripts, "a", 5, 10)
    await forgive(scripts)
    await add(scripts, "a", 1, 20)
    await scripts.exchange(*back[1:])

    found = [job for job in await order(scripts) if job[0] == "a"]
    assert found == ["a0000", "a0001", "a0002", "a0003", "a0004", "a0020"]


async def test_a_suspect_that_took_a_turn_is_not_passed(scripts: Scripts) -> None:
    await add(scripts, "a", 10)
    await add(scripts, "b", 30)
    claim = next(each for each in await scripts.claim(2) if each.id == b"a0000")
    record = (await scripts.raw.hget(scripts.key("runs"), claim.id)).decode().split(",")
    record[6] = "2"
    await scripts.raw.hset(scripts.key("runs"), claim.id, ",".join(record))
    await scripts.exchange(scripts.ended(claim, "t", 0, "{}"))
    assert await scripts.raw.zcard(scripts.key("suspects")) == 1
    await remove(scripts, "a", 1, 10)
    await forgive(scripts)
    place = int(await scripts.raw.zscore(scripts.key("suspects"), claim.id)) % 2**42

    assert int(await field(scripts, "0,a") or 0) == place


@pytest.mark.parametrize("seed", range(6))
async def test_a_key_keeps_its_order_whatever_happens_during_a_walk(
    scripts: Scripts, seed: int
) -> None:
    """No job starts while an older one of its key waits, whoever looks at what in between."""
    chance = random.Random(seed)
    running: list[tuple[Claim, str]] = []
    count, forgiven = 0, 0
    ways = ("add", "remove", "claim", "back", "end", "look")
    await scripts.run("weigh", "b", 2, 1000)
    for _ in range(250):
        (what,) = chance.choices(ways, (5, 3, 4, 3, 1, 6))
        found = await scripts.raw.zrange(scripts.key("ready"), 0, -1)
        waiting = sorted(job.decode() for job in found)
        if what == "add":
            for _ in range(chance.randint(1, 4)):
                key = chance.choice("abc")
                await scripts.enqueue(f"{key}{count:05}", options=f",g{key}")
                count += 1
        elif what == "remove" and waiting:
            key = chance.choice("abc")
            mine = [job for job in waiting if job[0] == key]
            await scripts.operate("remove", "q", 0, *(mine[chance.randint(0, 3) :] or waiting[:1]))
        elif what == "claim":
            for claim in await scripts.claim(chance.randint(1, 4)):
                job = claim.id.decode()
                older = [each for each in waiting if each[0] == job[0] and each < job]
                assert not older, (job, older)
                waiting.remove(job)
                running.append((claim, scripts.nonce))
        elif what in ("back", "end") and running:
            claim, nonce = running.pop(chance.randrange(len(running)))
            scripts.nonce = nonce
            await scripts.exchange(scripts.ended(claim, "r" if what == "back" else "c"))
        elif what == "look":
            before = await scripts.raw.hlen(scripts.key("tags"))
            await scripts.run("forgive", chance.randint(1, 3))
            forgiven += await scripts.raw.hlen(scripts.key("tags")) != before
    assert forgiven > 3
