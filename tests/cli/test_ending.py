"""INT and TERM end what runs until it is told to stop with exit code 0, whenever they come."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import urllib.request
from contextlib import closing

import pytest

from aiojobs_redis import JobState
from tests.cli.conftest import App
from tests.support.waiting import wait_for

EARLY = """
import os, signal, sys
from {module} import queue
# As somebody who is faster than the event loop of the worker.
os.kill(os.getpid(), signal.Signals[os.environ["NUMBER"]])
"""


IN_BETWEEN = """
import os, signal, socket
from {module} import queue
plain = socket.socketpair
def pair(*args, **options):
    # An event loop that is being set up, and cannot be closed if it is interrupted in that.
    os.kill(os.getpid(), signal.Signals[os.environ["NUMBER"]])
    return plain(*args, **options)
socket.socketpair = pair
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("program", [EARLY, IN_BETWEEN], ids=["early", "in between"])
def test_a_worker_that_is_stopped_while_it_starts_ends_with_0(
    app: App, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, program: str
) -> None:
    (app.folder / "early.py").write_text(program.format(module=app.module))
    monkeypatch.setenv("NUMBER", number.name)

    result = subprocess.run(
        [sys.executable, "-m", "aiojobs_redis", "worker", "early:queue"],
        cwd=app.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (result.returncode, result.stdout) == (0, ""), result.stderr
    assert "Aborted" not in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_dashboard_ends_with_0(app: App, number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "aiojobs_redis", "web", app.ref, "--port", "0"],
        cwd=app.folder,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    with closing(process.stderr):
        try:
            found = re.search(r"http://\S+", process.stderr.readline())
            assert found is not None
            with urllib.request.urlopen(f"{found[0]}health/live", timeout=60) as answer:
                assert answer.status == 200
            process.send_signal(number)
            assert process.wait(60) == 0
            assert "Aborted" not in process.stderr.read()
        finally:
            process.kill()
            process.wait()


STUCK = """
import asyncio, contextlib, functools, os, pathlib, time
from {module} import queue
from aiojobs_redis import Worker

# Longer than a test waits for the end.
hang = functools.partial(time.sleep, 90)

@queue.task
async def one() -> None:
    pathlib.Path("began").touch()
    await asyncio.to_thread(hang)

@queue.task
async def as_many_as_there_are() -> None:
    loop = asyncio.get_running_loop()
    hanging = [loop.run_in_executor(None, hang) for _ in range(40)]
    pathlib.Path("began").touch()
    await asyncio.wait(hanging)

@queue.task
def of_the_worker() -> None:
    pathlib.Path("began").touch()
    hang()

@contextlib.asynccontextmanager
async def failing(worker):
    async with asyncio.TaskGroup() as group:
        group.create_task(fail())
        yield

async def fail():
    while not os.path.exists("began"):
        await asyncio.sleep(0.01)
    raise OSError("the database is away")

worker = Worker(queue, grace=0.1)
broken = Worker(queue, grace=0.1, lifespan=failing)
"""


@pytest.fixture(params=["uvloop", "asyncio"])
def stuck(app: App, request: pytest.FixtureRequest) -> App:
    """An application whose tasks hang in threads, on each kind of event loop."""
    (app.folder / "stuck.py").write_text(STUCK.format(module=app.module))
    if request.param == "asyncio":
        (app.folder / "uvloop.py").write_text("raise ImportError")
    return app


@pytest.mark.parametrize("task", ["one", "as_many_as_there_are", "of_the_worker"])
@pytest.mark.requirement("B27")
def test_a_worker_does_not_wait_for_threads_that_hang(stuck: App, task: str) -> None:
    job = stuck.do(lambda queue: queue.enqueue(task))
    with stuck.worker("--metrics-port", "0", ref="stuck:worker") as process:
        try:
            wait_for((stuck.folder / "began").exists, "the thread to hang", 30)
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 1
        finally:
            process.kill()

    assert "do not end: ending the process without them" in stuck.log
    assert stuck.do(lambda queue: queue.job(job.id).state()) is JobState.QUEUED


def test_the_error_of_a_worker_is_told_though_threads_hang(stuck: App) -> None:
    stuck.do(lambda queue: queue.enqueue("one"))
    with stuck.worker(ref="stuck:broken") as process:
        try:
            assert process.wait(30) == 1
        finally:
            process.kill()

    assert "do not end: ending the process without them" in stuck.log
    assert "the database is away" in stuck.log
