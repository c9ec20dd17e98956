"""Schedules whose jobs are slow, and expressions that cannot be meant."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import pytest

from aiojobs_redis import Queue, Worker, current_job
from aiojobs_redis.cron import Cron
from aiojobs_redis.duration import from_ms
from aiojobs_redis.errors import ConfigInvalid
from aiojobs_redis.schedule import Overlap
from tests.support import figures
from tests.support.servers import ServerProcess
from tests.support.tiers import sizes
from tests.support.waiting import wait_until

LETTERS = "0123456789*,/-#?LWHR@ MONJANFRI"
SLOWEST = 0.05


@pytest.mark.behaviour("F39")
@pytest.mark.parametrize("overlap", ["allow", "skip"])
@sizes(ci={"seconds": 1.5, "ticks": 5}, whole={"seconds": 4.5, "ticks": 30})
async def test_a_job_slower_than_its_schedule_overlaps_as_asked(
    start_server: Callable[..., ServerProcess], size: Mapping[str, Any], overlap: Overlap
) -> None:
    queue = Queue("slow", url=start_server().url, namespace="test")
    running: set[int] = set()
    most = 0
    begun: list[int] = []

    @queue.task
    async def slow() -> None:
        nonlocal most
        tick = round(current_job().scheduled_for.timestamp() * 1000)
        begun.append(tick)
        running.add(tick)
        most = max(most, len(running))
        await asyncio.sleep(size["seconds"])
        running.remove(tick)

    ticks, each = size["ticks"], int(size["seconds"]) + 1
    async with Worker(queue, concurrency=20):
        first = await queue.planner().now() + 1000
        start, end = from_ms(first), from_ms(first + (ticks - 1) * 1000)
        await queue.schedule("s", slow.bind(), every=1, start=start, end=end, overlap=overlap)

        async def over() -> bool:
            (info,) = await queue.schedules()
            return info.next_at is None and not (await queue.counts()).unfinished

        await wait_until(over, "the last tick to be done", ticks + 20)
    (info,) = await queue.schedules()
    await queue.close()

    anchor = begun[0]
    offsets = range(0, ticks, each) if overlap == "skip" else range(ticks)
    assert begun == [anchor + offset * 1000 for offset in offsets]
    assert (info.runs, info.missed) == (len(begun), ticks - len(begun))
    assert most == (1 if overlap == "skip" else min(each, ticks))
    note = f"overlap={overlap!r}: {len(begun)} jobs, {most} at once"
    figures.record("F39", n=ticks, tier=size["tier"], note=note)


@pytest.mark.behaviour("F38")
@sizes(ci={"texts": 1000}, whole={"texts": 100_000})
def test_any_expression_is_taken_or_refused_at_once(size: Mapping[str, Any]) -> None:
    chance, refused, slowest = random.Random(38), 0, 0.0
    for _ in range(size["texts"]):
        fields = ["".join(chance.choices(LETTERS, k=chance.randint(1, 6))) for _ in range(5)]
        for place in range(5):
            if chance.random() < 0.6:
                fields[place] = chance.choice(["*", "0", "1-5", "*/7", "29", "30", "31", "2"])
        spent: list[float] = []
        # The fastest of some: a pause of this machine is none of the parser.
        while (not spent or min(spent) > SLOWEST) and len(spent) < 5:
            began = time.process_time()
            with suppress(ConfigInvalid):
                Cron(" ".join(fields))
                refused -= 1
            refused += 1
            spent.append(time.process_time() - began)
        slowest = max(slowest, min(spent))

    assert slowest <= SLOWEST
    assert 0.1 * size["texts"] < refused < size["texts"]
    note = f"{refused} refused with the one error, slowest {slowest * 1000:.1f} ms"
    figures.record("F38", n=size["texts"], tier=size["tier"], note=note)
