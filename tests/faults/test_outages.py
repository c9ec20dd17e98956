"""Redis is killed again and again under load: it comes back with all it acknowledged, so do we."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from aiojobs_redis import Queue, QueueUnavailable, check_history
from tests.faults.test_power_loss import PERSISTENT
from tests.support import figures
from tests.support.invariants import faults
from tests.support.servers import ServerProcess
from tests.support.snapshots import snapshot, sync_client
from tests.support.tiers import sizes
from tests.support.waiting import wait_until
from tests.support.worker_app import build
from tests.support.worker_process import WorkerHost


@pytest.mark.behaviour("F12")
@sizes(
    ci={"jobs": 600, "kills": 2, "down": 1.0, "up": 1.5},
    whole={"jobs": 20_000, "kills": 20, "down": 3.0, "up": 3.0},
)
async def test_a_redis_that_is_killed_costs_neither_jobs_nor_workers(
    start_server: Callable[..., ServerProcess], tmp_path: Path, size: Mapping[str, Any]
) -> None:
    server, number, folder = start_server(*PERSISTENT), size["jobs"], tmp_path / "history"
    host = WorkerHost(server.url, "outages", tmp_path)
    queue = build(server.url, "outages", str(tmp_path / "unused"))
    recorder = queue.record_history(folder)
    workers = [host.start(20, history=folder) for _ in range(2)]
    await wait_until(
        lambda: all("jobs at once" in worker.log for worker in workers), "both to work", 20
    )
    accepted: list[str] = []
    produced = asyncio.create_task(produce(queue, number, size, accepted))
    await host.wait_for("started", 1)
    firsts: list[float] = []
    for _ in range(size["kills"]):
        await wait(size["up"])
        with recorder.fault("restart"):
            server.kill9()
            killed = time.monotonic() + size["down"] / 2
            await wait(size["down"])
            server.start()
        back = time.monotonic()
        # A worker may be quicker than this test to see that it is back.
        firsts.append(max(0.0, await first_start(host, killed) - back))
    await produced

    async def all_completed() -> bool:
        return bool((await queue.counts()).completed == number)

    await wait_until(all_completed, "all jobs to complete", 60)
    await queue.states(accepted)
    recorder.mark("drained")
    recorder.close()
    codes = {worker.code for worker in workers}
    host.end()
    await queue.close()

    report = check_history(folder)
    assert report.violations == []
    assert codes == {None}, "no worker has ended"
    assert len(accepted) == number
    assert report.lost == 0
    assert max(firsts) <= 2 + size["slack"]
    with sync_client(server.url) as client:
        copy = snapshot(client, "test", "outages")
    assert copy is None or faults(copy) == []
    figures.record(
        "F12",
        n=number,
        caused=sum(report.causes.values()),
        recovery=firsts,
        tier=size["tier"],
        note=f"{size['kills']} kills, {size['down']:g} s down each",
    )


async def produce(queue: Queue, number: int, size: Mapping[str, Any], accepted: list[str]) -> None:
    """Enqueue evenly over the time of the test; a refused call is repeated, as a user would."""
    seconds = (size["kills"] + 1) * (size["down"] + size["up"] + 2)
    began, part = time.monotonic(), 20
    for n in range(0, number, part):
        calls = [queue.bind("brief", lease=5, id=f"job-{i}") for i in range(n, n + part)]
        while True:
            try:
                accepted += [job.id for job in await queue.enqueue_many(calls)]
                break
            except QueueUnavailable:
                continue
        await wait(began + seconds * n / number - time.monotonic())


async def first_start(host: WorkerHost, since: float) -> float:
    """Wait for a job to start after that time, and return when it did."""
    found: list[float] = []

    def begun() -> bool:
        found[:] = [line.at for line in host.journal("started") if line.at > since]
        return bool(found)

    await wait_until(begun, "the first claim", 20)
    return min(found)


async def wait(seconds: float) -> None:
    """Let the fault last, or the load."""
    await asyncio.sleep(max(0.0, seconds))
