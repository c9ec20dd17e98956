"""Five schedulers, of which one is killed each second: every tick makes its job, and only one."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from aiojobs_redis import JobState
from tests.support import figures
from tests.support.servers import ServerProcess
from tests.support.tiers import sizes
from tests.support.waiting import wait_until
from tests.support.worker_app import build
from tests.support.worker_process import WorkerHost

SCHEDULERS = 5
KILL_EVERY = 1.0
AHEAD = 1
NAME = "ticking"


@pytest.mark.behaviour("F35")
@sizes(ci={"seconds": 6}, whole={"seconds": 600})
async def test_five_schedulers_make_one_job_a_tick_while_they_are_killed(
    start_server: Callable[..., ServerProcess], tmp_path: Path, size: Mapping[str, Any]
) -> None:
    url = start_server().url
    queue, host = build(url, NAME, str(tmp_path / "unused")), WorkerHost(url, NAME, tmp_path)
    warm_up = await queue.enqueue("nap", 0)
    workers = [host.start(concurrency=5) for _ in range(SCHEDULERS)]

    async def all_there() -> bool:
        return len(await queue.workers()) == SCHEDULERS

    await wait_until(all_there, "all schedulers to be listed", 30)
    await warm_up.result(10)
    first = await queue.planner().now() // 1000 + AHEAD
    last = first + size["seconds"] - 1
    start, end = (datetime.fromtimestamp(at, UTC) for at in (first, last))
    call = queue.bind("brief", lease=1, max_deliveries=100, keep_result=3600)
    await queue.schedule("s", call, cron="* * * * * *", missed="all", start=start, end=end)
    kills, began = 0, time.monotonic() + AHEAD

    async def over() -> bool:
        nonlocal kills
        if time.monotonic() > began + kills * KILL_EVERY and kills < size["seconds"]:
            kills += 1
            # The oldest one: so whoever leads is killed after a few seconds.
            workers.pop(0).kill()
            workers.append(host.start(concurrency=5))
        # In this order: the last tick may come between the two.
        (info,) = await queue.schedules()
        counts = await queue.counts()
        return info.next_at is None and not counts.unfinished

    await wait_until(over, "the last tick to be done", size["seconds"] + 60)
    host.end()
    (info,) = await queue.schedules()
    jobs = [job for state in JobState for job in await queue.jobs(state, limit=1000)]
    jobs = [job for job in jobs if job.id != warm_up.id]
    await queue.close()

    wanted = [f"s:{at * 1000}" for at in range(first, last + 1)]
    assert sorted(job.id for job in jobs) == wanted
    assert {job.state for job in jobs} == {JobState.COMPLETED}
    assert (info.runs, info.missed) == (len(wanted), 0)
    lines = [line for line in host.journal("started") if line.job != warm_up.id]
    starts = Counter((line.job, line.lost) for line in lines)
    assert {job for job, _ in starts} == set(wanted)
    assert max(starts.values()) == 1, "nothing ran twice but after its lease ran out"
    assert kills > 0.5 * size["seconds"]
    figures.record(
        "F35",
        n=len(wanted),
        caused=len(starts) - len(wanted),
        tier=size["tier"],
        note=f"{kills} schedulers killed, 0 ticks missing, 0 doubled",
    )
