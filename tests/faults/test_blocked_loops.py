"""Code that blocks the event loop: its lease is kept by a thread, and without it bounded."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from aiojobs_redis import JobFailed, Queue, WorkerState
from tests.support import figures
from tests.support.servers import ServerProcess
from tests.support.tiers import SLACK
from tests.support.waiting import wait_until
from tests.support.worker_app import build
from tests.support.worker_process import WorkerHost, WorkerProcess

LEASE = 1.0
LONG = 5 * LEASE


@pytest.fixture
def host(start_server: Callable[..., ServerProcess], tmp_path: Path) -> WorkerHost:
    return WorkerHost(start_server().url, "blocked", tmp_path)


@pytest.fixture
async def queue(host: WorkerHost, tmp_path: Path) -> AsyncIterator[Queue]:
    queue = build(host.url, "blocked", str(tmp_path / "unused"))
    yield queue
    host.end()
    await queue.close()


@pytest.mark.behaviour("F4")
async def test_a_loop_blocked_for_five_leases_is_one_execution(
    queue: Queue, host: WorkerHost
) -> None:
    jobs = [await queue.enqueue(task, LONG, lease=LEASE) for task in ("block", "spin")]
    # The third has nothing to do but to take what runs out.
    workers = [host.start(concurrency=1) for _ in range(3)]
    pids = [await job.result(40) for job in jobs]

    started = host.journal("started")
    assert len(started) == 2
    assert {line.lost for line in started} == {0}
    for job, task, pid in zip(jobs, ("block", "spin"), pids, strict=True):
        (log,) = [worker.log for worker in workers if worker.pid == pid]
        assert log.count("has been blocked") == 1
        assert f"by job {job.id} of task {task}" in log
    figures.record("F4", n=2, note="5 leases of time.sleep and of a Python loop")


@pytest.mark.behaviour("F4")
async def test_a_task_that_never_returns_is_recovered_past_its_timeout(
    queue: Queue, host: WorkerHost
) -> None:
    timeout = 1.5
    job = await queue.enqueue("stick", lease=LEASE, timeout=timeout)
    workers = [host.start(concurrency=1) for _ in range(2)]
    pid = await job.result(40)

    first, second = host.journal("started")
    assert (first.pid, second.pid, second.lost) == (*{w.pid for w in workers} - {pid}, pid, 1)
    # A leader looks once a second, give or take a tenth.
    assert second.at - first.at <= timeout + LEASE + 1 + SLACK["ci"]
    figures.record("F4", n=1, caused=1, recovery=[second.at - first.at])


@pytest.mark.behaviour("F5")
async def test_without_the_heartbeat_a_blocking_task_is_dead_after_its_deliveries(
    queue: Queue, host: WorkerHost
) -> None:
    workers = [host.start(concurrency=1, options=["--no-heartbeat"]) for _ in range(2)]
    # A lease that ran out unnoticed is still good for a completion, and with both blocked for long
    # the queue would be silent, which gives the leases another term.
    await let_one_watch(queue, host)
    await wait_until(
        lambda: all("jobs at once" in worker.log for worker in workers), "both to work", 20
    )
    job = await queue.enqueue("block", LONG, lease=LEASE)
    with pytest.raises(JobFailed) as caught:
        await job.result(60)
    assert caught.value.error_type == "lease_expired"
    await wait_until(lambda: len(host.journal("finished")) == 3, "the last run to end", 20)
    await wait_until(lambda: refusals(workers) == 3, "the last completion to be refused", 20)

    info = await job.info()
    assert info is not None
    assert info.lost_deliveries == 3
    assert [line.lost for line in host.journal("started")] == [0, 1, 2]
    assert (await queue.counts()).dead == 1
    figures.record("F5", n=1, caused=2, note="dead after 3 deliveries, 3 completions refused")


async def let_one_watch(queue: Queue, host: WorkerHost) -> None:
    """Start a worker that claims nothing, and so is never blocked."""
    watcher = host.start(concurrency=1, options=["--no-heartbeat"])

    async def quiet() -> bool:
        for worker in await queue.workers():
            if worker.pid == watcher.pid:
                await queue.quiet_worker(worker.id)
                return worker.state is WorkerState.QUIET
        return False

    await wait_until(quiet, "the watcher to be quiet", 20)


def refusals(workers: list[WorkerProcess]) -> int:
    """Return how often they logged that a completion was refused."""
    return sum(worker.log.count("came after its lease was lost") for worker in workers)
