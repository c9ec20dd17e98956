"""Workers with middleware, a lifespan and dependencies are killed: the same is promised."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from aiojobs_redis import Queue, check_history
from tests.support.waiting import wait_until
from tests.support.worker_process import WorkerHost

JOBS, PROCESSES, SLOTS, KILLS = 300, 2, 10, 3


@pytest.mark.behaviour("F1")
async def test_kills_of_workers_with_all_that_is_around_a_job_lose_and_double_nothing(
    queue: Queue, host: WorkerHost, tmp_path: Path
) -> None:
    chance = random.Random(5)
    folder = tmp_path / "history"
    recorder = queue.record_history(folder)
    options = ["--middleware"]
    calls = [
        queue.bind("within", 0.05, lease=2, max_deliveries=100, id=f"job-{n}") for n in range(JOBS)
    ]
    jobs = await queue.enqueue_many(calls)
    workers = [host.start(SLOTS, history=folder, options=options) for _ in range(PROCESSES)]
    for kill in range(KILLS):
        await host.wait_for("started", 20 * (kill + 1))
        place = chance.randrange(PROCESSES)
        workers[place].kill()
        workers[place] = host.start(SLOTS, history=folder, options=options)

    async def all_completed() -> bool:
        return (await queue.counts()).completed == JOBS

    await wait_until(all_completed, "all jobs to complete", timeout=60)
    pids = {worker.pid for worker in host.processes}
    assert {await job.result(5) for job in jobs} <= pids
    await queue.states([job.id for job in jobs])
    recorder.mark("drained")
    recorder.close()
    host.end()

    report = check_history(folder)
    assert report.violations == []
    assert (report.enqueued, report.lost, report.unfinished) == (JOBS, 0, 0)
    assert report.causes["lease_expired"] > 0
    # A job that was claimed, and not begun when its worker died, ran once.
    assert JOBS < report.executions <= JOBS + report.causes["lease_expired"]
    # Whatever ended by itself closed what it held; what was killed could not.
    opened, closed = host.journal("opened"), host.journal("closed")
    assert JOBS <= len(closed) <= len(opened) == len(host.journal("started"))
