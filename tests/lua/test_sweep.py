"""sweep.lua and the evictions of a finish: what outlived its retention goes, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.scripts import Scripts

HOUR, DAY = 3_600_000, 86_400_000


async def sweep(scripts: Scripts, most: int = 250) -> tuple[int, int]:
    removed, dead, *_ = await scripts.run("sweep", most, 0, 0, 0, 0, 0)
    return removed, dead


async def finish(scripts: Scripts, code: str, *jobs: str, argument: int | str = "") -> None:
    await scripts.enqueue(*jobs)
    claims = await scripts.claim()
    ends = [scripts.ended(claim, code, argument, b"{}") for claim in claims]
    await scripts.exchange(*ends)


async def age(scripts: Scripts, index: str, **ms: int) -> None:
    now = await scripts.now()
    await scripts.raw.zadd(scripts.key(index), {job: now - by for job, by in ms.items()})


async def left(scripts: Scripts) -> dict[str, list[Any]]:
    names = ("jobs", "runs", "results", "errors")
    return {name: sorted(await scripts.raw.hkeys(scripts.key(name))) for name in names}


@pytest.mark.parametrize(
    ("code", "index", "retention"),
    [("c", "completed", HOUR), ("x", "cancelled", HOUR), ("d", "dead", 30 * DAY)],
)
async def test_finished_jobs_go_after_their_retention(
    scripts: Scripts, code: str, index: str, retention: int
) -> None:
    await finish(scripts, code, "old", "new")
    await age(scripts, index, old=retention + 1, new=retention - 60_000)
    removed, _ = await sweep(scripts)

    assert removed == 1
    kept = await left(scripts)
    assert kept["jobs"] == kept["runs"] == [b"new"]
    assert b"old" not in kept["results"] + kept["errors"]


async def test_a_retention_of_its_own_ends_on_time(scripts: Scripts) -> None:
    await finish(scripts, "c", "old", "new", argument=60_000)
    await age(scripts, "kept", old=1)

    assert await sweep(scripts) == (1, 0)
    assert await scripts.run("states", "old", "new") == [b"", b"c"]


async def test_dead_jobs_with_retentions_of_their_own_go_in_order_of_expiry(
    scripts: Scripts,
) -> None:
    await scripts.enqueue("short", options=",k60000")
    await scripts.enqueue("long")
    await scripts.enqueue("none", options=",k0")
    await scripts.exchange(
        *(scripts.ended(claim, "d", "", "{}") for claim in await scripts.claim()),
        nonce=scripts.nonce,
    )
    now = await scripts.now()
    order = await scripts.raw.zrange(scripts.key("dead"), 0, -1, withscores=True)

    assert [job for job, _ in order] == [b"short", b"long"]
    assert abs(order[0][1] + 30 * DAY - now - 60_000) < 10_000
    await scripts.raw.zincrby(scripts.key("dead"), -60_001, "short")
    assert await sweep(scripts) == (1, 1)
    assert await scripts.state("long") == "d"


async def test_a_call_removes_a_few_of_each_kind(scripts: Scripts) -> None:
    names = [f"{number:02}" for number in range(30)]
    await finish(scripts, "d", *names)
    await age(scripts, "dead", **dict.fromkeys(names, 31 * DAY))

    assert [await sweep(scripts, 20) for _ in range(3)] == [(20, 10), (10, 0), (0, 0)]


async def test_a_finish_evicts_what_outlived_its_retention(scripts: Scripts) -> None:
    await finish(scripts, "c", "old")
    await age(scripts, "completed", old=HOUR + 1)
    await finish(scripts, "c", "new")

    assert (await left(scripts))["jobs"] == [b"new"]


async def test_a_job_that_no_worker_knew_for_a_day_is_dead(scripts: Scripts) -> None:
    await scripts.enqueue("old", "new", "none")
    claims = await scripts.claim()
    await scripts.exchange(*(scripts.ended(claim, "b", "", "rare") for claim in claims))
    await age(scripts, "blocked", old=DAY + 1, new=DAY - 60_000)

    removed, dead, _, given_up, _, told = await scripts.run("sweep", 250, 0, 0, 0, 0, 0)
    assert (removed, dead, given_up, told) == (1, 1, [b"old"], [[], [b"old"], []])
    assert await scripts.run("states", "old", "new") == [b"d", b"b"]
    error = await scripts.raw.hget(scripts.key("errors"), "old")
    assert b"TaskNotRegistered" in error
    assert b"rare" in error


async def test_memories_go_once_their_owner_was_not_seen_for_long(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    await scripts.claim()
    await scripts.beat()
    now = await scripts.now()
    old = now - 60_001
    await scripts.raw.hset(scripts.key("ops"), "old", f"1,{now - 600_001},ab,0,")
    await scripts.raw.hset(scripts.key("producers"), "old", f"1,{old},1")
    await scripts.raw.hset(scripts.key("workers"), "old", f"{old},{{}}")
    minutes = (now - 2 * DAY) // 60_000 - 1
    old_counts = {f"{minutes},work,completed": 1, f"{minutes}": ",work", f"{minutes},,oldest": 5}
    await scripts.raw.hset(scripts.key("stats"), mapping=old_counts)
    await sweep(scripts)

    for name in ("ops", "producers", "workers"):
        fields = await scripts.raw.hkeys(scripts.key(name))
        assert len(fields) == 1
        assert b"old" not in fields
    kept = await scripts.raw.hkeys(scripts.key("stats"))
    assert {field.partition(b",")[2] for field in kept} == {b"", b"work,enqueued", b",oldest"}
    assert min(int(field.partition(b",")[0]) for field in kept) > minutes


@pytest.mark.corrupts
async def test_what_cannot_be_read_goes_too(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    for name in ("ops", "producers", "workers", "stats"):
        await scripts.raw.hset(scripts.key(name), "x", "nonsense")
    await sweep(scripts)

    for name in ("ops", "producers", "workers", "stats"):
        assert not await scripts.raw.hexists(scripts.key(name), "x")


async def test_the_cursors_go_through_large_hashes(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    old = await scripts.now() - 60_001
    fields = {f"{number}": f"1,{old},1" for number in range(1500)}
    await scripts.raw.hset(scripts.key("producers"), mapping=fields)
    cursors: list[Any] = [0] * 5
    for _ in range(60):
        _, _, cursors, *_ = await scripts.run("sweep", 10, *cursors)

    assert await scripts.raw.hlen(scripts.key("producers")) == 1


async def test_many_calls_that_were_noted_are_forgotten_as_fast_as_they_come(
    scripts: Scripts,
) -> None:
    await scripts.enqueue("job")
    now = await scripts.now()
    calls = {f"{number:032x}": f"1,{now - 61_000},q" for number in range(5_000)}
    await scripts.raw.hset(scripts.key("producers"), mapping=calls)
    # As the janitor does: at once again, as long as there may be more to do.
    removed, rounds, cursors = 250, 0, [0] * 5
    while removed >= 250:
        removed, _, cursors, *_ = await scripts.run("sweep", 250, *cursors, 0)
        rounds += 1

    assert await scripts.raw.hlen(scripts.key("producers")) <= 50
    assert 2 < rounds < 20


async def test_a_queue_that_does_not_exist_is_left_so(scripts: Scripts) -> None:
    assert await scripts.run("sweep", 10, 0, 0, 0, 0, 0) == [0, 0, [b"0"] * 5, [], 0]
    assert await scripts.raw.keys(f"*{{{scripts.store.queue}}}*") == []


async def test_the_wait_of_the_oldest_job_is_kept_once_a_minute(scripts: Scripts) -> None:
    async def samples() -> dict[bytes, int]:
        found = await scripts.raw.hgetall(scripts.key("stats"))
        return {name: int(text) for name, text in found.items() if name.endswith(b",,oldest")}

    now = await scripts.now()
    await scripts.enqueue("old", options=f",w{now - 90_000}")
    await scripts.enqueue("young")
    await sweep(scripts)
    first = await samples()
    await scripts.enqueue("older", options=f",p5,w{now - 900_000}")
    await sweep(scripts)
    second = await samples()

    minute, waited = min(first.items())
    assert int(minute.partition(b",")[0]) in {now // 60_000, now // 60_000 + 1}
    assert 90_000 <= waited < 120_000
    # A minute may have ended between the two.
    assert second[minute] == waited
    assert len(second) <= 2


async def test_no_sample_is_kept_of_a_queue_that_was_destroyed(scripts: Scripts) -> None:
    await sweep(scripts)
    assert not await scripts.raw.exists(scripts.key("stats"))


async def test_a_minute_in_which_nothing_waits_is_kept_as_such(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    await scripts.claim()
    await sweep(scripts)
    found = await scripts.raw.hgetall(scripts.key("stats"))
    assert [text for name, text in found.items() if name.endswith(b",,oldest")] == [b"0"]
