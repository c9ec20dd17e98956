"""Records, specs and index members that something else has overwritten: the rest goes on (F7)."""

from __future__ import annotations

import random
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import redis.asyncio

from aiojobs_redis import JobState, Queue, Worker
from tests.support import figures
from tests.support.servers import ServerProcess
from tests.support.tiers import sizes
from tests.support.waiting import wait_until

BATCH = 120
INDEXES = (
    *("ready", "suspects", "scheduled", "retrying", "leases", "blocked"),
    *("completed", "kept", "dead", "cancelled"),
)
SCORES = (float("-inf"), float("inf"), -1, 0, 1e300, 2.5, 2**53)


class Damage:
    """Overwrites what belongs to some jobs, as chance decides.

    Args:
        raw: A client of the server.
        queue: The queue.
        chance: Decides.
    """

    def __init__(self, raw: Any, queue: Queue, chance: random.Random) -> None:
        self._raw = raw
        self._keys = queue.store.keys
        self._chance = chance
        self.done: Counter[str] = Counter()

    async def do(self, job: str) -> None:
        """Damage one job in one way."""
        ways = [self._bend, self._drop, self._ghost, self._misplace, self._score]
        way = self._chance.choice(ways)
        self.done[way.__name__] += 1
        await way(job)

    async def _bend(self, job: str) -> None:
        key = self._keys[self._chance.choice(["jobs", "runs", "errors", "results"])]
        text = bytearray(await self._raw.hget(key, job) or b"")
        at, chance = self._chance.randint(0, len(text)), self._chance
        bent = chance.choice(
            [
                bytes(text[:at]),
                bytes(text[at:]),
                bytes(text[:at]) + chance.randbytes(4) + bytes(text[at + 1 :]),
                chance.randbytes(chance.randint(0, 60)),
                bytes(text) * 2,
            ]
        )
        await self._raw.hset(key, job, bent)

    async def _drop(self, job: str) -> None:
        await self._raw.hdel(self._keys[self._chance.choice(["jobs", "runs"])], job)

    async def _ghost(self, job: str) -> None:
        key = self._keys[self._chance.choice(INDEXES)]
        await self._raw.zadd(key, {f"ghost-{job}": self._chance.choice(SCORES)})

    async def _misplace(self, job: str) -> None:
        key = self._keys[self._chance.choice(INDEXES)]
        await self._raw.zadd(key, {job: self._chance.choice(SCORES)})

    async def _score(self, job: str) -> None:
        for name in INDEXES:
            key = self._keys[name]
            if await self._raw.zscore(key, job) is not None:
                await self._raw.zadd(key, {job: self._chance.choice(SCORES)})


@pytest.fixture
async def raw(own_server: ServerProcess) -> AsyncIterator[redis.asyncio.Redis]:
    client = redis.asyncio.Redis.from_url(own_server.url)
    yield client
    await client.aclose()


async def leave_behind(queue: Queue, limit: int) -> None:
    """Claim jobs as a worker that dies then, whose leases run out at once."""
    link = queue.store.server.link()
    head = (secrets.token_hex(16), 1, secrets.token_hex(16), "gone", limit, 1, 0, 0, 1, "echo")
    reply = await queue.store.exchange(link, head)
    now = reply.now - 60_000
    for claim in reply.claims:
        await link.call("ZADD", queue.store.keys["leases"], now, claim.id)
    await link.call("HSET", queue.store.keys["meta"], "beat", reply.now, "hold", 0)
    await link.close()


async def run_beside_damage(queue: Queue, raw: Any, chance: random.Random) -> Counter[str]:
    """Damage four of five jobs and run them all; returns what became of the damaged ones."""

    @queue.task(attempts=2, backoff=[0.01])
    async def echo(text: str) -> str:
        return text

    victims = [f"bad-{n}" for n in range(BATCH)]
    sound = [f"good-{n}" for n in range(BATCH // 4)]
    names = chance.sample([*victims, *sound], len(victims) + len(sound))
    await queue.enqueue_many(
        [queue.bind(echo, "text", id=job, delay=chance.choice([0, 0.01])) for job in names]
    )
    await leave_behind(queue, BATCH // 3)
    damage = Damage(raw, queue, chance)
    for job in victims:
        await damage.do(job)

    async def all_good() -> bool:
        return set((await queue.states(sound)).values()) == {JobState.COMPLETED}

    async with Worker(queue, concurrency=20) as worker:
        await wait_until(all_good, "the jobs that are sound to complete", 30)
        await wait_until(lambda: not worker.runs(), "the worker to have ended the others", 30)
        await queue.store.ask("sweep", 250, "0", "0", "0", "0", 0)
        later = await queue.enqueue(echo, "later")
        assert await later.result(10) == "later"
    # Nothing of what is damaged keeps the rest from being looked at.
    for state in JobState:
        await queue.jobs(state, limit=1000)
    await queue.counts()
    states = await queue.states(victims)
    return Counter("gone" if state is None else state.value for state in states.values())


@pytest.mark.corrupts
@pytest.mark.behaviour("F7")
@sizes(ci={"damaged": 480}, whole={"damaged": 10_000})
async def test_damage_to_some_jobs_stops_neither_worker_nor_others(
    own_server: ServerProcess, raw: Any, size: Mapping[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    chance, ended, batches = random.Random(7), Counter[str](), -(-size["damaged"] // BATCH)
    for number in range(batches):
        async with Queue(f"damaged-{number}", url=own_server.url) as queue:
            ended += await run_beside_damage(queue, raw, chance)

    broken = [record.getMessage() for record in caplog.records if record.exc_info]
    assert broken == []
    figures.record(
        "F7",
        n=batches * BATCH,
        tier=size["tier"],
        note="of those damaged: " + ", ".join(f"{n} {state}" for state, n in sorted(ended.items())),
    )
