"""Workers that are killed: others finish their jobs, and nobody else pays for it."""

from __future__ import annotations

import time

import pytest

from aiojobs_redis import JobFailed, JobState, Queue
from tests.support.tiers import SLACK
from tests.support.waiting import wait_until
from tests.support.worker_process import WorkerHost


@pytest.mark.requirement("R14")
@pytest.mark.requirement("D11")
@pytest.mark.requirement("U9")
@pytest.mark.behaviour("T36")
async def test_another_worker_finishes_the_jobs_of_one_that_was_killed(
    queue: Queue, host: WorkerHost
) -> None:
    gate = str(host.gate())
    victim = host.start()
    jobs = [await queue.enqueue("hold", gate, lease=2) for _ in range(5)]
    await host.wait_for("started", 5)
    heir = host.start()
    await wait_until(lambda: _workers(queue, 2), "both to be listed", timeout=20)
    killed = time.monotonic()
    victim.kill()
    host.gate().touch()
    assert {await job.result(20) for job in jobs} == {heir.pid}

    resumed = [line for line in host.journal("started") if line.pid == heir.pid]
    assert len(resumed) == 5
    # The lease had at most its full length to run, and a leader looks once a second.
    assert all(line.at - killed <= 2 + 1 + SLACK["ci"] for line in resumed)
    assert {(line.attempt, line.lost) for line in resumed} == {(1, 1)}
    infos = await queue.infos([job.id for job in jobs])
    assert {info.state for info in infos} == {JobState.COMPLETED}


@pytest.mark.requirement("P15")
@pytest.mark.behaviour("T36")
async def test_jobs_of_a_dead_worker_wait_for_the_next_one_that_starts(
    queue: Queue, host: WorkerHost
) -> None:
    gate = str(host.gate())
    victim = host.start()
    jobs = [await queue.enqueue("hold", gate, lease=0.5) for _ in range(5)]
    await host.wait_for("started", 5)
    victim.kill()
    host.gate().touch()
    heir = host.start()

    assert {await job.result(20) for job in jobs} == {heir.pid}
    assert {line.lost for line in host.journal("started") if line.pid == heir.pid} == {1}


@pytest.mark.requirement("B25")
async def test_a_killed_worker_vanishes_from_the_list(queue: Queue, host: WorkerHost) -> None:
    await queue.enqueue("unknown", delay=3600)
    victim = host.start()
    await wait_until(lambda: _workers(queue, 1), "it to be listed", timeout=20)
    (info,) = await queue.workers()
    assert info.pid == victim.pid
    victim.kill()

    await wait_until(lambda: _workers(queue, 0), "it not to be counted any more", timeout=15)


@pytest.mark.requirement("R14")
async def test_a_job_for_one_delivery_is_dead_when_its_worker_is_killed(
    queue: Queue, host: WorkerHost
) -> None:
    gate = str(host.gate())
    victim = host.start()
    once = await queue.enqueue("hold", gate, lease=0.5, delivery="at_most_once")
    often = await queue.enqueue("hold", gate, lease=0.5)
    await host.wait_for("started", 2)
    victim.kill()
    host.gate().touch()
    host.start()

    await often.result(20)
    with pytest.raises(JobFailed) as caught:
        await once.result(20)
    assert caught.value.error_type == "abandoned"
    assert len(host.journal("started", once.id)) == 1


@pytest.mark.requirement("D29")
@pytest.mark.behaviour("T37")
async def test_a_poison_pill_dies_after_its_deliveries_and_takes_nobody_along(
    queue: Queue, host: WorkerHost
) -> None:
    neighbours = [await queue.enqueue("nap", 0.3, lease=0.5) for _ in range(3)]
    pill = await queue.enqueue("crash", lease=0.5)
    neighbours += [await queue.enqueue("nap", 0.3, lease=0.5) for _ in range(12)]
    workers = [host.start(concurrency=4)]

    async def all_ended() -> bool:
        if workers[-1].code is not None:
            assert workers[-1].code == 13
            workers.append(host.start(concurrency=4))
        counts = await queue.counts()
        return counts.completed == 15 and counts.dead == 1

    await wait_until(all_ended, "the neighbours to complete and the pill to die", timeout=60)

    with pytest.raises(JobFailed) as caught:
        await pill.result(5)
    assert caught.value.error_type == "lease_expired"
    info = await pill.info()
    assert info is not None
    assert info.lost_deliveries == 3
    assert len(host.journal("started", pill.id)) == 3
    assert len(workers) == 4
    assert {await job.state() for job in neighbours} == {JobState.COMPLETED}


@pytest.mark.requirement("D29")
@pytest.mark.behaviour("T37")
async def test_a_limit_of_one_delivery_lets_a_poison_pill_crash_one_worker(
    queue: Queue, host: WorkerHost
) -> None:
    pill = await queue.enqueue("crash", lease=0.5, max_deliveries=1)
    assert await host.start().ended() == 13
    host.start()

    with pytest.raises(JobFailed, match="lease_expired"):
        await pill.result(20)
    assert len(host.journal("started")) == 1


@pytest.mark.requirement("P23")
async def test_a_replay_of_a_poison_pill_counts_its_deliveries_anew(
    queue: Queue, host: WorkerHost
) -> None:
    pill = await queue.enqueue("crash", lease=0.5, max_deliveries=1)
    assert await host.start().ended() == 13
    host.start()
    with pytest.raises(JobFailed, match="lease_expired"):
        await pill.result(20)
    await pill.retry()
    await host.wait_for("started", 2)

    info = await pill.info()
    assert info is not None
    assert (info.generation, info.lost_deliveries) == (2, 0)


async def _workers(queue: Queue, number: int) -> bool:
    return (await queue.counts()).workers == number
