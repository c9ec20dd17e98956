"""Workers that are told to stop, in numbers, and tasks that do not want to."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from aiojobs_redis import JobState, Queue
from tests.support import figures
from tests.support.servers import ServerProcess
from tests.support.tiers import SLACK, sizes
from tests.support.waiting import wait_until
from tests.support.worker_app import build
from tests.support.worker_process import Line, WorkerHost, WorkerProcess


@pytest.fixture
def host(start_server: Callable[..., ServerProcess], tmp_path: Path) -> WorkerHost:
    return WorkerHost(start_server().url, "stops", tmp_path)


@pytest.fixture
async def queue(host: WorkerHost, tmp_path: Path) -> AsyncIterator[Queue]:
    queue = build(host.url, "stops", str(tmp_path / "unused"))
    yield queue
    host.end()
    await queue.close()


@pytest.mark.behaviour("F9")
@sizes(
    ci={"jobs": 100, "longest": 6.0, "slots": 60, "restarts": 3, "grace": 0.5},
    whole={"jobs": 1000, "longest": 60.0, "slots": 600, "restarts": 50, "grace": 2.0},
)
async def test_rolling_restarts_lose_nothing_and_complete_once(
    queue: Queue, host: WorkerHost, size: Mapping[str, Any]
) -> None:
    chance, grace = random.Random(9), size["grace"]
    # Together they have room for all, so that what one hands back need not wait.
    slack = size["slack"]
    workers = [host.start(size["slots"], grace=grace) for _ in range(3)]
    for worker in workers:
        await works(worker)
    jobs = await queue.enqueue_many(
        [
            queue.bind("nap", chance.uniform(size["longest"] / 60, size["longest"]), id=f"job-{n}")
            for n in range(size["jobs"])
        ]
    )
    await host.wait_for("started", len(jobs), 30)
    restarts: list[float] = []
    for n in range(size["restarts"]):
        old = workers[n % 3]
        began = time.monotonic()
        old.send(signal.SIGTERM)
        assert await old.ended(grace + 1.5 + slack) == 0
        ended = time.monotonic()
        assert ended - began <= grace + 1.5 + slack
        workers[n % 3] = host.start(size["slots"], grace=grace)
        restarts.append(ended - began)
        if (await queue.counts()).completed == len(jobs):
            break
        await works(workers[n % 3])

    async def all_completed() -> bool:
        return (await queue.counts()).completed == len(jobs)

    await wait_until(all_completed, "all to complete", size["longest"] * 2 + 20)
    infos = await queue.infos([job.id for job in jobs])
    assert len(infos) == len(jobs)
    assert {(info.attempt, info.lost_deliveries) for info in infos} == {(1, 0)}
    finished = Counter(line.job for line in host.journal("finished"))
    assert set(finished.values()) == {1}
    waits = waits_for_another(host.journal())
    assert waits
    assert max(waits) <= 1 + slack
    figures.record(
        "F9",
        n=len(jobs),
        caused=len(host.journal("started")) - len(jobs),
        recovery=waits,
        tier=size["tier"],
        note=f"{len(restarts)} restarts, exit after {max(restarts):.1f} s at most",
    )


APP = """
import asyncio, time
from aiojobs_redis import Queue

queue = Queue("stops", namespace="test")

@queue.task(lease=2)
async def deaf(gate: str) -> None:
    while True:
        try:
            await asyncio.sleep(9e9)
        except asyncio.CancelledError:
            pass

@queue.task(lease=2)
def hold_thread(gate: str) -> None:
    time.sleep(9e9)
"""


@pytest.mark.behaviour("F10")
@pytest.mark.parametrize("task", ["deaf", "hold_thread"])
async def test_what_does_not_end_holds_up_neither_exit_nor_job(
    queue: Queue, host: WorkerHost, tmp_path: Path, task: str
) -> None:
    grace, hard = 0.5, 5.0
    (tmp_path / "app.py").write_text(APP)
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "aiojobs_redis", "worker", "app:queue", "--grace", str(grace)),
        cwd=tmp_path,
        env={**os.environ, "AIOJOBS_REDIS_URL": host.url},
        stderr=asyncio.subprocess.PIPE,
    )
    job = await queue.enqueue(task, str(host.gate()))

    async def runs() -> bool:
        return await job.state() is JobState.RUNNING

    await wait_until(runs, "the job to run", 20)
    heir = host.start()
    await works(heir)
    began = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    _, log = await asyncio.wait_for(worker.communicate(), 20)
    spent = time.monotonic() - began
    (second,) = await host.wait_for("started", 1)
    host.gate().touch()

    assert await job.result(20) == heir.pid
    assert worker.returncode == 1
    assert b"ending the process without them" in log
    assert spent <= grace + hard + 1 + SLACK["ci"]
    assert second.at - began <= grace + hard + 1 + SLACK["ci"]
    info = await job.info()
    assert info is not None
    assert (info.attempt, info.lost_deliveries) == (1, 0)
    figures.record("F10", n=1, caused=1, recovery=[second.at - began], note=task)


def waits_for_another(lines: list[Line]) -> list[float]:
    """Return the seconds from each cancellation to the next start of the job."""
    return [
        min(later.at for later in lines if later.job == line.job and later.at > line.at) - line.at
        for line in lines
        if line.event == "cancelled"
    ]


async def works(worker: WorkerProcess) -> None:
    """Wait until a worker has come to work."""
    await wait_until(lambda: "jobs at once" in worker.log, "the worker to come to work", 20)
