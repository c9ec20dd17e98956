"""Redis returns with an older state while a worker is frozen: its tokens are nobody's any more."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.test_power_loss import PERSISTENT, log_of
from tests.support import figures
from tests.support.servers import ServerProcess
from tests.support.waiting import wait_until
from tests.support.worker_app import build
from tests.support.worker_process import WorkerHost

JOBS = 200


@pytest.mark.behaviour("F16")
async def test_a_fence_that_is_granted_again_after_a_rollback_is_another_token(
    start_server: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    server = start_server(*PERSISTENT)
    host = WorkerHost(server.url, "rollback", tmp_path)
    queue = build(server.url, "rollback", str(host.gate("unused")))
    # So long that no lease ends on a busy machine before the frozen worker goes on.
    jobs = await queue.enqueue_many(
        [queue.bind("hold_own", str(tmp_path), id=f"job-{n}", lease=60) for n in range(JOBS)]
    )
    before_claims = log_of(server.folder).stat().st_size
    old = host.start(concurrency=JOBS)
    await host.wait_for("started", JOBS)
    old.send(signal.SIGSTOP)

    await queue.close()
    server.kill9()
    with log_of(server.folder).open("r+b") as log:
        log.truncate(before_claims)
    server.start()
    heir = host.start(concurrency=JOBS)
    started = await host.wait_for("started", 2 * JOBS)
    fences = Counter((line.job, line.fence) for line in started)
    again = sum(count == 2 for count in fences.values())
    assert again > JOBS / 2, "Redis has granted the same numbers again"

    # Its jobs end in the very moment in which it goes on.
    host.gate(str(old.pid)).touch()
    old.send(signal.SIGCONT)
    ended = await ended_of(host, old.pid)
    stale = ended["finished"]
    refused = "came after its lease was lost"
    await wait_until(lambda: old.log.count(refused) >= stale, "all to be refused", 20)
    counts = await queue.counts()
    assert (counts.running, counts.completed) == (JOBS, 0), "no stale completion is accepted"

    host.gate(str(heir.pid)).touch()
    assert {await job.result(20) for job in jobs} == {heir.pid}
    counts = await queue.counts()
    assert (counts.completed, counts.dead) == (JOBS, 0)
    assert stale > 0, "some have ended before they were told"
    host.end()
    await queue.close()
    figures.record("F16", n=JOBS, caused=JOBS, note=f"{stale} stale completions, 0 accepted")


async def ended_of(host: WorkerHost, pid: int) -> Counter[str]:
    """Wait until all runs of a process have ended, and return how."""
    found: Counter[str] = Counter()

    def all_have() -> bool:
        ends = [line.event for line in host.journal() if line.pid == pid]
        found.clear()
        found.update(ends)
        return found["finished"] + found["lost"] + found["cancelled"] >= JOBS

    await wait_until(all_have, "all runs to end", 20)
    return found
