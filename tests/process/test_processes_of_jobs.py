"""What becomes of the processes of jobs when their worker, or the whole group, gets a signal."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from aiojobs_redis import JobState, Queue, Worker, check_history
from tests.quality.paths import ROOT
from tests.support.process_worker import build
from tests.support.turns import turns
from tests.support.waiting import wait_until

Start = Callable[[], subprocess.Popen[bytes]]

# What is asked is the worker's business, whatever the server.
on_one_server = turns("real_url")


@pytest.fixture
async def queue(real_url: str, queue_name: str) -> AsyncIterator[Queue]:
    """The queue of the worker processes."""
    queue = build(real_url, queue_name)
    yield queue
    await queue.close()


@pytest.fixture
def start(real_url: str, queue_name: str, tmp_path: Path) -> Iterator[Start]:
    """Starts worker processes in a process group of their own each."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.support.process_worker", real_url, queue_name]
        process = subprocess.Popen(
            [*command, str(tmp_path / "history")], cwd=ROOT, start_new_session=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(20)


def ended(pid: int) -> bool:
    """Whether a process runs no more; nobody may have collected an orphan yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


async def pid_in(path: Path) -> int:
    await wait_until(lambda: path.exists() and path.read_text(), "the job to run", 30)
    return int(path.read_text())


@pytest.mark.requirement("F1")
@pytest.mark.requirement("R14")
@on_one_server()
async def test_processes_die_with_a_killed_worker_and_their_jobs_run_elsewhere(
    queue: Queue, start: Start, tmp_path: Path
) -> None:
    paths = [tmp_path / "one", tmp_path / "two"]
    gate = tmp_path / "gate"
    with queue.record_history(tmp_path / "history") as recorder:
        worker = start()
        jobs = await queue.enqueue_many(
            [queue.bind("wait_for", str(path), str(gate), id=path.name) for path in paths]
        )
        pids = [await pid_in(path) for path in paths]

        worker.kill()
        worker.wait(20)

        await wait_until(lambda: all(map(ended, pids)), "the processes to end too", 20)
        for path in paths:
            path.unlink()
        async with Worker(queue, processes=2):
            again = [await pid_in(path) for path in paths]
            gate.touch()
            for job in jobs:
                await job.result(30)
        assert set(again).isdisjoint(pids)
        assert {info.lost_deliveries for info in await queue.infos(["one", "two"])} == {1}
        recorder.mark("drained")

    report = check_history(tmp_path / "history")
    assert report.violations == []
    assert (report.completed, report.causes) == (2, {"lease_expired": 2})


@pytest.mark.requirement("F1")
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it goes on until it is done")
@on_one_server()
async def test_a_process_that_lets_no_other_thread_run_dies_with_its_worker(
    queue: Queue, start: Start, tmp_path: Path
) -> None:
    worker = start()
    await queue.enqueue("hold_all_threads", str(tmp_path / "one"))
    pid = await pid_in(tmp_path / "one")
    try:
        worker.kill()
        worker.wait(20)

        await wait_until(lambda: ended(pid), "the process to end too", 20)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.requirement("B27")
@pytest.mark.requirement("R16")
@on_one_server()
async def test_a_signal_to_the_whole_group_is_the_workers_business(
    queue: Queue, start: Start, tmp_path: Path
) -> None:
    path, gate = tmp_path / "one", tmp_path / "gate"
    worker = start()
    job = await queue.enqueue("wait_for", str(path), str(gate))
    pid = await pid_in(path)

    os.kill(pid, signal.SIGTERM)
    os.kill(pid, signal.SIGINT)
    os.killpg(worker.pid, signal.SIGTERM)

    # The worker's grace is too short for this job: it is handed back, no attempt spent.
    assert worker.wait(30) == 0
    assert ended(pid)
    info = await job.info()
    assert info is not None
    assert (info.state, info.attempt, info.lost_deliveries, info.errors) == (
        *(JobState.QUEUED, 1, 0),
        [],
    )


UNGUARDED = """
import asyncio
from aiojobs_redis import JobFailed, Queue, Worker

queue = Queue({name!r}, {url!r}, namespace="test")

@queue.task(executor="process", attempts=1)
def work() -> int:
    return 1

async def main():
    async with Worker(queue):
        job = await work.enqueue()
        try:
            await job.result(60)
        except JobFailed as error:
            print(error.message)

asyncio.run(main())
"""


def test_a_script_without_a_guard_is_told_so(
    real_url: str, queue_name: str, tmp_path: Path
) -> None:
    script = tmp_path / "unguarded.py"
    script.write_text(UNGUARDED.format(name=queue_name, url=real_url))
    ended = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=90, check=True
    )

    assert "cannot be imported in a process: RuntimeError" in ended.stdout
    assert "below if __name__ == '__main__'" in ended.stdout
