"""Workers that stop for longer than a lease and go on: what they held is not theirs any more."""

from __future__ import annotations

import signal
import time

import pytest

from aiojobs_redis import JobState, Queue
from tests.support.tiers import SLACK
from tests.support.waiting import wait_until
from tests.support.worker_process import WorkerHost


@pytest.mark.requirement("P7")
@pytest.mark.requirement("D30")
@pytest.mark.behaviour("T39")
async def test_a_worker_that_was_frozen_past_its_lease_is_refused(
    queue: Queue, host: WorkerHost
) -> None:
    frozen = host.start()
    job = await queue.enqueue("hold", str(host.gate()), lease=1)
    (first,) = await host.wait_for("started", 1)
    frozen.send(signal.SIGSTOP)
    heir = host.start()
    second = (await host.wait_for("started", 2))[1]
    assert (second.pid, second.attempt, second.lost) == (heir.pid, 1, 1)
    assert second.fence > first.fence

    frozen.send(signal.SIGCONT)
    (told,) = await host.wait_for("lost", 1)
    assert told.pid == frozen.pid, "it is told that its lease is lost"
    host.gate().touch()

    assert await job.result(20) == heir.pid
    info = await job.info()
    assert info is not None
    assert (info.state, info.lost_deliveries, info.errors) == (JobState.COMPLETED, 1, [])
    assert [line.pid for line in host.journal("finished")] == [heir.pid]
    assert (await queue.counts()).completed == 1


@pytest.mark.requirement("P7")
@pytest.mark.requirement("D30")
async def test_a_late_completion_of_a_frozen_worker_changes_nothing(
    queue: Queue, host: WorkerHost
) -> None:
    frozen = host.start()
    # It blocks its loop, so it reports a result at once when it goes on.
    job = await queue.enqueue("block", 1.5, lease=1)
    await host.wait_for("started", 1)
    frozen.send(signal.SIGSTOP)
    heir = host.start()
    await host.wait_for("finished", 1)
    assert await job.result(20) == heir.pid
    before = await job.info()

    frozen.send(signal.SIGCONT)
    await wait_until(lambda: "lost" in frozen.log, "the frozen worker to be refused", timeout=20)

    assert await job.info() == before
    assert await job.result(5) == heir.pid
    counts = await queue.counts()
    assert (counts.completed, counts.running, counts.queued) == (1, 0, 0)


@pytest.mark.requirement("P23")
async def test_a_worker_that_was_frozen_for_less_than_its_lease_keeps_its_jobs(
    queue: Queue, host: WorkerHost
) -> None:
    worker, other = host.start(), host.start()
    jobs = [await queue.enqueue("hold", str(host.gate()), lease=10) for _ in range(3)]
    started = await host.wait_for("started", 3)
    worker.send(signal.SIGSTOP)
    probe = await queue.enqueue("nap", 2.0)
    await host.wait_for("finished", 1)
    worker.send(signal.SIGCONT)
    host.gate().touch()

    assert [await job.result(20) for job in jobs] == [
        next(line.pid for line in started if line.job == job.id) for job in jobs
    ]
    assert await probe.result(5) == other.pid
    assert {info.lost_deliveries for info in await queue.infos([job.id for job in jobs])} == {0}


@pytest.mark.requirement("P16")
async def test_a_frozen_leader_is_replaced(queue: Queue, host: WorkerHost) -> None:
    leader = host.start()
    await queue.enqueue("nap", 0)
    await host.wait_for("finished", 1)
    heir = host.start()
    await wait_until(lambda: _are_two(queue), "both to be listed", timeout=20)
    leader.send(signal.SIGSTOP)
    due = time.monotonic() + 1
    job = await queue.enqueue("nap", 0, delay=1)

    assert await job.result(20) == heir.pid
    leader.send(signal.SIGCONT)
    # The other one looks once a second.
    (started,) = host.journal("started", job.id)
    assert started.at - due < 1.1 + SLACK["ci"]


async def _are_two(queue: Queue) -> bool:
    return (await queue.counts()).workers == 2
