"""Two hundred jobs of a worker that was frozen for three leases: it wakes, and changes nothing."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aiojobs_redis import Queue
from tests.support import figures
from tests.support.raw import dump
from tests.support.servers import ServerProcess
from tests.support.tiers import SLACK
from tests.support.waiting import wait_until
from tests.support.worker_app import build
from tests.support.worker_process import WorkerHost

JOBS = 200
LEASE = 1.0


@pytest.mark.behaviour("F3")
async def test_a_zombie_writes_nothing_and_is_told_within_a_heartbeat(
    start_server: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    host = WorkerHost(start_server().url, "zombies", tmp_path)
    queue = build(host.url, "zombies", str(tmp_path / "unused"))
    # The zombie's ends when it wakes, of one half; the other half is told.
    ending, lasting = tmp_path / "ending", tmp_path / "lasting"
    for folder in (ending, lasting):
        folder.mkdir()
    jobs = await queue.enqueue_many(
        [
            queue.bind("hold_own", str(ending if n % 2 else lasting), lease=LEASE)
            for n in range(JOBS)
        ]
    )
    zombie = host.start(concurrency=JOBS)
    await host.wait_for("started", JOBS)
    zombie.send(signal.SIGSTOP)
    frozen = time.monotonic()
    heir = host.start(concurrency=JOBS)
    await host.wait_for("started", 2 * JOBS)
    await wait_until(lambda: time.monotonic() > frozen + 3 * LEASE, "three leases to pass")
    before = await records(queue)
    (ending / str(zombie.pid)).touch()
    zombie.send(signal.SIGCONT)
    woken = time.monotonic()
    told = await host.wait_for("lost", JOBS // 2)
    finished = host.journal("finished")
    await wait_until(
        lambda: zombie.log.count("came after its lease was lost") >= len(finished),
        "all completions to be refused",
        20,
    )
    assert await records(queue) == before
    assert (await queue.counts()).running == JOBS

    for folder in (ending, lasting):
        (folder / str(heir.pid)).touch()
    assert {await job.result(20) for job in jobs} == {heir.pid}
    assert (await queue.counts()).completed == JOBS
    # How many of the zombie's ended before they were told is up to its clocks.
    delays = [line.at - woken for line in told]
    # A renewal comes once a third of a lease.
    assert max(delays) <= LEASE / 3 + SLACK["ci"]
    host.end()
    await queue.close()
    figures.record(
        "F3",
        n=JOBS,
        caused=JOBS,
        recovery=delays,
        note=f"{len(finished)} stale completions, 0 stale writes",
    )


async def records(queue: Queue) -> dict[bytes, Any]:
    """Return what there is of the jobs; leases of the living are renewed, workers beat."""
    found = await dump(queue)
    names = ("leases", "workers", "meta", "ops", "wake", "due", "producers")
    for name in names:
        found.pop(queue.store.keys[name], None)
    return found
