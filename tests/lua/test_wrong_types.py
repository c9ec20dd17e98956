"""A key of a foreign type: every script refuses before its first write: Redis never rolls back.

Each script runs on a queue that holds a job in every state, with arguments that make it write to
as many keys as it can, while one of its keys after the other holds a plain string.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import redis.exceptions

from aiojobs_redis._redis.scripts import SCRIPTS
from tests.support.scripts import Scripts, dump, flow_words, token

CHANNEL = "aiojobs:test"
SCHEDULE = "s"
OTHER = "f" * 32
CALL = "c" * 32
ABROAD = "\udcffother,p"


class Population(NamedTuple):
    """What the arguments need to know of the jobs.

    Attributes:
        now: Server's time, ms.
        fences: Fences of the running jobs by id.
        nonce: Their nonce.
        tick: Due tick of the schedule, ms.
        stamp: As what another queue is told of a running one.
        waiting: Which one it is of its id that waits for a job of another queue.
    """

    now: int
    fences: dict[str, int]
    nonce: str
    tick: int
    stamp: bytes
    waiting: bytes

    def token(self, job: str) -> str:
        return f"{self.fences[job]},{self.nonce}"


async def populate(scripts: Scripts) -> Population:
    await scripts.enqueue("dead", "cancelled", "done", "kept", "later", "again", "parked")
    claims = {claim.id.decode(): claim for claim in await scripts.claim()}
    await scripts.exchange(
        scripts.ended(claims["dead"], "d", "", "{}"),
        scripts.ended(claims["cancelled"], "x", "", "{}"),
        scripts.ended(claims["done"], "c", "", b"value"),
        scripts.ended(claims["kept"], "c", 60_000, b"value"),
        scripts.ended(claims["later"], "z", 60_000),
        scripts.ended(claims["again"], "t", 60_000, "{}"),
        scripts.ended(claims["parked"], "b", "", "other"),
        nonce=scripts.nonce,
    )
    await scripts.enqueue("leader", options=",udf:lead", needs=2)
    await scripts.enqueue("r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "lost", "suspect")
    running = {claim.id.decode(): claim for claim in await scripts.claim()}
    nonce = scripts.nonce
    await scripts.expire_lease("suspect")
    await scripts.beat()
    await scripts.enqueue("q1", "q2", options=",p5")
    await scripts.enqueue("unique", options=",udk5000+:key", needs=2)
    await scripts.enqueue("follower", options=",udf:lead", needs=2)
    await scripts.enqueue("due", options=",y1")
    left = [part for kind in "plsc" for part in ("r4", token(running["r4"], nonce), kind, 1, "1:x")]
    await scripts.run("jot", *left)
    await scripts.run("take_once", "taken", "r4", token(running["r4"], nonce))
    await scripts.enqueue_flow({"fb": ["r1", "done"], "fd": ["r6"], "fq": ["q1"], "fr": ["q1"]})
    await scripts.enqueue_flow({"fx": [ABROAD], "fy": [f"{ABROAD}2"]})
    await scripts.run("expect", "other", 0, "r6", "q1")
    await scripts.run("outcome", "r1", CHANNEL)
    await scripts.run("outcome", "q1", CHANNEL)
    await scripts.run("limit", "q", "200,,")
    now = await scripts.now()
    tick = now - 5000
    await scripts.run("schedule", SCHEDULE, "ab", "", tick, now, 1, "definition")
    for job in ("lost", "r8"):
        await scripts.expire_lease(job)
    await scripts.raw.zadd(scripts.key("completed"), {"done": now - 7_200_000})
    await scripts.raw.zadd(scripts.key("blocked"), {"parked": now - 90_000_000})
    await scripts.make_due("scheduled", "due")
    fences = {job: claim.fence for job, claim in running.items()}
    _, _, waiting, _ = await scripts.run("waits", 0, "fx")
    return Population(now, fences, nonce, tick, await scripts.stamp("r6", "1q"), waiting)


def exchange(scripts: Scripts, jobs: Population) -> list[Any]:
    ends = [
        ("r1", "1", "value"),
        ("r2", "c 60000 1", "value"),
        ("r3", "t 0 1", "{}"),
        ("r4", "t 5 1", "{}"),
        ("r5", "z 5 1", ""),
        ("r6", "d  1", "{}"),
        ("r7", "b  1", "strange"),
    ]
    flat = [part for job, what, value in ends for part in (job, jobs.token(job), what, "5", value)]
    return [scripts.incarnation, 99, "ee", "w1", 10, 1, 0, len(ends), 1, "work", *flat, "other"]


def fire(_: Scripts, jobs: Population) -> list[Any]:
    tick, later = jobs.tick, jobs.now + 60_000
    made = (
        f"{SCHEDULE}:{tick}",
        f"1,w{tick}",
        "spec",
        f"{SCHEDULE}:{later}",
        f"1,w{later}",
        "spec",
    )
    return [SCHEDULE, "ab", tick, later, tick, 1, "1 5", "", "work", *made]


async def made_plain(scripts: Scripts) -> None:
    """Take away what a queue has of limits, flows, turns of keys and followers."""
    await scripts.raw.delete(*map(scripts.key, ("edges", "followers", "tags")))
    await scripts.raw.hdel(scripts.key("meta"), "limits")


ARGUMENTS: dict[str, Callable[[Scripts, Population], list[Any]]] = {
    "asking": lambda _, jobs: [""],
    "audit": lambda _, jobs: [10],
    "mark": lambda _, jobs: [],
    "move": lambda _, jobs: [CALL, "due", "5", "now"],
    "ask_worker": lambda _, jobs: [CALL, "w1", "q"],
    "beat": lambda _, jobs: [OTHER, "w2", "{}", 3000, "", "", 0],
    "age": lambda _, jobs: [CALL, 1000],
    "backlogs": lambda _, jobs: ["", 10],
    "break_wait": lambda _, jobs: ["fx", jobs.waiting, b"\xffother,p"],
    "cancel": lambda _, jobs: [CALL, "q1", "{}"],
    "change": lambda _, jobs: ["q1", b",e1\nspec", "spec"],
    "clear_log": lambda _, jobs: ["r1", 1],
    "close": lambda _, jobs: [CALL, "q", 1000],
    "counts": lambda _, jobs: [],
    "destroy": lambda _, jobs: ["", 0],
    "detach": lambda _, jobs: [CALL, "fq", "q1"],
    "enqueue_flow": lambda _, jobs: [
        *(OTHER, 1, "100 5", 2, "9 1000", 1, "work"),
        *flow_words({"n1": [], "n2": ["n1", "done"]}, ",gk,b1,ff"),
    ],
    "parents": lambda _, jobs: ["fb", 0],
    "enqueue": lambda _, jobs: [
        *(OTHER, 1, "100 5", 2, "9 60000", 1, "work"),
        *("n1", "1,udk5000+:key", "spec"),
        *("n5", "1,gk,b1", "spec"),
        *("n2", "1,usr:other", "spec"),
        *("n4", "1,udf:lead", "spec"),
        *("n3", "1,usr:other,y5", "spec"),
    ],
    "enqueue_plain": lambda _, jobs: [
        *(OTHER, 1, 100, 1, "", 1, "work"),
        *("n1", "1", "spec"),
        *("n2", "1,y5", "spec"),
    ],
    "end_once": lambda _, jobs: ["taken", "r4", jobs.token("r4"), 60_000, "value"],
    "enqueue_one": lambda _, jobs: [OTHER, 1, "n1", "work", "spec"],
    "emit": lambda _, jobs: [OTHER, 1, "event"],
    "exchange": exchange,
    "exchange_plain": exchange,
    "expect": lambda _, jobs: ["third", 1, "r6", "done"],
    "fire": fire,
    "forgive": lambda _, jobs: [100],
    "free": lambda _, jobs: [CALL, "unique"],
    "hear": lambda _, jobs: [b"\xffother,p", 1, "d", "{}", b"\xffother,p2", 1, "c", "value"],
    "inspect": lambda _, jobs: ["q1", "r1", "due", "again"],
    "jot": lambda _, jobs: [
        *("r1", jobs.token("r1"), "p", 1, "progress", "r1", jobs.token("r1"), "l", 2, "1:x"),
        *("r2", jobs.token("r2"), "s", 1, "state", "r3", jobs.token("r3"), "c", 1, "1:n1:v"),
        *("r4", jobs.token("r4"), "e", 1, "5:event"),
    ],
    "limit": lambda _, jobs: ["k*", "1,5,1000"],
    "kin": lambda _, jobs: [10, "fb", "r1"],
    "leave": lambda scripts, jobs: [scripts.incarnation, "w1"],
    "outcome": lambda _, jobs: ["r2", CHANNEL],
    "metrics": lambda _, jobs: [60, 0],
    "page": lambda _, jobs: ["q", 0, 10],
    "priorities": lambda _, jobs: [0],
    "pause": lambda _, jobs: [CALL, 1],
    "pause_schedule": lambda _, jobs: [SCHEDULE, "ab", 1, ""],
    "post": lambda _, jobs: ["ab", "", "other", "r6", jobs.stamp, "0"],
    "read_schedules": lambda _, jobs: ["due"],
    "recall": lambda _, jobs: ["r4", "p", "l", "s", "c"],
    "read_limits": lambda _, jobs: [],
    "read_actions": lambda _, jobs: ["+", 10],
    "note_action": lambda _, jobs: [CALL, "{}"],
    "registry": lambda _, jobs: [],
    "renew": lambda scripts, jobs: [scripts.incarnation, 3, "r1", f"{jobs.token('r1')} 60000"],
    "repair": lambda _, jobs: [100],
    "keep": lambda *_: [CALL, 1, 2, 3],
    "promote": lambda _, jobs: [OTHER, "st", "due", "later", "again", "q1"],
    "prune": lambda _, jobs: [CALL, "fq", "q1", "{}", "other", "parked", "{}", ""],
    "remove": lambda _, jobs: [CALL, "qsbtcdx", 0, "parked", "q1", "due", "dead", "done", "kept"],
    "replay": lambda _, jobs: [CALL, "cdx", "dead", "cancelled", "done", "kept"],
    "schedule": lambda _, jobs: ["s2", "cd", "", jobs.now, jobs.now, 1, "definition"],
    "states": lambda _, jobs: ["q1", "r1"],
    "sweep": lambda _, jobs: [10, 0, 0, 0, 0, 0],
    "take_once": lambda _, jobs: ["new", "r1", jobs.token("r1")],
    "waits": lambda _, jobs: [0, "fx", "fb"],
    "walk": lambda _, jobs: ["d", 0, 10],
    "weigh": lambda _, jobs: ["k", 3, 1000],
    "unschedule": lambda _, jobs: [CALL, SCHEDULE, ""],
}

VARIANTS: dict[str, Callable[[Scripts, Population], list[Any]]] = {
    "cancel": lambda _, jobs: [CALL, "r1", "{}"],
    "move": lambda _, jobs: [CALL, "q1", "5", ""],
    "schedule": lambda _, jobs: [SCHEDULE, "cd", "ab", jobs.now, jobs.now, 0, "definition"],
}

READ_ONLY = {
    *("audit", "backlogs", "counts", "inspect", "kin", "mark", "metrics", "page"),
    "parents",
    *("priorities", "registry", "states"),
    *("read_limits", "read_schedules", "recall", "waits", "walk"),
}


def test_every_script_has_arguments_here() -> None:
    assert set(ARGUMENTS) == set(SCRIPTS)


@pytest.mark.corrupts
@pytest.mark.behaviour("F19")
@pytest.mark.parametrize("name", sorted(SCRIPTS.keys() - READ_ONLY - {"destroy"}))
async def test_a_script_that_meets_a_key_of_a_foreign_type_writes_nothing(
    scripts: Scripts, name: str
) -> None:
    jobs = await populate(scripts)
    if name == "exchange_plain":
        await made_plain(scripts)
    before = await everything(scripts)
    faults = [
        await refuses(scripts, name, key, make(scripts, jobs), before)
        for key in SCRIPTS[name].keys
        # Of whatever type, they make it leave the call to the other one.
        if name != "exchange_plain" or key not in {"edges", "followers", "tags"}
        for make in (ARGUMENTS[name], VARIANTS.get(name, ARGUMENTS[name]))
    ]

    assert not any(faults), faults


@pytest.mark.corrupts
@pytest.mark.behaviour("F19")
@pytest.mark.parametrize(
    ("key", "code", "argument", "value"),
    [
        ("due", "t", 60_000, "{}"),
        ("due", "z", 60_000, ""),
        ("cancelled", "x", "", "{}"),
        ("blocked", "b", "", "other"),
        ("unknown", "b", "", "other"),
    ],
)
async def test_an_end_other_than_success_alone_has_its_keys_looked_at(
    scripts: Scripts, key: str, code: str, argument: int | str, value: str
) -> None:
    await scripts.enqueue("a")
    [claim] = await scripts.claim()
    await scripts.raw.delete(scripts.key(key))
    await scripts.raw.set(scripts.key(key), "a plain string")
    before = await everything(scripts)

    with pytest.raises(redis.exceptions.ResponseError, match="WRONGTYPE"):
        await scripts.exchange(
            scripts.ended(claim, code, argument, value), limit=0, nonce=scripts.nonce
        )

    assert await everything(scripts) == before


@pytest.mark.corrupts
@pytest.mark.parametrize("name", sorted(READ_ONLY))
async def test_a_script_that_only_reads_writes_nothing(scripts: Scripts, name: str) -> None:
    jobs = await populate(scripts)
    before = await everything(scripts)
    for key in SCRIPTS[name].keys:
        # Some answer nonetheless.
        fault = await refuses(scripts, name, key, ARGUMENTS[name](scripts, jobs), before)
        assert not fault or fault == f"{key}: not noticed"


@pytest.mark.corrupts
async def test_a_queue_with_a_key_of_a_foreign_type_can_be_destroyed(scripts: Scripts) -> None:
    await populate(scripts)
    await scripts.raw.delete(scripts.key("leases"))
    await scripts.raw.set(scripts.key("leases"), "a plain string")
    before = await everything(scripts)

    with pytest.raises(redis.exceptions.ResponseError, match="WRONGTYPE"):
        await scripts.destroy(force=0)
    assert await everything(scripts) == before
    await scripts.raw.delete(scripts.key("meta"))
    await scripts.raw.set(scripts.key("meta"), "a plain string")
    assert await scripts.destroy() == -1
    assert await everything(scripts) == {}


async def everything(scripts: Scripts) -> dict[bytes, Any]:
    return await dump(scripts.raw, f"*{{{scripts.store.queue}}}*")


async def refuses(
    scripts: Scripts, name: str, key: str, args: list[Any], contents: dict[bytes, Any]
) -> str:
    """Return what is wrong with a call while a key is a plain string; the contents are without."""
    real = scripts.key(key)
    aside = real + b"-aside"
    there = await scripts.raw.exists(real)
    if there:
        await scripts.raw.rename(real, aside)
    await scripts.raw.set(real, "a plain string")
    fault = ""
    try:
        await scripts.run(name, *args)
    except redis.exceptions.ResponseError as error:
        if "WRONGTYPE" not in str(error):
            fault = f"{key}: {error}"
    else:
        fault = f"{key}: not noticed"
    kept = await scripts.raw.type(real) == b"string" and await scripts.raw.getdel(real)
    if there and not await scripts.raw.renamenx(aside, real):
        kept = False
    if kept != b"a plain string" or await everything(scripts) != contents:
        fault += f"{key}: written before it was noticed"
    return fault
