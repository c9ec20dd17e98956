"""Workers whose wall clock is an hour off, or is set while they run: it decides nothing."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from aiojobs_redis import JobState, Queue, check_history
from tests.support import figures
from tests.support.faketime import WAYS, FakeClock
from tests.support.servers import ServerProcess
from tests.support.tiers import sizes
from tests.support.waiting import wait_until
from tests.support.worker_app import build
from tests.support.worker_process import WorkerHost

NAME = "skewed"
LEASE = 2.0
LATE = 0.5


@pytest.fixture
def url(start_server: Callable[..., ServerProcess]) -> str:
    return start_server().url


@pytest.fixture
async def queue(url: str, tmp_path: Path) -> AsyncIterator[Queue]:
    queue = build(url, NAME, str(tmp_path / "unused"))
    yield queue
    await queue.close()


@pytest.mark.behaviour("F32")
@pytest.mark.parametrize("way", WAYS)
@sizes(ci={"jobs": 40, "steps": 2}, whole={"jobs": 2000, "steps": 40})
async def test_a_wrong_wall_clock_starts_nothing_early_or_late_and_takes_no_lease(
    queue: Queue, url: str, tmp_path: Path, way: str, size: Mapping[str, Any]
) -> None:
    folder = tmp_path / "history"
    recorder = queue.record_history(folder)
    host = WorkerHost(url, NAME, tmp_path)
    clocks = [FakeClock(tmp_path / f"clock-{n}", way, skew) for n, skew in enumerate((3600, -3600))]
    long = [await queue.enqueue("nap", 3 * LEASE, lease=LEASE) for _ in range(4)]
    for clock in [*clocks, None, None]:
        if clock is None:
            host.start(concurrency=20, history=folder)
        else:
            with clock.around():
                host.start(concurrency=20, history=folder)

    async def all_there() -> bool:
        return len(await queue.workers()) == 4

    await wait_until(all_there, "all workers to be listed", 30)
    true = time.time()
    skews = sorted(round(w.started_at.timestamp() - true, -2) for w in await queue.workers())
    assert skews == [-3600, 0, 0, 3600], "their clocks are wrong indeed"
    due: dict[str, float] = {}
    for step in range(size["steps"]):
        share = size["jobs"] // size["steps"]
        for number in range(share):
            delay = 0.5 + number / share
            before = time.monotonic()
            job = await queue.enqueue("nap", 0.01, lease=LEASE, delay=delay)
            due[job.id] = before + delay
        # All other jobs fall due after that.
        for clock, side in zip(clocks, (-1, 1), strict=True):
            clock.set(side * (3600 + step) * (-1) ** step)
        await asyncio.gather(*(queue.job(id).result(20) for id in due))
    await asyncio.gather(*(job.result(20) for job in long))
    recorder.mark("drained")
    recorder.close()
    host.end()

    lines = host.journal("started")
    runs = Counter(line.job for line in lines)
    # Redis has whole milliseconds, and cuts them off.
    late = [line.at - due[line.job] for line in lines if line.job in due]
    assert runs == Counter([*due, *(job.id for job in long)]), "each once: no lease was taken away"
    assert {line.lost for line in lines} == {0}
    assert min(late) > -0.002
    assert max(late) < LATE + size["slack"]
    report = check_history(folder)
    assert report.violations == []
    assert (await queue.counts()).completed == len(runs)
    assert await long[0].state() is JobState.COMPLETED
    figures.record(
        "F32",
        n=len(runs),
        recovery=late,
        tier=size["tier"],
        note=f"clocks 1 h off, set {size['steps']} times by 2 h; recovery = start after due time",
    )
