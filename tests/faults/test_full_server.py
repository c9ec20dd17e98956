"""Redis is full: nothing can be added, and everything that is there can be worked off."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

import pytest

from aiojobs_redis import Queue, QueueFull, Worker
from tests.support import figures
from tests.support.gauge import Gauge
from tests.support.raw import raw
from tests.support.servers import ServerProcess
from tests.support.tiers import SLACK
from tests.support.waiting import wait_until

QUEUED, RUNNING = 5000, 50
TEXT = "x" * 1000


async def memory(queue: Queue) -> int:
    """Return the bytes that count against maxmemory."""
    fields = dict(
        line.split(b":", 1)
        for line in (await raw(queue, "INFO", "memory")).splitlines()
        if b":" in line
    )
    return int(fields[b"used_memory"]) - int(fields[b"mem_not_counted_for_evict"])


@pytest.mark.behaviour("F17")
async def test_a_full_redis_is_drained(start_server: Callable[..., ServerProcess]) -> None:
    queue = Queue("full", url=start_server().url, namespace="test")
    gauge, runs = Gauge(), Counter[int]()

    @queue.task(lease=2)
    async def work(number: int, text: str) -> int:
        runs[number] += 1
        await gauge.pass_through()
        return len(text)

    number = RUNNING + QUEUED
    await queue.enqueue_many([work.bind(n, TEXT) for n in range(number)])
    limit = int(await memory(queue) * 1.1)
    await raw(queue, "CONFIG", "SET", "maxmemory", limit)
    waits: list[float] = []
    async with Worker(queue, concurrency=RUNNING):
        await wait_until(lambda: gauge.now == RUNNING, "the slots to fill")
        # A hash table that has just grown makes it full for a moment only.
        while len(waits) < 20:
            began = time.monotonic()
            try:
                await work.enqueue(number, TEXT)
            except QueueFull:
                waits.append(time.monotonic() - began)
            else:
                number += 1
                waits.clear()

        sizes = []

        async def all_ended() -> bool:
            sizes.append(await memory(queue))
            counts = await queue.counts()
            return not (counts.queued or counts.running)

        gauge.open()
        await wait_until(all_ended, "all to end", 60)

    growth = max(sizes) / limit - 1
    counts = await queue.counts()
    await queue.close()
    assert sorted(waits)[10] <= 0.1
    assert max(waits) <= 0.1 + SLACK["ci"]
    assert runs == Counter(range(number))
    assert (counts.dead, counts.retrying) == (0, 0)
    assert 0 < counts.completed < number, "from some moment on nothing was kept"
    assert growth <= 0.05
    figures.record(
        "F17",
        n=number,
        note=f"refused within {max(waits) * 1000:.0f} ms, grown by {growth:.1%}",
    )
