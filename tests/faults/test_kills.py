"""Workers that are killed, in numbers: who takes over, how soon, and what it costs others."""

from __future__ import annotations

import itertools
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from aiojobs_redis import JobFailed, Queue, check_history
from tests.support import figures
from tests.support.invariants import faults
from tests.support.servers import ServerProcess
from tests.support.snapshots import snapshot, sync_client
from tests.support.tiers import sizes
from tests.support.waiting import wait_until
from tests.support.worker_app import build
from tests.support.worker_process import Line, WorkerHost, WorkerProcess

LEASE = 2.0
KILL_EVERY = 0.5


@pytest.fixture
def host(start_server: Callable[..., ServerProcess], tmp_path: Path) -> WorkerHost:
    return WorkerHost(start_server().url, "kills", tmp_path)


@pytest.fixture
async def queue(host: WorkerHost, tmp_path: Path) -> AsyncIterator[Queue]:
    queue = build(host.url, "kills", str(tmp_path / "unused"))
    yield queue
    host.end()
    await queue.close()


def recoveries(lines: list[Line], killed: Mapping[int, float]) -> list[float]:
    """Return the seconds from each kill to the next start of each job that it cut off."""
    finished = {(line.job, line.fence) for line in lines if line.event == "finished"}
    starts: dict[str, list[Line]] = {}
    for line in lines:
        if line.event == "started":
            starts.setdefault(line.job, []).append(line)
    return [
        after.at - killed[line.pid]
        for of_job in starts.values()
        for line, after in itertools.pairwise(of_job)
        if line.pid in killed and (line.job, line.fence) not in finished
    ]


def cut_off(host: WorkerHost, worker: WorkerProcess) -> bool:
    """Kill a worker, if it is in the middle of a job."""
    worker.send(signal.SIGSTOP)
    lines = [line for line in host.journal() if line.pid == worker.pid]
    runs = Counter(line.event for line in lines)
    if runs["started"] > runs["finished"]:
        worker.kill()
    else:
        worker.send(signal.SIGCONT)
    return worker.code is not None


@pytest.mark.behaviour("F1")
@sizes(
    ci={"jobs": 1200, "processes": 3, "slots": 20, "seconds": 6.0},
    whole={"jobs": 20_000, "processes": 4, "slots": 50, "seconds": 60.0},
)
async def test_jobs_of_killed_workers_run_again_within_a_lease_and_a_second(
    queue: Queue, host: WorkerHost, tmp_path: Path, size: Mapping[str, Any]
) -> None:
    chance, folder, number = random.Random(1), tmp_path / "history", size["jobs"]
    recorder = queue.record_history(folder)
    calls = [
        queue.bind("brief", lease=LEASE, max_deliveries=100, id=f"job-{n}") for n in range(number)
    ]
    workers = [host.start(size["slots"], history=folder) for _ in range(size["processes"])]
    killed: dict[int, float] = {}
    added = 0

    async def two_are_busy() -> bool:
        nonlocal added
        until = min(added + size["slots"], number // 2)
        await queue.enqueue_many(calls[added:until])
        added = until
        return len({line.pid for line in host.journal("started")}) > 1

    await wait_until(two_are_busy, "two workers to be busy", 60)
    began = last = time.monotonic()

    async def all_completed() -> bool:
        nonlocal added, last
        now = time.monotonic()
        # However seldom this process gets its turn, the jobs come over many of them.
        due = min(number, int(number * (now - began) / size["seconds"]) + 1, added + number // 50)
        if due > added:
            await queue.enqueue_many(calls[added:due])
            added = due
        if now - last > KILL_EVERY and added < number:
            busy = {line.pid for line in host.journal("started")}
            places = [n for n, worker in enumerate(workers) if worker.pid in busy]
            place = chance.choice(places)
            # With nobody left alive there is nobody to take over.
            if len(places) > 1 and cut_off(host, workers[place]):
                last = now
                killed[workers[place].pid] = time.monotonic()
                workers[place] = host.start(size["slots"], history=folder)
        return added == number and await count_completed(queue, number)

    await wait_until(all_completed, "all jobs to complete", size["seconds"] + 60)
    await queue.states([f"job-{n}" for n in range(number)])
    recorder.mark("drained")
    recorder.close()
    host.end()

    report = check_history(folder)
    assert report.violations == []
    assert (report.enqueued, report.lost, report.unfinished) == (number, 0, 0)
    assert set(report.causes) <= {"lease_expired", "released"}
    recovered = recoveries(host.journal(), killed)
    assert recovered, "some jobs were cut off"
    assert max(recovered) <= LEASE + 1 + size["slack"]
    with sync_client(host.url) as client:
        copy = snapshot(client, "test", queue.name)
    assert copy is None or faults(copy) == []
    figures.record(
        "F1",
        n=number,
        caused=sum(report.causes.values()),
        recovery=recovered,
        tier=size["tier"],
        note=f"{len(killed)} kills, lease {LEASE:g} s",
    )


@pytest.mark.behaviour("F6")
async def test_one_pill_among_a_thousand_jobs_takes_nobody_along(
    queue: Queue, host: WorkerHost
) -> None:
    healthy = [queue.bind("nap", 0.05, lease=1, id=f"job-{n}") for n in range(1000)]
    jobs = await queue.enqueue_many(healthy[:200])
    pill = await queue.enqueue("fault", lease=1)
    jobs += await queue.enqueue_many(healthy[200:])
    workers = [host.start(concurrency=50)]

    async def all_ended() -> bool:
        if workers[-1].code is not None:
            workers.append(host.start(concurrency=50))
        counts = await queue.counts()
        return counts.completed + counts.dead == len(jobs) + 1

    await wait_until(all_ended, "all to end", 60)
    with pytest.raises(JobFailed) as caught:
        await pill.result(5)
    assert caught.value.error_type == "lease_expired"
    counts = await queue.counts()
    assert (counts.completed, counts.dead) == (len(jobs), 1)
    assert len(host.journal("started", pill.id)) == 3
    assert len(workers) - 1 == 3, "three workers died"
    starts = Counter(line.job for line in host.journal("started") if line.job != pill.id)
    figures.record(
        "F6",
        n=len(jobs) + 1,
        caused=sum(starts.values()) - len(starts),
        note="1 pill dead after 3 deliveries, 3 worker deaths",
    )


@pytest.mark.behaviour("F11")
async def test_nothing_is_leased_that_does_not_run(queue: Queue, host: WorkerHost) -> None:
    slots, number = 10, 10_000
    await queue.enqueue_many([queue.bind("brief", lease=1) for _ in range(number)])
    victim = host.start(concurrency=slots)
    most = 0

    async def some_have_run() -> bool:
        nonlocal most
        most = max(most, (await queue.counts()).running)
        return len(host.journal("finished")) >= 500

    await wait_until(some_have_run, "some to run", 20)
    victim.kill()
    left = (await queue.counts()).running
    host.start(concurrency=100)

    async def left_have_run() -> bool:
        return len(again()) >= left

    def again() -> set[str]:
        return {line.job for line in host.journal("started") if line.lost}

    await wait_until(left_have_run, "what it held to run", 20)
    await wait_until(lambda: count_completed(queue, number), "all to complete", 60)
    assert 0 < most <= slots
    assert left <= slots
    assert len(again()) == left
    figures.record("F11", n=number, caused=left, note=f"at most {most} leased, {slots} slots")


async def count_completed(queue: Queue, number: int) -> bool:
    """Whether that many jobs have completed."""
    return (await queue.counts()).completed == number
