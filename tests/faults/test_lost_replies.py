"""One reply in ten is lost after its command was carried out: nothing is doubled, nothing leaks."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from aiojobs_redis import Queue, Worker, check_history
from tests.support import figures
from tests.support.proxy import Proxy, runs_script
from tests.support.servers import ServerProcess
from tests.support.tiers import sizes
from tests.support.waiting import wait_until

SHARE = 0.1
CALLERS = 50

is_exchange = runs_script("exchange")


class Loser:
    """Loses replies at random, and notes when the same exchange was answered after all.

    Args:
        proxy: The proxy, which it takes over.
    """

    def __init__(self, proxy: Proxy) -> None:
        self.lost = 0
        self.recovery: list[float] = []
        self._chance = random.Random(26)
        self._waiting: dict[tuple[bytes, ...], float] = {}
        proxy.after = self._after

    async def _after(self, words: list[bytes]) -> None:
        operation = tuple(words[3 + int(words[2]) :][:2]) if is_exchange(words) else ()
        now = time.monotonic()
        # A lost greeting is a connection that failed, not a command whose outcome is unknown.
        if words[0] != b"CLIENT" and self._chance.random() < SHARE:
            self.lost += 1
            if operation:
                self._waiting.setdefault(operation, now)
            raise ConnectionError
        if operation in self._waiting:
            self.recovery.append(now - self._waiting.pop(operation))


@pytest.mark.behaviour("F26")
@sizes(ci={"jobs": 1000}, whole={"jobs": 20_000})
async def test_a_tenth_of_all_replies_is_lost(
    start_server: Callable[..., ServerProcess],
    tmp_path: Path,
    size: Mapping[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL)
    server, number = start_server(), size["jobs"]
    runs = Counter[int]()
    async with Proxy(server.socket) as proxy:
        near = Queue("lossy", url=server.url, namespace="test")
        await near.enqueue("warm-up", id="warm-up")
        await near.job("warm-up").cancel()
        queue = Queue("lossy", url=proxy.url, namespace="test")
        recorder = queue.record_history(tmp_path)

        @queue.task(lease=3)
        async def work(number: int) -> None:
            runs[number] += 1
            await asyncio.sleep(0.005)

        await queue.connect()
        loser = Loser(proxy)
        todo = list(range(number))
        jobs = []

        async def call() -> None:
            # Without an id of its own a job is protected by the numbers of its producer alone.
            while todo:
                jobs.append(await work.enqueue(todo.pop()))

        async with Worker(queue, concurrency=20):
            await asyncio.gather(*(call() for _ in range(CALLERS)))
            await wait_until(lambda: len(runs) == number, "all to run", size["jobs"] / 50 + 60)

            async def all_completed() -> bool:
                counts = await near.counts()
                return bool(counts.completed == number)

            await wait_until(all_completed, "all to complete", 30)
            proxy.after = nothing
        await queue.states([job.id for job in jobs])
        recorder.mark("drained")
        recorder.close()
        counts = await near.counts()
        await queue.close()
        await near.close()

    report = check_history(tmp_path)
    assert report.violations == []
    assert (report.enqueued, report.completed, report.executions) == (number, number, number)
    assert dict(report.causes) == {}, "no lease has run out"
    assert (counts.completed, counts.cancelled, counts.queued, counts.dead) == (number, 1, 0, 0)
    assert set(runs.values()) == {1}
    assert len(loser.recovery) > 3
    assert max(loser.recovery) <= 0.5 + size["slack"]
    figures.record(
        "F26",
        n=number,
        recovery=loser.recovery,
        tier=size["tier"],
        note=f"{loser.lost} replies lost, {len(loser.recovery)} of them of exchanges",
    )


async def nothing(_: list[bytes]) -> None:
    """Lose no more."""
