"""A kill storm is recorded, and the checker finds a cause for whatever happened twice."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from aiojobs_redis import Queue, check_history
from aiojobs_redis.history.collector import files_of
from aiojobs_redis.history.events import decode_event, encode_event
from tests.support.waiting import wait_until
from tests.support.worker_process import WorkerHost

JOBS, PROCESSES, SLOTS = 1500, 3, 10
KILL_EVERY = 0.7
KILL_FOR = 7.0
LEASE = 1.0


@pytest.mark.slow
@pytest.mark.behaviour("F1")
async def test_each_duplicate_of_a_kill_storm_has_a_cause(
    queue: Queue, host: WorkerHost, tmp_path: Path
) -> None:
    chance = random.Random(11)
    folder = tmp_path / "history"
    recorder = queue.record_history(folder)
    calls = [
        queue.bind("nap", 0.15, lease=LEASE, max_deliveries=100, id=f"job-{n}", priority=n % 4)
        for n in range(JOBS)
    ]
    # In parts, so that producers and workers are at it together.
    jobs = await queue.enqueue_many(calls[: JOBS // 2])
    workers = [host.start(SLOTS, history=folder) for _ in range(PROCESSES)]
    await host.wait_for("started", 1)
    kills = 0
    began = last = time.monotonic()

    async def all_completed() -> bool:
        nonlocal kills, last
        now = time.monotonic()
        if now - last > KILL_EVERY and now - began < KILL_FOR:
            busy = {line.pid for line in host.journal("started")}
            places = [n for n, worker in enumerate(workers) if worker.pid in busy]
            # On a slow machine it may be that none of them has come to work yet.
            if places:
                last = now
                kills += 1
                place = chance.choice(places)
                workers[place].kill()
                workers[place] = host.start(SLOTS, history=folder)
        if len(jobs) < JOBS:
            jobs.extend(await queue.enqueue_many(calls[len(jobs) : len(jobs) + 5]))
        return len(jobs) == JOBS and (await queue.counts()).completed == JOBS

    await wait_until(all_completed, "all jobs to complete", timeout=60)
    await queue.states([job.id for job in jobs])
    recorder.mark("drained")
    recorder.close()
    host.end()

    report = check_history(folder)

    assert report.violations == []
    assert (report.enqueued, report.lost, report.unfinished) == (JOBS, 0, 0)
    assert kills > 2
    # Each job that was in a slot of a killed process ran twice, and nothing else did.
    assert 0 < report.causes["lease_expired"] <= kills * SLOTS
    assert set(report.causes) <= {"lease_expired", "released"}
    assert report.executions <= JOBS + report.causes["lease_expired"]
    check_that_it_would_have_been_found(folder)


def check_that_it_would_have_been_found(folder: Path) -> None:
    """Plant a fault into the record: a lease that Redis takes away soon after it was granted."""
    granted = {}
    for path in files_of([folder]):
        for line in path.read_bytes().splitlines(keepends=True):
            event = decode_event(line) if line.endswith(b"\n") else None
            if event is not None and event.op == "claim" and not event.lost:
                granted[event.job] = event.ms
    for path in files_of([folder]):
        lines = path.read_bytes().splitlines(keepends=True)
        for at, line in enumerate(lines):
            event = decode_event(line) if line.endswith(b"\n") else None
            if event is None or event.op != "claim" or event.lost != 1:
                continue
            # A claim whose reply nobody lived to read is not there.
            if event.job in granted:
                event.ms = granted[event.job] + 1
                lines[at] = encode_event(event) + b"\n"
                path.write_bytes(b"".join(lines))
                (violation,) = check_history(folder).violations
                assert violation.job == event.job
                assert violation.rule in {"leases_overlap", "stale_write_accepted"}
                return
    raise AssertionError("no lease ran out")
