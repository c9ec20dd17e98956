"""The scripts of schedules: each change compares what its caller saw with what is there."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.scripts import Scripts

ID = "nightly"


async def put(
    scripts: Scripts,
    tick: int | str,
    revision: str = "ab",
    expected: str = "",
    declared: int = 0,
    definition: str = "definition",
) -> int:
    args = (ID, revision, expected, tick, 77, declared, definition)
    return int(await scripts.run("schedule", *args))


async def fire(
    scripts: Scripts,
    tick: int,
    next_tick: int | str,
    *ticks: int,
    skip: int = 0,
    missed: int = 0,
    limit: int | str = "",
    options: str = "",
) -> int:
    jobs: list[Any] = []
    for each in ticks:
        jobs += (f"{ID}:{each}", f"1{options},w{each}", "spec")
    last = ticks[-1] if ticks else tick
    args = (ID, "ab", tick, next_tick, last, missed, skip, limit, "work", *jobs)
    made = await scripts.run("fire", *args)
    return -1 if made == -1 else int(made.count(b"1"))


async def line(scripts: Scripts) -> list[str]:
    record = await scripts.raw.hget(scripts.key("schedules"), ID)
    return str(record.decode()).partition("\n")[0].split(",")


async def tick_of(scripts: Scripts) -> float | None:
    score = await scripts.raw.zscore(scripts.key("ticks"), ID)
    return None if score is None else float(score)


async def test_a_schedule_makes_the_queue_and_rings_for_the_leader(scripts: Scripts) -> None:
    now = await scripts.now()

    assert await put(scripts, now + 5000) == 1
    assert await tick_of(scripts) == now + 5000
    assert await line(scripts) == ["ab", "0", "0", "0", "", "77", ""]
    assert await scripts.raw.delete(scripts.key("due")) == 1
    assert (await scripts.beat()).tick_at == now + 5000


async def test_of_concurrent_definitions_one_wins_and_the_others_look_again(
    scripts: Scripts,
) -> None:
    now = await scripts.now()
    wins = await asyncio.gather(*(put(scripts, now + 5000, f"a{each}") for each in range(9)))

    assert sum(wins) == 1


async def test_the_same_definition_changes_neither_tick_nor_phase_nor_pause(
    scripts: Scripts,
) -> None:
    now = await scripts.now()
    await put(scripts, now + 5000)
    await scripts.run("pause_schedule", ID, "ab", 1, "")
    await put(scripts, now + 9000, expected="ab", declared=1, definition="same, newer version")
    record = await scripts.raw.hget(scripts.key("schedules"), ID)

    assert await tick_of(scripts) is None
    assert (await line(scripts))[:6] == ["ab", "1", "0", "0", "", "77"]
    assert int((await line(scripts))[6]) >= now
    assert record.endswith(b"\nsame, newer version")


async def test_another_definition_has_its_own_tick_and_keeps_a_pause(scripts: Scripts) -> None:
    now = await scripts.now()
    await put(scripts, now + 5000)
    await put(scripts, now + 9000, "cd", "ab")
    moved = await tick_of(scripts)
    await scripts.run("pause_schedule", ID, "cd", 1, "")
    await put(scripts, now + 3000, "ef", "cd")

    assert moved == now + 9000
    assert await tick_of(scripts) is None
    assert (await line(scripts))[:2] == ["ef", "1"]


async def test_a_definition_without_a_tick_to_come_is_kept(scripts: Scripts) -> None:
    assert await put(scripts, "") == 1
    assert await tick_of(scripts) is None
    assert (await line(scripts))[0] == "ab"


async def test_pausing_and_resuming_twice_is_as_once(scripts: Scripts) -> None:
    now = await scripts.now()
    await put(scripts, now - 5000)
    resumed = await scripts.run("pause_schedule", ID, "ab", 0, now + 60_000)
    kept = await tick_of(scripts)
    await scripts.run("pause_schedule", ID, "ab", 1, "")
    await scripts.run("pause_schedule", ID, "ab", 0, now + 60_000)
    await scripts.run("pause_schedule", ID, "ab", 0, now + 90_000)

    assert resumed == 1
    assert kept == now - 5000
    assert await tick_of(scripts) == now + 60_000


async def test_a_schedule_of_another_revision_is_not_paused(scripts: Scripts) -> None:
    await put(scripts, 5000)

    assert await scripts.run("pause_schedule", ID, "cd", 1, "") == 0
    assert await scripts.run("pause_schedule", "other", "ab", 1, "") == 0
    assert await tick_of(scripts) == 5000


async def test_removing_a_schedule_takes_its_tick(scripts: Scripts) -> None:
    await put(scripts, 5000)

    assert await scripts.operate("unschedule", ID, "") == 1
    assert await scripts.operate("unschedule", ID, "") == 0
    assert await tick_of(scripts) is None
    assert await put(scripts, 7000) == 1


async def test_only_what_was_not_declared_since_is_removed_on_that_condition(
    scripts: Scripts,
) -> None:
    now = await scripts.now()
    await put(scripts, 5000)
    by_call = await scripts.operate("unschedule", ID, now + 60_000)
    await put(scripts, 5000, expected="ab", declared=1)
    declared_since = await scripts.operate("unschedule", ID, now - 60_000)

    assert (by_call, declared_since) == (0, 0)
    assert await scripts.operate("unschedule", ID, now + 60_000) == 1


async def test_reading_finds_the_named_the_due_and_all(scripts: Scripts) -> None:
    now = await scripts.now()
    await put(scripts, now - 5000)
    await scripts.run("schedule", "b", "cd", "", now + 60_000, 0, 0, "other")
    named = await scripts.run("read_schedules", "named", "b", "unknown")
    due = await scripts.run("read_schedules", "due")
    everything = await scripts.run("read_schedules", "all")

    assert named[2] == b"b"
    assert float(named[4]) == now + 60_000
    assert named[5:] == [b"unknown", b"", b""]
    assert due[1] == named[1] == now + 60_000
    assert due[2::3] == [ID.encode()]
    assert everything[2::3] == [b"b", ID.encode()]


async def test_at_most_100_due_schedules_are_read(scripts: Scripts) -> None:
    for number in range(105):
        await scripts.run("schedule", f"{number:03}", "ab", "", 5000 + number, 0, 0, "x")

    due = (await scripts.run("read_schedules", "due"))[2::3]
    assert due == [f"{number:03}".encode() for number in range(100)]


async def test_a_tick_makes_one_job_however_many_fire_it(scripts: Scripts) -> None:
    now = await scripts.now()
    await put(scripts, now - 5000)
    made = await asyncio.gather(
        *(fire(scripts, now - 5000, now + 5000, now - 5000) for _ in range(20))
    )

    assert sorted(made) == [-1] * 19 + [1]
    assert await scripts.claim_ids() == [f"{ID}:{now - 5000}".encode()]
    assert (await line(scripts))[2:5] == ["1", "0", str(now - 5000)]
    assert await tick_of(scripts) == now + 5000


async def test_a_tick_of_another_revision_or_time_makes_nothing(scripts: Scripts) -> None:
    now = await scripts.now()
    await put(scripts, now - 5000, "cd")
    other_revision = await fire(scripts, now - 5000, now, now - 5000)
    await put(scripts, now - 5000, "ab", "cd")
    other_time = await fire(scripts, now - 4000, now, now - 4000)
    await scripts.run("pause_schedule", ID, "ab", 1, "")
    paused = await fire(scripts, now - 5000, now, now - 5000)
    await scripts.operate("unschedule", ID, "")
    gone = await fire(scripts, now - 5000, now, now - 5000)

    assert [other_revision, other_time, paused, gone] == [-1] * 4
    assert await scripts.raw.hlen(scripts.key("jobs")) == 0


async def test_a_tick_whose_job_is_there_already_adds_none(scripts: Scripts) -> None:
    now = await scripts.now()
    await put(scripts, now - 5000)
    await fire(scripts, now - 5000, now + 1, now - 5000)
    await scripts.operate("unschedule", ID, "")
    await put(scripts, now - 5000)

    assert await fire(scripts, now - 5000, now + 1, now - 5000) == 0
    assert await scripts.raw.hlen(scripts.key("jobs")) == 1


async def test_ticks_that_are_given_up_are_counted(scripts: Scripts) -> None:
    await put(scripts, 5000)

    assert await fire(scripts, 5000, 90_000, missed=7) == 0
    assert await fire(scripts, 90_000, "", 80_000, 90_000, missed=1) == 2
    assert (await line(scripts))[2:5] == ["2", "8", "90000"]
    assert await tick_of(scripts) is None


async def test_an_unfinished_job_makes_the_next_tick_a_missed_one(scripts: Scripts) -> None:
    await put(scripts, 5000)
    await fire(scripts, 5000, 6000, 5000, skip=1)
    waiting = await fire(scripts, 6000, 7000, 6000, skip=1)
    (claim,) = await scripts.claim()
    running = await fire(scripts, 7000, 8000, 7000, skip=1)
    await scripts.exchange(scripts.ended(claim, "t", 60_000, "{}"))
    retrying = await fire(scripts, 8000, 9000, 8000, skip=1)
    await scripts.operate("cancel", f"{ID}:5000", "{}")
    after = await fire(scripts, 9000, 10_000, 9000, skip=1)

    assert [waiting, running, retrying, after] == [0, 0, 0, 1]
    assert (await line(scripts))[2:5] == ["2", "3", "9000"]


async def test_a_job_of_which_nothing_is_kept_blocks_no_tick(scripts: Scripts) -> None:
    await put(scripts, 5000)
    await fire(scripts, 5000, 6000, 5000, skip=1)
    (claim,) = await scripts.claim()
    await scripts.exchange(scripts.ended(claim, "c", 0))

    assert await fire(scripts, 6000, 7000, 6000, skip=1) == 1


async def test_a_schedule_is_over_with_the_last_job_that_it_has_made(scripts: Scripts) -> None:
    await put(scripts, 5000)
    await fire(scripts, 5000, 6000, 5000, skip=1, limit=2)
    await fire(scripts, 6000, 7000, 6000, skip=1, limit=2)
    skipped = await tick_of(scripts)
    await fire(scripts, 7000, 8000, 5000, limit=2)
    known = await tick_of(scripts)
    await fire(scripts, 8000, 9000, 8000, limit=2)

    assert (skipped, known) == (7000, 8000)
    assert (await line(scripts))[2:4] == ["2", "1"]
    assert await tick_of(scripts) is None


async def test_a_tick_whose_unique_key_is_taken_is_not_the_last_that_made_a_job(
    scripts: Scripts,
) -> None:
    now = await scripts.now()
    await put(scripts, now - 5000)
    assert await fire(scripts, now - 5000, now, now - 5000, now - 4000, options=",udk0+:key") == 1
    assert (await line(scripts))[4] == str(now - 5000)
    assert await fire(scripts, now, now + 60_000, now, options=",udk0+:key") == 0
    assert (await line(scripts))[4] == str(now - 5000)
