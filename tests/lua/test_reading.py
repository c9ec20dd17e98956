"""states.lua, inspect.lua, page.lua, counts.lua, outcome.lua: what is told of jobs."""

from __future__ import annotations

from itertools import chain
from typing import Any

import pytest

from tests.support.scripts import Scripts


async def one_of_each(scripts: Scripts) -> None:
    await scripts.enqueue("c", "k", "d", "x", "t", "b", "r", options=",p3")
    claims = {claim.id.decode(): claim for claim in await scripts.claim()}
    await scripts.exchange(
        scripts.ended(claims["c"], "c", "", b"value"),
        scripts.ended(claims["k"], "c", 90_000, b"kept"),
        scripts.ended(claims["d"], "d", "", '{"type":"E"}'),
        scripts.ended(claims["x"], "x", "", '{"type":"Cancel"}'),
        scripts.ended(claims["t"], "t", 60_000, "{}"),
        scripts.ended(claims["b"], "b", "", "rare"),
    )
    await scripts.enqueue("s", options=",y60000")
    await scripts.enqueue("q")


async def test_states_are_those_of_the_jobs(scripts: Scripts) -> None:
    await one_of_each(scripts)

    states = await scripts.run("states", *"ckdxtbrsq", "unknown")
    assert states == [b"c", b"c", b"d", b"x", b"t", b"b", b"r", b"s", b"q", b""]


async def test_states_of_a_thousand_jobs_are_one_call(scripts: Scripts) -> None:
    await scripts.enqueue("a")

    assert await scripts.run("states", *["a"] * 1000) == [b"q"] * 1000


async def test_counts_are_those_of_the_indexes(scripts: Scripts) -> None:
    await one_of_each(scripts)
    await scripts.beat()
    counts = await scripts.run("counts")

    assert counts[:10] == [1, 1, 1, 1, 1, 2, 1, 1, 1, 0]
    await scripts.operate("pause", 1)
    assert (await scripts.run("counts"))[9] == 1


async def test_counts_of_a_queue_that_does_not_exist_are_zero(scripts: Scripts) -> None:
    assert await scripts.run("counts") == [0] * 10 + [-1]


async def test_the_oldest_job_is_found_among_the_priorities(scripts: Scripts) -> None:
    now = await scripts.now()
    await scripts.enqueue("new", options=",p9")
    await scripts.enqueue("old", options=f",w{now - 50_000}")
    await scripts.enqueue("older", options=f",p5,w{now - 70_000}")
    oldest = (await scripts.run("counts"))[10]

    assert 70_000 <= oldest < 90_000


async def test_the_oldest_job_is_found_without_reading_all_specs(scripts: Scripts) -> None:
    for priority in range(3):
        for key in range(6):
            job, options = f"{priority}{key}", f",p{priority},gk{key}"
            await scripts.enqueue(job, options=options, spec=b"x" * 1_000_000)
    read: list[int] = []
    found: list[int] = []
    start: Any = 0
    while start != b"":
        start, flat = await scripts.run("priorities", start)
        read.append(len(flat) // 3)
        found += flat
    assert read == [1, 1, 1, 0]
    assert found[::3] == [2, 1, 0]
    assert found[1::3] == [6, 6, 6]
    assert min(found[2::3]) >= 0
    assert (await scripts.run("counts"))[10] >= 0


@pytest.mark.corrupts
async def test_a_damaged_registry_is_no_reason_not_to_count(scripts: Scripts) -> None:
    await one_of_each(scripts)
    await scripts.raw.hset(scripts.key("workers"), "w9", "nonsense")

    assert (await scripts.run("counts"))[8] == 0


async def test_inspect_returns_what_is_kept_of_each_job(scripts: Scripts) -> None:
    await one_of_each(scripts)
    rows = {row[0].decode(): row[1:] for row in await scripts.run("inspect", *"tdqs", "unknown")}

    assert rows["unknown"] == [b""] * 5
    assert rows["d"][2] == b'{"type":"E"}'
    assert rows["q"][0].endswith(b"\nspec")
    assert rows["q"][1] == b""
    assert float(rows["s"][3]) > await scripts.now()
    assert float(rows["t"][3]) > await scripts.now()


async def test_inspect_leaves_out_what_is_over_the_budget(scripts: Scripts) -> None:
    for job in "abc":
        await scripts.enqueue(job, spec=b"x" * 3_000_000)

    assert [row[0] for row in await scripts.run("inspect", "a", "b", "c")] == [b"a"]
    await scripts.enqueue("huge", spec=b"x" * 5_000_000)
    assert [row[0] for row in await scripts.run("inspect", "huge")] == [b"huge"]


async def test_pages_have_no_gap_and_no_repeat(scripts: Scripts) -> None:
    names = [f"{number:03}".encode() for number in range(25)]
    await scripts.enqueue(*names)
    pages = [await scripts.run("page", "q", at, 10) for at in (0, 10, 20, 30)]

    assert list(chain(*pages)) == names


async def test_a_page_goes_over_from_one_index_of_a_state_to_the_other(scripts: Scripts) -> None:
    await scripts.enqueue(*"abcdef")
    claims = await scripts.claim()
    await scripts.exchange(
        *(scripts.ended(claim, "c", "" if claim.id < b"d" else 60_000) for claim in claims)
    )

    assert await scripts.run("page", "c", 0, 4) == [b"a", b"b", b"c", b"d"]
    assert await scripts.run("page", "c", 2, 2) == [b"c", b"d"]
    assert await scripts.run("page", "c", 4, 9) == [b"e", b"f"]
    assert await scripts.run("page", "c", 6, 9) == []


async def test_an_outcome_is_told_to_those_who_only_look(scripts: Scripts) -> None:
    await one_of_each(scripts)
    told = {job: await scripts.run("outcome", job, "") for job in "cdxqrts"}

    assert told["c"] == [b"c", b"value"]
    assert told["d"] == [b"d", b'{"type":"E"}']
    assert told["x"] == [b"x", b'{"type":"Cancel"}']
    assert [told[job] for job in "qrts"] == [[job.encode(), b""] for job in "qrts"]
    assert await scripts.raw.hlen(scripts.key("waiters")) == 0


async def test_each_channel_that_waits_is_kept_once(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    for channel in ("one", "on", "one", "two"):
        await scripts.run("outcome", "a", channel)

    assert await scripts.raw.hget(scripts.key("waiters"), "a") == b"one on two"


async def test_nobody_can_wait_for_a_job_that_is_not_there(scripts: Scripts) -> None:
    assert await scripts.run("outcome", "a", "here") == [b"", b""]
    assert await scripts.raw.keys(f"*{{{scripts.store.queue}}}*") == []


async def test_a_result_that_somebody_waits_for_stays_a_minute(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    await scripts.run("outcome", "a", "here")
    (claim,) = await scripts.claim()
    await scripts.exchange(scripts.ended(claim, "c", 1000, b"v"))

    assert await scripts.raw.zscore(scripts.key("kept"), "a") >= await scripts.now() + 50_000
