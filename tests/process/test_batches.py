"""A worker is killed in the middle of a batch: its jobs run again, each by itself."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from aiojobs_redis import Queue, check_history
from tests.support.turns import turns
from tests.support.worker_process import WorkerHost


@pytest.mark.requirement("R14")
@pytest.mark.requirement("U18")
@turns("real_url")()
async def test_the_jobs_of_a_killed_batch_run_again(
    queue: Queue, host: WorkerHost, tmp_path: Path
) -> None:
    history = tmp_path / "history"
    gate = host.gate("gate")
    with queue.record_history(history) as recorder:
        doomed = host.start(history=history)
        jobs = await queue.enqueue_many(
            [queue.bind("hold_together", str(gate), lease=1) for _ in range(4)]
        )
        await host.wait_for("started", 4)
        doomed.kill()
        heir = host.start(history=history)
        await host.wait_for("started", 8)
        gate.touch()
        assert {await job.result(30) for job in jobs} == {heir.pid}
        recorder.mark("drained")

    starts = Counter(line.job for line in host.journal("started"))
    assert starts == {job.id: 2 for job in jobs}
    assert {info.lost_deliveries for info in await queue.infos(list(starts))} == {1}
    report = check_history(history)
    assert report.violations == []
    assert report.causes == {"lease_expired": 4}
