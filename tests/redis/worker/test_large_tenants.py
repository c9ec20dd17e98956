"""A tenant with very many jobs changes neither the place nor the cost of another one's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import redis.asyncio

from aiojobs_redis import Queue, Worker
from aiojobs_redis.extras import netstrings
from tests.support import figures
from tests.support.raw import raw
from tests.support.tiers import sizes
from tests.support.waiting import wait_until

SLOTS = 5
ROUNDS = 100


class Found(NamedTuple):
    """What the jobs of the small tenant met.

    Attributes:
        places: For each, how many jobs started between its enqueue and its start.
        commands: Redis commands a job, those of scripts included.
        seconds: From the moment at which slots became free to its result, in order.
    """

    places: list[int]
    commands: float
    seconds: list[float]


async def commands(client: redis.asyncio.Redis) -> int:
    """Return how many commands the server has carried out."""
    stats: Any = await client.info("commandstats")
    return sum(each["calls"] for each in stats.values())


async def starts_before(queue: Queue, last: bytes, job: str) -> int:
    """Return how many jobs started, by the events after one, between a job's enqueue and start."""
    seen: list[tuple[str, str]] = []
    for _, words in await raw(queue, "XRANGE", queue.store.keys["events"], b"(" + last, "+"):
        for field, ids in zip(words[::2], words[1::2], strict=True):
            kind = field.partition(b",")[0].decode()
            seen += [(kind, id.decode()) for id in netstrings(ids)]
    between = seen[seen.index(("enqueued", job)) : seen.index(("started", job))]
    return sum(kind == "started" for kind, _ in between)


class Tenants:
    """A large tenant whose jobs hold their slots until they are let go, and a small one."""

    def __init__(self, queue: Queue, client: redis.asyncio.Redis) -> None:
        self._queue, self._client = queue, client
        self._held: list[asyncio.Event] = []

        @queue.task
        async def large() -> None:
            self._held.append(asyncio.Event())
            await self._held[-1].wait()

        @queue.task
        async def small() -> None: ...

        self._large, self._small = large.options(key="large"), small

    async def measure(self, backlog: int) -> Found:
        """Add one job of the small tenant after the other beside so many of the large one."""
        queue = self._queue
        await queue.enqueue_many([self._large.bind() for _ in range(backlog)])
        places, seconds = [], []
        async with Worker(queue, concurrency=SLOTS):
            await self._full(backlog)
            before = await commands(self._client)
            for number in range(ROUNDS):
                events = queue.store.keys["events"]
                newest = await raw(queue, "XREVRANGE", events, "+", "-", "COUNT", 1)
                job = await self._small.options(key="small", id=f"small-{number}").enqueue()
                begun = time.perf_counter()
                self._let_go()
                await job.result(20)
                seconds.append(time.perf_counter() - begun)
                await self._full(backlog)
                last = newest[0][0] if newest else b"0"
                places.append(await starts_before(queue, last, job.id))
            spent = (await commands(self._client) - before) / ROUNDS
            assert (await queue.counts()).queued >= min(backlog, 1)
            await queue.pause()
            self._let_go()
        await queue.destroy(force=True)
        return Found(sorted(places), spent, sorted(seconds))

    def _let_go(self) -> None:
        for event in self._held:
            event.set()
        self._held.clear()

    async def _full(self, backlog: int) -> None:
        slots = min(backlog, SLOTS)
        await wait_until(lambda: len(self._held) == slots, "all slots to be taken", 20)


@sizes(ci={"jobs": 20_000}, whole={"jobs": 100_000})
async def test_a_large_tenant_changes_neither_the_place_nor_the_cost_of_another(
    real_queue: Queue, redis_client: redis.asyncio.Redis, size: Mapping[str, Any]
) -> None:
    tenants = Tenants(real_queue, redis_client)
    backlogs = (0, ROUNDS * SLOTS + 50, size["jobs"])
    none, some, many = found = [await tenants.measure(jobs) for jobs in backlogs]
    measured = list(zip(found, backlogs, strict=True))

    p99 = ROUNDS * 99 // 100
    assert none.places[-1] == 0
    # Half of the places in one claim are the other's, at most.
    assert many.places[p99] <= some.places[p99] <= 2
    assert abs(many.commands - some.commands) <= 10
    slowest = [f"{each.seconds[p99] * 1000:.1f} ms beside {jobs}" for each, jobs in measured]
    note = f"another tenant's p99 from a free slot to the result: {', '.join(slowest)} jobs"
    figures.record("D27", n=size["jobs"], tier=size["tier"], note=note)
