"""What a plain job costs where others of its queue use something: some commands an exchange.

Its enqueue costs nothing more, and an exchange may carry 250 jobs.

Each use has its bound: what was counted, and a little for what a minute or the clock brings about.
What an exchange takes more in the dearest, of some twenty commands:

- any of them leads to the script that knows all features (`exchange.lua`), which looks at the types
  of the keys that these may write, before its first write: eight to eleven commands;
- flows: whether one of the jobs has edges, in one look at all of them; what is left to be told to
  children and to other queues, before and after; and when the next job is due, which a child that
  was released may have changed;
- limits: the rule of each scope that its jobs have, here of none; that of the queue; what is next
  to be let out; and the first that is held back;
- priorities among the jobs of a key: whether one waits;
- followers and waiters: who waits for one of the jobs, in one look at all of them.

None is of a job by itself: so the bound of a full exchange is one of each job, too.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable
from typing import Any, NamedTuple, TypeVar

import pytest
import redis.asyncio

from aiojobs_redis import Queue
from aiojobs_redis._redis.store import Claim
from tests.benchmarks.test_costs import DRAIN, JOBS, Counters, connected, counters, drain
from tests.benchmarks.uses import USES, Beside, Use
from tests.support.scripts import Scripts

__all__ = ["connected", "counters"]

T = TypeVar("T")
_FULL = 250
# What the first job of a minute brings about: the list of its tasks, for each that is counted.
_NOISE = 3
# Commands more that an exchange takes where others use something: full, or of a single job.
MORE = {
    "flows": 18,
    "flows_across": 18,
    "waits_for_others": 18,
    "limits": 19,
    "held_back": 20,
    "keys": 6,
    "key_priorities": 7,
    "ageing": 4,
    "followers": 15,
    "waiters": 1,
    "retention": 10,
    "lengths_of_keys": 6,
    "enqueue_rates": 6,
}
# Commands that a job takes in a full exchange, whatever others use.
_A_JOB = 0.3
# The names of six keys more, once an exchange; of an enqueue none, but a digit of its number.
_MORE_BYTES, _MORE_BYTES_OF_NONE = 250, 10


class Cost(NamedTuple):
    """What some calls took of the server."""

    commands: int
    calls: int
    sent: int


# What no script issues: those who count, who read events and who are connected beside.
_OTHERS = ("evalsha", "config|resetstat", "info", "xread", "ping", "hello", "select", "client|")


async def _cost(raw: redis.asyncio.Redis, call: Awaitable[T]) -> tuple[Cost, T]:
    await raw.config_resetstat()
    answer = await call
    stats: Any = await raw.info("commandstats")
    taken = {name.removeprefix("cmdstat_"): each["calls"] for name, each in stats.items()}
    traffic: Any = await raw.info("stats")
    commands = sum(count for name, count in taken.items() if not name.startswith(_OTHERS))
    return Cost(commands, taken.get("evalsha", 0), traffic["total_net_input_bytes"]), answer


class Plain:
    """Plain jobs of one queue."""

    def __init__(self, queue: Queue, scripts: Scripts, raw: redis.asyncio.Redis) -> None:
        self._queue = queue
        self._scripts = scripts
        self._raw = raw

    def _many(self, count: int, **options: Any) -> Awaitable[object]:
        return self._queue.enqueue_many([self._queue.bind("noop", **options) for _ in range(count)])

    async def enqueues(self) -> tuple[Cost, Cost]:
        """Return the cost of a single enqueue, and of 250 at once."""
        await self._queue.enqueue("noop")
        single, _ = await _cost(self._raw, self._queue.enqueue("noop"))
        full, _ = await _cost(self._raw, self._many(_FULL))
        await self._end(await self._scripts.claim(_FULL))
        return single, full

    async def exchange(self, size: int, **options: Any) -> Cost:
        """Return the cost of an exchange that ends and claims so many jobs."""
        # More than that: the last job of a queue is told.
        await self._many(2 * size + 1, **options)
        claims = await self._scripts.claim(size)
        ends = [self._scripts.ended(claim) for claim in claims]
        cost, reply = await _cost(self._raw, self._scripts.exchange(*ends, limit=size))
        assert len(claims) == len(reply.claims) == size
        await self._end(reply.claims)
        return cost

    async def _end(self, claims: list[Claim]) -> None:
        while claims:
            ends = [self._scripts.ended(claim) for claim in claims]
            claims = (await self._scripts.exchange(*ends, limit=_FULL)).claims


@pytest.fixture
async def plain(
    connected: Queue, real_url: str, redis_client: redis.asyncio.Redis
) -> AsyncIterator[Plain]:
    scripts = Scripts(real_url, connected.name, redis_client)
    yield Plain(connected, scripts, redis_client)
    await scripts.close()


@pytest.fixture
async def beside(connected: Queue, real_url: str) -> AsyncIterator[Beside]:
    async with contextlib.AsyncExitStack() as stack:
        yield Beside(connected, real_url, stack)


@pytest.mark.parametrize("use", USES, ids=lambda use: use.__name__)
async def test_a_plain_job_costs_no_more_where_others_use_something(
    plain: Plain, beside: Beside, use: Use
) -> None:
    before = await plain.enqueues()
    single, full = await plain.exchange(1), await plain.exchange(_FULL)
    kept_not = await plain.exchange(_FULL, keep_result=0)
    await use(beside)
    for one, other in zip(before, await plain.enqueues(), strict=True):
        assert other.calls == one.calls == 1
        assert other.commands <= one.commands + _NOISE
        assert other.sent <= one.sent + _MORE_BYTES_OF_NONE
    # The first that finds out that something is used goes out twice.
    await plain.exchange(1)
    more = MORE.get(use.__name__, 0)
    assert (await plain.exchange(1)).commands <= single.commands + more + _NOISE
    beside_full = await plain.exchange(_FULL)
    assert beside_full.calls == full.calls == 1
    assert beside_full.commands <= full.commands + more + _NOISE
    assert beside_full.commands <= _A_JOB * _FULL
    assert beside_full.sent <= full.sent + _MORE_BYTES
    assert (
        await plain.exchange(_FULL, keep_result=0)
    ).commands <= kept_not.commands + more + _NOISE


@pytest.mark.parametrize("use", USES, ids=lambda use: use.__name__)
async def test_a_worker_takes_no_more_round_trips_where_others_use_something(
    connected: Queue, counters: Counters, beside: Beside, use: Use
) -> None:
    await use(beside)
    await connected.enqueue_many([connected.bind("noop") for _ in range(JOBS)])
    await counters.reset()
    await drain(connected)
    spent = await counters.read()
    # As where nobody uses anything, and one that finds that out.
    assert spent.of("evalsha") <= DRAIN + 1
