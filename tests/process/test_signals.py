"""What signals mean to a worker that is a process of its own."""

from __future__ import annotations

import signal
import time

import pytest

from aiojobs_redis import JobState, Queue
from tests.support.tiers import SLACK
from tests.support.waiting import wait_until
from tests.support.worker_process import WorkerHost


@pytest.mark.requirement("B27")
@pytest.mark.requirement("R16")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_running_job_finishes_and_the_process_ends_with_0(
    queue: Queue, host: WorkerHost, number: signal.Signals
) -> None:
    worker = host.start(concurrency=1)
    jobs = [await queue.enqueue("hold", str(host.gate())) for _ in range(2)]
    await host.wait_for("started", 1)
    worker.send(number)
    await wait_until(lambda: f"{number.name}: stopping" in worker.log, "the signal to be taken")
    assert worker.code is None
    host.gate().touch()

    assert await worker.ended() == 0
    assert [await job.state() for job in jobs] == [JobState.COMPLETED, JobState.QUEUED]
    assert (await queue.counts()).workers == 0


@pytest.mark.requirement("B27")
async def test_past_the_grace_a_job_is_queued_again_without_waiting_for_its_lease(
    queue: Queue, host: WorkerHost
) -> None:
    worker = host.start(grace=0.5)
    job = await queue.enqueue("hold", str(host.gate()), lease=600, attempts=1)
    await host.wait_for("started", 1)
    worker.send(signal.SIGTERM)

    assert await worker.ended() == 0
    info = await job.info()
    assert info is not None
    assert (info.state, info.attempt, info.lost_deliveries) == (JobState.QUEUED, 1, 0)
    assert len(host.journal("cancelled")) == 1
    heir = host.start()
    host.gate().touch()
    assert await job.result(20) == heir.pid


@pytest.mark.requirement("B27")
async def test_a_second_signal_cancels_at_once(queue: Queue, host: WorkerHost) -> None:
    worker = host.start(grace=600)
    job = await queue.enqueue("hold", str(host.gate()))
    await host.wait_for("started", 1)
    worker.send(signal.SIGTERM)
    await wait_until(lambda: "SIGTERM: stopping\n" in worker.log, "the first to be taken")
    worker.send(signal.SIGTERM)

    assert await worker.ended() == 0
    assert "SIGTERM: stopping now" in worker.log
    assert await job.state() is JobState.QUEUED


@pytest.mark.requirement("P14")
async def test_an_idle_process_ends_within_a_second(queue: Queue, host: WorkerHost) -> None:
    worker = host.start(concurrency=50)
    await (await queue.enqueue("nap", 0)).result(20)
    began = time.monotonic()
    worker.send(signal.SIGTERM)
    await wait_until(lambda: "stopped" in worker.log, "the worker to have stopped")
    spent = time.monotonic() - began

    assert spent < 1 + SLACK["ci"]
    assert await worker.ended() == 0


@pytest.mark.requirement("B29")
@pytest.mark.behaviour("T31")
async def test_a_quiet_process_claims_nothing_until_it_is_to_go_on(
    queue: Queue, host: WorkerHost
) -> None:
    worker = host.start()
    held = await queue.enqueue("hold", str(host.gate()))
    await host.wait_for("started", 1)
    worker.send(signal.SIGTSTP)
    other = host.start()
    await wait_until(lambda: _are(queue, 2), "the second worker", timeout=20)
    jobs = [await queue.enqueue("nap", 0) for _ in range(10)]
    assert {await job.result(20) for job in jobs} == {other.pid}

    other.send(signal.SIGTERM)
    assert await other.ended() == 0
    worker.send(signal.SIGCONT)
    assert await (await queue.enqueue("nap", 0)).result(20) == worker.pid
    host.gate().touch()
    assert await held.result(20) == worker.pid


@pytest.mark.requirement("B39")
async def test_a_process_tells_where_its_jobs_stand(queue: Queue, host: WorkerHost) -> None:
    worker = host.start()
    job = await queue.enqueue("hold", str(host.gate()))
    await host.wait_for("started", 1)
    worker.send(signal.SIGTTIN)
    await wait_until(lambda: "1 jobs are running" in worker.log, "the list of jobs")

    assert f"job {job.id} of task hold" in worker.log
    assert "await wait_until(Path(gate).exists" in worker.log
    assert "await asyncio.sleep(_PERIOD)" in worker.log
    host.gate().touch()
    assert await job.result(20) == worker.pid


@pytest.mark.requirement("B27")
async def test_a_thread_that_does_not_end_does_not_lose_its_job(
    queue: Queue, host: WorkerHost
) -> None:
    worker = host.start(grace=0.3)
    job = await queue.enqueue("hold_thread", str(host.gate()), lease=600)
    await host.wait_for("started", 1)
    worker.send(signal.SIGTERM)
    await wait_until(lambda: "stopped" in worker.log, "the worker to have stopped", timeout=20)

    assert await job.state() is JobState.QUEUED
    host.gate().touch()
    assert await worker.ended() == 0


async def _are(queue: Queue, number: int) -> bool:
    return (await queue.counts()).workers == number
