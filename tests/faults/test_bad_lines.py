"""A slow, unsteady or broken line to Redis: no lease is lost over it, and nothing is doubled."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from aiojobs_redis import JobState, Queue, Worker, check_history, current_job
from aiojobs_redis._redis.scripts import SCRIPTS
from aiojobs_redis.history.recorder import HistoryRecorder
from tests.support import figures
from tests.support.byte_proxy import ByteProxy
from tests.support.servers import ServerProcess
from tests.support.tiers import sizes

LEASE = 2.0


class Line:
    """A queue behind a bad line, with a history, and a count of what ran how often."""

    def __init__(self, server: ServerProcess, line: ByteProxy, folder: Path) -> None:
        self.line = line
        self.folder = folder
        self.starts: Counter[tuple[str, int]] = Counter()
        # The producer has a good line: what is tested is the workers'.
        self.queue = Queue("line", url=server.url, namespace="test")
        self.far = Queue("line", url=line.url, namespace="test")
        self.recorders: list[HistoryRecorder] = []
        for queue in (self.queue, self.far):
            self.recorders.append(queue.record_history(folder))
            self._tasks(queue)

    def _tasks(self, queue: Queue) -> None:
        @queue.task(lease=LEASE, attempts=1, max_deliveries=100)
        async def nap(seconds: float) -> None:
            self.starts[current_job().id, current_job().lost_deliveries] += 1
            await asyncio.sleep(seconds)

    async def drain(self, jobs: int, seconds: float, lease: float = LEASE) -> list[int]:
        """Run jobs on two workers behind the line, and return how many leases each job lost."""
        # A call that loads a script takes three ways there and back.
        async with self.queue.store.server.borrow() as link:
            for script in SCRIPTS.values():
                await link.call("SCRIPT", "LOAD", script.text)
        bound = [self.queue.bind("nap", seconds, lease=lease) for _ in range(jobs)]
        handles = await self.queue.enqueue_many(bound)
        async with Worker(self.far, concurrency=20), Worker(self.far, concurrency=20):
            await asyncio.gather(*(handle.result(120) for handle in handles))
        infos = await self.queue.infos([handle.id for handle in handles])
        assert {info.state for info in infos} == {JobState.COMPLETED}
        self.recorders[0].mark("drained")
        return [info.lost_deliveries for info in infos]


@pytest.fixture
async def line(
    start_server: Callable[..., ServerProcess], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[Line]:
    caplog.set_level(logging.CRITICAL)
    server = start_server()
    async with ByteProxy(server.socket, 28) as proxy:
        line = Line(server, proxy, tmp_path / "history")
        yield line
        for queue in (line.queue, line.far):
            await queue.close()


@pytest.mark.behaviour("F28")
@sizes(ci={"jobs": 40}, whole={"jobs": 1000})
async def test_a_late_and_unsteady_line_costs_no_lease(line: Line, size: Mapping[str, Any]) -> None:
    # Either way half of it: 200 ms for a round trip, give or take 150 ms.
    line.line.delay, line.line.jitter = 0.1, 0.075
    began = time.monotonic()
    lost = await line.drain(size["jobs"], 2.5)

    note = f"200 ± 150 ms: all done in {time.monotonic() - began:.0f} s"
    check_that_each_ran_once(line, size["jobs"], lost, note, size["tier"])


@pytest.mark.behaviour("F28")
@sizes(ci={"jobs": 3}, whole={"jobs": 50})
async def test_a_kilobyte_a_second_loses_no_job(line: Line, size: Mapping[str, Any]) -> None:
    line.line.rate = 1024
    # A claim of some jobs takes two seconds then, so that shorter leases would end on their way.
    lost = await line.drain(size["jobs"], 0.05, lease=15)

    check_that_each_ran_once(line, size["jobs"], lost, "1 KB/s", size["tier"])


@pytest.mark.behaviour("F28")
@sizes(ci={"jobs": 200, "cuts": 0.1}, whole={"jobs": 5000, "cuts": 0.1})
async def test_replies_that_are_cut_in_their_middle_double_nothing(
    line: Line, size: Mapping[str, Any]
) -> None:
    line.line.cuts = size["cuts"]
    lost = await line.drain(size["jobs"], 0.05)

    assert line.line.cut > 5
    note = f"{line.line.cut} replies cut in their middle"
    check_that_each_ran_once(line, size["jobs"], lost, note, size["tier"])


def check_that_each_ran_once(line: Line, jobs: int, lost: list[int], note: str, tier: str) -> None:
    """Check that no lease was lost, and nothing started twice."""
    assert sum(lost) == 0
    assert len(line.starts) == jobs
    assert set(line.starts.values()) == {1}
    assert check_history(line.folder).violations == []
    figures.record("F28", n=jobs, tier=tier, note=note)
