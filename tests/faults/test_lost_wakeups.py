"""Wake-ups that never arrive: a job starts within the second of the next beat all the same."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

import pytest

from aiojobs_redis import Queue, Worker
from tests.support import figures
from tests.support.proxy import Proxy
from tests.support.servers import ServerProcess
from tests.support.tiers import sizes
from tests.support.waiting import wait_until

QUEUES = 6
LATEST = 0.7


@pytest.mark.behaviour("F30")
@sizes(ci={"rounds": 3}, whole={"rounds": 100})
async def test_a_job_whose_wake_up_is_lost_starts_within_the_second(
    start_server: Callable[..., ServerProcess], size: Mapping[str, Any]
) -> None:
    server, chance = start_server(), random.Random(30)
    lost = 0
    never = asyncio.Event()

    async def lose(words: list[bytes]) -> None:
        nonlocal lost
        if words[0].upper() == b"BZPOPMIN":
            lost += 1
            await never.wait()

    async with Proxy(server.socket) as proxy, AsyncExitStack() as stack:
        # The marker is taken from Redis, and its reply does not arrive.
        proxy.after = lose

        async def late(number: int) -> list[float]:
            near, far = (
                Queue(f"deaf-{number}", url=url, namespace="test")
                for url in (server.url, proxy.url)
            )
            stack.push_async_callback(near.close)
            stack.push_async_callback(far.close)

            @far.task
            async def when() -> float:
                return time.monotonic()

            first = await near.enqueue("when")
            worker = Worker(far)
            await stack.enter_async_context(worker)
            await first.result(10)
            found = []
            for _ in range(size["rounds"]):
                lane = worker._lanes[0]
                await wait_until(lambda: lane.idle.is_set(), "the worker to be idle")  # noqa: B023
                moment = time.monotonic() + chance.random()
                await wait_until(lambda: time.monotonic() > moment, "any moment")  # noqa: B023
                began = time.monotonic()
                found.append(await (await near.enqueue("when")).result(10) - began)
            return found

        spans = [each for one in await asyncio.gather(*map(late, range(QUEUES))) for each in one]
        never.set()

    assert lost >= QUEUES, "they were on their way"
    assert max(spans) <= LATEST + size["slack"]
    assert max(spans) > 0.1, "nothing else woke them"
    note = f"{lost} wake-ups lost; recovery = enqueue to start"
    figures.record("F30", n=len(spans), recovery=spans, tier=size["tier"], note=note)
