"""repair.lua: what something else has damaged is mended or put among the dead, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aiojobs_redis import JobState
from aiojobs_redis._redis.inspector import Inspector
from tests.support.scripts import Scripts, dump, token
from tests.support.snapshots import INDEXES

pytestmark = pytest.mark.behaviour("F7")

FINISHED = "cxd"
UNFINISHED = "qstrb"
KEYS = [name for names in INDEXES.values() for name in names]
MINUTE, DAY = 60_000, 86_400_000


async def make(scripts: Scripts, state: str, job: str = "a") -> None:
    """Add a job and bring it into a state."""
    await scripts.enqueue(job)
    if state == "q":
        return
    (claim,) = await scripts.claim(1)
    argument = {"s": MINUTE, "t": MINUTE}.get(state, "")
    value = {"b": b"task", "c": b"1", "t": b"{}", "d": b"{}", "x": b"{}"}.get(state, b"")
    code = "z" if state == "s" else state
    if state != "r":
        await scripts.exchange(scripts.ended(claim, code, argument, value))
    assert await scripts.state(job) == state


async def repair(scripts: Scripts) -> tuple[list[bytes], int, int]:
    buried, removed, shortened = await scripts.run("repair", 100)
    return buried, removed, shortened


async def reason(scripts: Scripts, job: str) -> str:
    """Return the kind of a job's last error."""
    lines = (await scripts.raw.hget(scripts.key("errors"), job)).split(b"\n")
    return str(json.loads(lines[-1])["type"])


async def indexes_of(scripts: Scripts, job: str) -> list[str]:
    scores = {name: await scripts.raw.zscore(scripts.key(name), job) for name in KEYS}
    return [name for name, score in scores.items() if score is not None]


async def test_what_is_sound_is_left_alone(scripts: Scripts) -> None:
    for state in "cxdbts":
        await make(scripts, state, f"job-{state}")
    await make(scripts, "q", "kept")
    (claim,) = await scripts.claim(1)
    await scripts.exchange(scripts.ended(claim, "c", 7 * MINUTE, b"1"))
    await make(scripts, "q", "extended")
    (claim,) = await scripts.claim(1)
    word = f"{token(claim, scripts.nonce)} {3600 * 1000}"
    await scripts.run("renew", scripts.incarnation, 0, "extended", word)
    await make(scripts, "r", "suspect")
    await scripts.expire_lease("suspect")
    await scripts.exchange(limit=1)
    await scripts.expire_lease("suspect")
    await scripts.exchange(limit=0)
    assert await indexes_of(scripts, "suspect") == ["suspects"]
    await make(scripts, "q", "job-q")
    before = await dump(scripts.raw, f"*{{{scripts.store.queue}}}*")

    assert await repair(scripts) == ([], 0, 0)
    assert await dump(scripts.raw, f"*{{{scripts.store.queue}}}*") == before


@pytest.mark.parametrize("state", UNFINISHED)
async def test_an_unfinished_job_in_no_index_is_put_among_the_dead(
    scripts: Scripts, state: str
) -> None:
    await make(scripts, state)
    for name in KEYS:
        await scripts.raw.zrem(scripts.key(name), "a")

    buried, removed, _ = await repair(scripts)
    assert (buried, removed) == ([b"a"], int(state == "b")), "with the name of its task"
    assert await scripts.state("a") == "d"
    assert await reason(scripts, "a") == "corrupt"
    assert await repair(scripts) == ([], 0, 0)
    await scripts.operate("replay", "cdx", "a")
    assert await scripts.claim_ids() == [b"a"], "what can be read of it can be run"


@pytest.mark.parametrize("state", FINISHED)
async def test_a_finished_job_goes_back_into_its_index(scripts: Scripts, state: str) -> None:
    await make(scripts, state)
    (home,) = await indexes_of(scripts, "a")
    ended = await scripts.raw.zscore(scripts.key(home), "a")
    await scripts.raw.zrem(scripts.key(home), "a")
    await scripts.raw.zadd(scripts.key("ready"), {"a": 1})

    assert await repair(scripts) == ([], 0, 0)
    assert await indexes_of(scripts, "a") == [home]
    assert await scripts.raw.zscore(scripts.key(home), "a") == ended
    assert await scripts.state("a") == state


@pytest.mark.parametrize(
    ("state", "options", "index", "by"),
    [("c", f",r{2 * MINUTE}", "kept", 2 * MINUTE), ("d", f",k{DAY}", "dead", -29 * DAY)],
)
async def test_a_finished_job_keeps_its_retention(
    scripts: Scripts, state: str, options: str, index: str, by: int
) -> None:
    await scripts.enqueue("a", options=options)
    (claim,) = await scripts.claim()
    keep = 2 * MINUTE if state == "c" else ""
    await scripts.exchange(scripts.ended(claim, state, keep, b"{}"))
    score = await scripts.raw.zscore(scripts.key(index), "a")
    await scripts.raw.zadd(scripts.key(index), {"a": "inf"})

    assert await repair(scripts) == ([], 0, 0)
    assert await indexes_of(scripts, "a") == [index]
    assert await scripts.raw.zscore(scripts.key(index), "a") == score
    assert abs(score - by - await scripts.now()) < MINUTE


@pytest.mark.parametrize("text", [None, b"", b"nonsense", b"\xff\x00,,"])
@pytest.mark.parametrize("state", FINISHED)
async def test_a_finished_job_gets_a_record_again(
    scripts: Scripts, state: str, text: bytes | None
) -> None:
    await make(scripts, state)
    before = await indexes_of(scripts, "a")
    if text is None:
        await scripts.raw.hdel(scripts.key("runs"), "a")
    else:
        await scripts.raw.hset(scripts.key("runs"), "a", text)

    assert await repair(scripts) == ([], 0, 0)
    assert await scripts.state("a") == state
    assert await indexes_of(scripts, "a") == before
    if state == "c":
        assert await scripts.run("outcome", "a", "") == [b"c", b"1"]


@pytest.mark.parametrize("text", [b"", b"nonsense", b"\xff\x00,,", b"w,,,,1,0,0,,,,e0000000a"])
@pytest.mark.parametrize("state", UNFINISHED)
async def test_a_job_whose_record_cannot_be_read_is_put_among_the_dead(
    scripts: Scripts, state: str, text: bytes
) -> None:
    await make(scripts, state)
    await scripts.raw.hset(scripts.key("runs"), "a", text)

    buried, removed, _ = await repair(scripts)
    assert (buried, removed) == ([b"a"], int(state == "b"))
    assert await indexes_of(scripts, "a") == ["dead"]
    assert await reason(scripts, "a") == "corrupt"


async def test_a_parked_job_is_found_by_its_task_again(scripts: Scripts) -> None:
    await make(scripts, "b")
    await scripts.raw.delete(scripts.key("unknown"))

    assert await repair(scripts) == ([], 0, 0)
    assert await scripts.claim_ids(adopt=("task",)) == [b"a"]


async def test_a_parked_job_of_no_task_is_put_among_the_dead(scripts: Scripts) -> None:
    await make(scripts, "b")
    text = await scripts.raw.hget(scripts.key("runs"), "a")
    await scripts.raw.hset(scripts.key("runs"), "a", text.replace(b",ntask", b""))

    assert await repair(scripts) == ([b"a"], 1, 0)
    assert await indexes_of(scripts, "a") == ["dead"]


@pytest.mark.corrupts
async def test_a_damaged_lease_option_takes_no_other_job_along(scripts: Scripts) -> None:
    await scripts.enqueue("a", "b", options=",lx")
    assert await scripts.claim_ids() == [b"a", b"b"]
    unread = await scripts.run("renew", scripts.incarnation, 1)
    assert unread[1:] == [1, [], []]


@pytest.mark.corrupts
async def test_an_id_that_is_no_text_hides_no_other(scripts: Scripts) -> None:
    await make(scripts, "d")
    await scripts.raw.hset(scripts.key("jobs"), b"\xff\xfe", "spec")
    assert await repair(scripts) == ([b"\xff\xfe"], 0, 0)

    inspector = Inspector(scripts.store)
    assert await inspector.ids(JobState.DEAD, 0, 10) == ["a", "\ufffd\ufffd"]
    assert [info.id for info in await inspector.infos(["a", "\ufffd\ufffd"])] == ["a"]


@pytest.mark.parametrize("index", KEYS)
@pytest.mark.parametrize("state", ["q", "r", "c"])
async def test_a_second_index_lets_go_of_a_job(scripts: Scripts, state: str, index: str) -> None:
    await make(scripts, state)
    (home,) = await indexes_of(scripts, "a")
    if index == home:
        index = "retrying"
    await scripts.raw.zadd(scripts.key(index), {"a": await scripts.now()})

    buried, removed, _ = await repair(scripts)
    assert (buried, removed) == ([], 1)
    assert len(await indexes_of(scripts, "a")) == 1
    assert await scripts.state("a") == state


@pytest.mark.parametrize("score", [float("inf"), float("-inf"), -1.0, 2.0**53, 1e300])
@pytest.mark.parametrize("state", ["q", "s", "t", "r", "b", "c", "x", "d"])
async def test_a_score_that_no_script_writes(scripts: Scripts, state: str, score: float) -> None:
    await make(scripts, state)
    (home,) = await indexes_of(scripts, "a")
    await scripts.raw.zadd(scripts.key(home), {"a": score})

    buried, _, _ = await repair(scripts)
    assert buried == ([b"a"] if state in UNFINISHED else [])
    assert await scripts.state("a") == ("d" if state in UNFINISHED else state)
    (index,) = await indexes_of(scripts, "a")
    found = await scripts.raw.zscore(scripts.key(index), "a")
    assert abs(found - await scripts.now()) < MINUTE


async def test_what_is_left_of_no_job_goes(scripts: Scripts) -> None:
    await make(scripts, "q")
    for name in ("runs", "results", "errors"):
        await scripts.raw.hset(scripts.key(name), "ghost", "c,,,,1,0,0,,1,2,e0000000a")
    for name in KEYS:
        await scripts.raw.zadd(scripts.key(name), {"ghost": 1})
    await scripts.raw.hset(scripts.key("results"), "a", "of a job that did not complete")

    buried, removed, _ = await repair(scripts)
    assert buried == []
    assert removed > 0
    assert await scripts.claim_ids() == [b"a"]


@pytest.mark.behaviour("F33")
async def test_a_lease_that_began_in_the_future_is_counted_from_now(scripts: Scripts) -> None:
    await scripts.enqueue("a", "b")
    await scripts.claim()
    (
        state,
        fence,
        nonce,
        score,
        generation,
        failures,
        lost,
        worker,
        started,
        *rest,
    ) = await scripts.record("a")
    later = int(started) + 3_600_000
    words = (state, fence, nonce, score, generation, failures, lost, worker, str(later), *rest)
    await scripts.raw.hset(scripts.key("runs"), "a", ",".join(words))
    await scripts.raw.zadd(scripts.key("leases"), {"a": later + 15_000})
    sound = await scripts.raw.zscore(scripts.key("leases"), "b")

    assert await repair(scripts) == ([], 0, 1)
    scores: dict[bytes, Any] = dict(
        await scripts.raw.zrange(scripts.key("leases"), 0, -1, withscores=True)
    )
    assert abs(scores[b"a"] - await scripts.now() - 15_000) < 5000
    assert scores[b"b"] == sound


async def test_a_queue_of_another_schema_is_left_alone(scripts: Scripts) -> None:
    await make(scripts, "q")
    await scripts.raw.zrem(scripts.key("ready"), "a")
    await scripts.meta(schema=2)
    assert await repair(scripts) == ([], 0, 0)
    await scripts.meta(schema=1)
    assert await repair(scripts) == ([b"a"], 0, 0)


async def test_a_queue_that_does_not_exist_is_not_made(scripts: Scripts) -> None:
    assert await repair(scripts) == ([], 0, 0)
    assert await dump(scripts.raw, f"*{{{scripts.store.queue}}}*") == {}
