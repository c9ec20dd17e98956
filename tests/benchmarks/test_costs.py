"""What a job costs the server, counted by the server itself, so that a dearer job fails a test."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import redis.asyncio

from aiojobs_redis import Queue, Worker
from aiojobs_redis._redis.scripts import SCRIPTS

JOBS = 1000
_CONCURRENCY = 100
_BATCH = 250
# Two halves of the slots take turns, so that Redis and the worker do not wait for each other; one
# exchange more has the last completions. The rest, beats included, is for the worker's start and
# end, with room for a run that a busy machine stretches over seconds.
DRAIN = 2 * JOBS // _CONCURRENCY + 1 + 21

_WITHIN_SCRIPTS = (
    "hget",
    "hset",
    "hsetnx",
    "exists",
    "hexists",
    "hdel",
    "hmget",
    "hincrby",
    "hlen",
    "time",
    "xadd",
    "xlen",
)
_SORTED_SETS = ("zadd", "zrem", "zcard", "zpopmin", "zrange")


class Counters:
    """Calls by command, since the last reset."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client
        self._calls: dict[str, int] = {}

    async def reset(self) -> None:
        await self._client.config_resetstat()

    async def read(self) -> Counters:
        info: Any = await self._client.info("commandstats")
        self._calls = {
            name.removeprefix("cmdstat_"): value["calls"] for name, value in info.items()
        }
        return self

    async def traffic(self) -> tuple[int, int]:
        """Bytes to the server and from it, since the last reset."""
        info: Any = await self._client.info("stats")
        return info["total_net_input_bytes"], info["total_net_output_bytes"]

    def of(self, *commands: str) -> int:
        return sum(self._calls.get(command, 0) for command in commands)

    @property
    def issued_by_scripts(self) -> int:
        return self.of(*_WITHIN_SCRIPTS, *_SORTED_SETS)


@pytest.fixture
async def counters(redis_client: redis.asyncio.Redis) -> Counters:
    return Counters(redis_client)


@pytest.fixture
async def connected(real_queue: Queue) -> Queue:
    """A queue whose server has the scripts and a link to the producer already."""

    @real_queue.task
    async def noop() -> None:
        return None

    await real_queue.connect()
    async with real_queue.store.server.borrow() as link:
        for script in SCRIPTS.values():
            await link.call("SCRIPT", "LOAD", script.text)
    for _ in range(2):
        await noop.enqueue()
    await drain(real_queue)
    return real_queue


async def drain(queue: Queue) -> None:
    await Worker(queue, concurrency=_CONCURRENCY).run(burst=True)


async def test_a_drain_takes_one_round_trip_for_half_of_the_slots(
    connected: Queue, counters: Counters
) -> None:
    noop = connected.tasks["noop"]
    await connected.enqueue_many([noop.bind() for _ in range(JOBS)])
    await counters.reset()
    await drain(connected)
    spent = await counters.read()
    assert spent.of("evalsha") <= DRAIN
    assert spent.of("bzpopmin") <= 4


async def test_a_drain_takes_about_a_command_a_job(connected: Queue, counters: Counters) -> None:
    noop = connected.tasks["noop"]
    await connected.enqueue_many([noop.bind() for _ in range(JOBS)])
    await counters.reset()
    await drain(connected)
    spent = await counters.read()
    # It was 0.7 while one batch took all slots: two halves share the fixed part of an exchange
    # between half as many jobs each. That costs Redis 1.5 us a job and gives the worker 40 % more.
    # Counted by exchange: how many there are is up to the test above, and to how busy the host is.
    # Of 29 one asks whether there are limits, flows, turns of keys or followers, and one whether
    # anything was left by jobs: what else these need is in a script of its own.
    # Six in all: the first count of a task in a minute lists it, the last job asks who is left.
    # An exchange that finds nothing, of which a run has none or several, issues 20; those with
    # jobs, of which each run has as many, ten more. So it is 885 in 29 calls, and 909 in 31.
    assert spent.issued_by_scripts <= 20 * spent.of("evalsha") + 320
    # Those whose cost grows with the jobs: each at most so often an exchange.
    exchanges = 2 * JOBS / _CONCURRENCY + 1
    assert spent.of("hmget") <= 4 * exchanges + 30
    assert spent.of("hset") <= 4 * exchanges + 20
    assert spent.of("zadd") <= 3 * exchanges + 20
    assert spent.of("zpopmin", "zrem") <= 2 * exchanges + 5
    assert spent.of("xadd") <= 5 * exchanges


async def test_enqueue_many_takes_one_round_trip_for_a_batch(
    connected: Queue, counters: Counters
) -> None:
    noop = connected.tasks["noop"]
    await counters.reset()
    await connected.enqueue_many([noop.bind() for _ in range(JOBS)])
    spent = await counters.read()
    batches = JOBS // _BATCH
    assert spent.of("evalsha") == batches
    assert spent.issued_by_scripts <= 24 * batches


async def test_concurrent_enqueues_share_their_round_trips(
    connected: Queue, counters: Counters
) -> None:
    callers = 50
    task = connected.tasks["noop"]

    async def call() -> None:
        for _ in range(JOBS // callers):
            await task.enqueue()

    await counters.reset()
    await asyncio.gather(*(call() for _ in range(callers)))
    spent = await counters.read()
    # From the second round on they go in two halves in turn, so that Redis and the producer do not
    # wait for each other: more round trips, and half as many jobs a second more.
    trips = 2 * JOBS // callers
    assert trips / 2 <= spent.of("evalsha") <= trips + 2
    assert spent.issued_by_scripts <= 19 * (trips + 2)


async def test_a_single_enqueue_is_one_round_trip(connected: Queue, counters: Counters) -> None:
    await counters.reset()
    await connected.tasks["noop"].enqueue()
    spent = await counters.read()
    assert spent.of("evalsha") == 1
    assert spent.issued_by_scripts <= 10


async def test_a_job_takes_few_bytes_on_the_way(connected: Queue, counters: Counters) -> None:
    noop = connected.tasks["noop"]
    await counters.reset()
    await connected.enqueue_many([noop.bind() for _ in range(JOBS)])
    before, _ = await counters.traffic()
    await drain(connected)
    after, answered = await counters.traffic()
    # An id of 26 bytes, a spec of 12, and what RESP puts around them.
    assert before <= 65 * JOBS
    # Keys and scripts of an exchange are shared by 25 to 50 jobs. It names 33 keys, 0.8 kB, and
    # ten belong to what a job need not use, such as limits: a call cannot leave any out.
    assert after - before <= 215 * JOBS
    assert answered <= 120 * JOBS
