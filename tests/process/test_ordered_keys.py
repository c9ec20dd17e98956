"""Each key runs its jobs one after the other and in order, whatever becomes of the workers."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import pytest

from aiojobs_redis import Queue, check_history
from tests.support.invariants import faults
from tests.support.snapshots import snapshot, sync_client
from tests.support.waiting import wait_until
from tests.support.worker_process import Line, WorkerHost

KEYS, EACH, PROCESSES, SLOTS = 6, 12, 3, 4
KILL_EVERY, KILLS = 0.8, 6
LEASE = 1.0


def out_of_order(lines: list[Line]) -> list[str]:
    """Return where a job of a key began before the one before it had ended."""
    ended: set[str] = set()
    wrong = []
    for line in sorted(lines, key=lambda line: line.at):
        if line.event == "finished":
            ended.add(line.job)
            continue
        key, number = line.job.split("-")
        if (
            line.event == "started"
            and number != "00"
            and f"{key}-{int(number) - 1:02}" not in ended
        ):
            wrong.append(line.job)
    return wrong


@pytest.mark.slow
@pytest.mark.behaviour("T35")
@pytest.mark.requirement("D27")
async def test_each_key_keeps_its_order_while_workers_are_killed(
    queue: Queue, host: WorkerHost, tmp_path: Path, real_url: str
) -> None:
    chance = random.Random(5)
    folder = tmp_path / "history"
    recorder = queue.record_history(folder)
    await queue.limit(concurrency=1, key="*")
    options: Any = {"lease": LEASE, "max_deliveries": 100}
    jobs = await queue.enqueue_many(
        [
            queue.bind("nap", 0.2, key=f"{key}", id=f"{key}-{number:02}", **options)
            for number in range(EACH)
            for key in range(KEYS)
        ]
    )
    workers = [host.start(SLOTS, history=folder) for _ in range(PROCESSES)]
    await host.wait_for("started", 1)
    kills, last = 0, time.monotonic()

    async def all_completed() -> bool:
        nonlocal kills, last
        if kills < KILLS and time.monotonic() - last > KILL_EVERY:
            running = {line.pid for line in host.journal("started")}
            places = [n for n, worker in enumerate(workers) if worker.pid in running]
            if places:
                last, kills = time.monotonic(), kills + 1
                place = chance.choice(places)
                workers[place].kill()
                workers[place] = host.start(SLOTS, history=folder)
        return (await queue.counts()).completed == len(jobs)

    await wait_until(all_completed, "all jobs to complete", timeout=60)
    await queue.states([job.id for job in jobs])
    recorder.mark("drained")
    recorder.close()
    host.end()

    report = check_history(folder)
    lines = [*host.journal("started"), *host.journal("finished")]
    assert report.violations == []
    assert (report.enqueued, report.lost, report.unfinished) == (len(jobs), 0, 0)
    assert kills == KILLS
    assert report.causes["lease_expired"] > 0, "some were killed while they held their key"
    assert out_of_order(lines) == []
    copy = snapshot(sync_client(real_url), "test", queue.name)
    assert copy is not None
    assert faults(copy) == []
    assert copy.others["slots"] == {}
