"""A worker that is cut off without a word gives its jobs up before anybody else can have them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from aiojobs_redis import Queue, Worker, check_history, current_job
from tests.support import figures
from tests.support.byte_proxy import ByteProxy
from tests.support.servers import ServerProcess
from tests.support.tiers import sizes
from tests.support.waiting import wait_until

LEASE = 2.0
SLOTS = 3
STEP = 0.001


class Effects:
    """What handlers do to the world outside, with the times at which they did it."""

    def __init__(self) -> None:
        self.first: dict[tuple[str, int], float] = {}
        self.last: dict[tuple[str, int], float] = {}
        self.may_end = asyncio.Event()

    def build(self, url: str, name: str, history: Path) -> Queue:
        """Return a queue whose jobs have an effect each millisecond until they may end."""
        queue = Queue(name, url=url, namespace="test")
        queue.record_history(history)

        @queue.task(lease=LEASE, attempts=1, max_deliveries=1000)
        async def act() -> None:
            run = (current_job().id, current_job().lost_deliveries)
            self.first[run] = time.time()
            while not self.may_end.is_set():
                self.last[run] = time.time()
                await asyncio.sleep(STEP)

        @queue.task
        async def busy() -> None:
            pass

        return queue


async def cut_off(server: ServerProcess, name: str, folder: Path, seed: int) -> list[float]:
    """Partition one worker of two and return by how much each job's handlers overlapped, s."""
    chance, effects = random.Random(seed), Effects()
    async with ByteProxy(server.socket, seed) as line, contextlib.AsyncExitStack() as stack:
        far, near = (effects.build(url, name, folder) for url in (line.url, server.url))
        for queue in (far, near):
            stack.push_async_callback(queue.close)
        stranded = await stack.enter_async_context(Worker(far, concurrency=SLOTS))
        jobs = [await near.enqueue("act") for _ in range(SLOTS)]
        await wait_until(lambda: len(effects.first) == SLOTS, "the jobs to run", 20)
        await stack.enter_async_context(Worker(near, concurrency=SLOTS + 1))

        async def keep_exchanging() -> None:
            # So that a lease is taken in the moment in which it has run out.
            while True:
                await (await near.enqueue("busy")).result(20)

        exchanging = asyncio.create_task(keep_exchanging())
        # At any moment between two renewals.
        moment = time.monotonic() + chance.random() * LEASE / 3
        await wait_until(lambda: time.monotonic() > moment, "the moment to come")
        line.passing.clear()
        await wait_until(lambda: len(effects.first) == 2 * SLOTS, "others to run them", 20)
        claimed = {info.id: info.started_at for info in await near.infos([j.id for j in jobs])}
        line.passing.set()
        await wait_until(lambda: not stranded.runs(), "the cut off worker to have given up")
        effects.may_end.set()
        for job in jobs:
            await job.result(20)
        exchanging.cancel()
        await asyncio.wait([exchanging])
    overlaps = []
    for job in jobs:
        claim = claimed[job.id]
        assert claim is not None
        overlaps.append(effects.last[job.id, 0] - claim.timestamp())
    return overlaps


@pytest.mark.behaviour("F27")
@sizes(ci={"partitions": 3, "at_once": 3}, whole={"partitions": 100, "at_once": 3})
async def test_a_cut_off_worker_fences_itself_before_its_jobs_are_claimed_again(
    start_server: Callable[..., ServerProcess],
    tmp_path: Path,
    size: Mapping[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL)
    server = start_server()
    left = list(range(size["partitions"]))
    overlaps: dict[int, list[float]] = defaultdict(list)

    async def work() -> None:
        while left:
            number = left.pop()
            folder = tmp_path / f"history-{number}"
            overlaps[number] += await cut_off(server, f"part-{number}", folder, number)

    await asyncio.gather(*(work() for _ in range(size["at_once"])))
    for number in overlaps:
        # Not before: it would block the loop, and so the handlers that are to stop.
        assert check_history(tmp_path / f"history-{number}").violations == []
    spans = [each for some in overlaps.values() for each in some]

    assert len(spans) == SLOTS * size["partitions"]
    assert max(spans) <= 0, f"{sum(each > 0 for each in spans)} handlers went on after the claim"
    figures.record(
        "F27",
        n=len(spans),
        caused=len(spans),
        tier=size["tier"],
        note=f"last effect before the new claim: {-max(spans) * 1000:.0f} ms or more",
    )
