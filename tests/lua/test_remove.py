"""remove.lua: jobs go with every trace, never one that runs, never more than once a call."""

from __future__ import annotations

import secrets

import pytest

from tests.lua.test_reading import one_of_each
from tests.support.scripts import Scripts

EVERY = "qsbtcdx"


async def remove(scripts: Scripts, *ids: str, states: str = EVERY, age: int = 0) -> str:
    return str((await scripts.run("remove", secrets.token_hex(16), states, age, *ids)).decode())


@pytest.mark.requirement("U15", "B20")
async def test_every_job_that_is_not_running_leaves_no_trace(scripts: Scripts) -> None:
    await one_of_each(scripts)
    await scripts.run("outcome", "s", "channel")
    assert await remove(scripts, *"ckdxtbrsq", "unknown") == "CCDXTBrSQ-"

    for name in ("jobs", "runs"):
        assert await scripts.raw.hkeys(scripts.key(name)) == [b"r"]
    for name in ("results", "errors", "waiters"):
        assert await scripts.raw.exists(scripts.key(name)) == 0
    counts = await scripts.run("counts")
    assert counts[:8] == [0, 0, 0, 1, 0, 0, 0, 0]
    for name in ("ready", "suspects", "unknown", "kept", "completed"):
        assert await scripts.raw.exists(scripts.key(name)) == 0


async def test_only_jobs_in_the_states_that_were_named_go(scripts: Scripts) -> None:
    await one_of_each(scripts)
    assert await remove(scripts, *"ckdxtbrsq", states="dx") == "ccDXtbrsq"
    assert await remove(scripts, *"ckdxtbrsq", states="r") == "cc--tbrsq"


async def test_a_suspect_is_removed_as_any_queued_job(scripts: Scripts) -> None:
    await scripts.enqueue("a", options=",d9")
    for _ in range(2):
        await scripts.claim()
        await scripts.expire_lease("a")
        await scripts.exchange()
    assert await scripts.raw.zscore(scripts.key("suspects"), "a") is not None
    assert await remove(scripts, "a") == "Q"
    assert await scripts.raw.exists(scripts.key("suspects")) == 0


async def test_what_is_younger_stays(scripts: Scripts) -> None:
    await scripts.enqueue("old", "young", "late")
    await scripts.enqueue("delayed", options=",y60000")
    old, young, _ = await scripts.claim(3)
    await scripts.exchange(scripts.ended(old), scripts.ended(young))
    record = await scripts.record("old")
    record[9] = str(await scripts.now() - 5000)
    await scripts.raw.hset(scripts.key("runs"), "old", ",".join(record))

    ids = "old", "young", "delayed"
    assert await remove(scripts, *ids, age=4000) == "Ccs"
    assert await remove(scripts, *ids, age=0) == "-CS"


async def test_a_call_that_is_sent_again_removes_no_more(scripts: Scripts) -> None:
    await scripts.enqueue("a", "b")
    call = secrets.token_hex(16)
    first = await scripts.run("remove", call, EVERY, 0, "a", "x")
    await scripts.enqueue("a")
    again = await scripts.run("remove", call, EVERY, 0, "a", "x")

    assert (first, again) == (b"Q-", b"Q-")
    assert await scripts.state("a") == "q"


async def test_an_id_that_is_given_twice_goes_once(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    assert await remove(scripts, "a", "a") == "Q-"


async def test_large_jobs_are_read_within_a_budget(scripts: Scripts) -> None:
    await scripts.enqueue("a", "b", "c", spec=b"x" * 1_500_000)
    assert await remove(scripts, "a", "b", "c") == "QQ"
    assert await remove(scripts, "c") == "Q"


@pytest.mark.corrupts
async def test_a_damaged_record_is_left_to_the_repair(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    await scripts.raw.hset(scripts.key("runs"), "a", "nonsense")
    assert await remove(scripts, "a") == "?"
    assert await scripts.raw.hexists(scripts.key("jobs"), "a")


async def test_a_queue_that_does_not_exist_is_not_brought_to_life(scripts: Scripts) -> None:
    assert await remove(scripts, "a", "b") == "--"
    assert await scripts.raw.keys(f"*{{{scripts.store.queue}}}*") == []


@pytest.mark.parametrize("job", ["a,b", "a b", "1:a", "ü", "\n", "a\x00b"])
async def test_any_id_can_be_removed(scripts: Scripts, job: str) -> None:
    await scripts.enqueue(job)
    assert await remove(scripts, job) == "Q"
    assert await scripts.state(job) == ""
