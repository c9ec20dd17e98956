"""What a worker costs that has nothing to do, and how soon it starts what comes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import redis.asyncio

from aiojobs_redis import Queue, Worker

SECONDS = 5.0
# What the scripts run inside is not counted: these are what a client sends.
SENT = ("evalsha", "eval", "script|load", "bzpopmin", "ping", "hello", "select", "subscribe")


async def sent(client: redis.asyncio.Redis) -> int:
    """Return how many commands clients have sent so far, but for those that ask for it."""
    stats: dict[str, Any] = await client.info("commandstats")
    return sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in SENT)


@pytest.mark.requirement("U9")
async def test_an_idle_worker_sends_few_commands(
    real_queue: Queue, redis_client: redis.asyncio.Redis
) -> None:
    @real_queue.task
    async def quick() -> None:
        pass

    async with Worker(real_queue, concurrency=50):
        await (await quick.enqueue()).result(10)
        before = await sent(redis_client)
        await asyncio.sleep(SECONDS)
        commands = await sent(redis_client) - before

    # A beat a second, and every five seconds a round of the janitor and of both blocking calls.
    assert commands / SECONDS <= 2


@pytest.mark.requirement("U9")
@pytest.mark.requirement("D26")
async def test_an_idle_worker_starts_a_job_at_once(real_queue: Queue) -> None:
    loop = asyncio.get_running_loop()

    @real_queue.task
    async def when() -> float:
        return loop.time()

    async with Worker(real_queue):
        await (await when.enqueue()).result(10)
        spent: list[float] = []
        for _ in range(30):
            began = loop.time()
            spent.append(await (await when.enqueue()).result(10) - began)

    # Milliseconds, not the second of a poll; the median, since the machine is shared.
    assert sorted(spent)[15] < 0.05


@pytest.mark.behaviour("T19")
async def test_a_short_delay_added_after_a_long_one_is_kept(queue: Queue) -> None:
    loop = asyncio.get_running_loop()

    @queue.task
    async def when() -> float:
        return loop.time()

    async with Worker(queue):
        await (await when.enqueue()).result(10)
        await when.options(delay=3600).enqueue()
        began = loop.time()
        job = await when.options(delay=0.3).enqueue()
        spent = await job.result(10) - began

    assert 0.298 <= spent <= 1.3
