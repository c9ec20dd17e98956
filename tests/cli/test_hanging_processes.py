"""Processes that do not end, or do not begin: what a supervisor does, and an orphan itself."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from aiojobs_redis import JobState
from tests.cli.conftest import App
from tests.cli.test_processes import PATIENCE, SLOW, supervised

HANGING = """
import pathlib, sys, time
from {module} import queue
from aiojobs_redis import Worker

worker = Worker(queue, grace=100)

@queue.task
async def block() -> None:
    # Twice as long as the test waits for the end of it.
    pathlib.Path("began").touch()
    time.sleep(80)
"""


@pytest.fixture
def hanging(app: App) -> str:
    """An application with a task that blocks the event loop, and a worker with much grace."""
    (app.folder / "hanging.py").write_text(HANGING.format(module=app.module))
    return "hanging:queue"


IMPATIENT = """
import anyio, logging, sys
from aiojobs_redis.cli.child import Program
from aiojobs_redis.cli.supervising import changes_here
from aiojobs_redis.cli.supervisor import Patience, Supervisor

logging.basicConfig(level="INFO")
program = Program("it", ("worker", sys.argv[1]))
patience = Patience(first=0.01, reload=0.2, reloaded=0.2)
supervisor = Supervisor([program], grace=0.2, changes=changes_here, patience=patience)
sys.exit(anyio.run(supervisor.run))
"""


def test_a_worker_whose_event_loop_hangs_is_replaced_when_the_code_changes(
    app: App, hanging: str
) -> None:
    (app.folder / "driver.py").write_text(IMPATIENT)
    job = app.do(lambda queue: queue.enqueue("block", lease=2))
    with supervised(app, hanging, script="driver.py") as parent:
        parent.wait((app.folder / "began").exists, "the job to block the loop")
        mended = (app.folder / "hanging.py").read_text().replace("time.sleep(80)", "pass")
        (app.folder / "hanging.py").write_text(mended)
        parent.wait_for("it does not end: pid ")
        # The lease of the job that blocked it has run out, and the new code completes it.
        assert app.do(lambda queue: queue.job(job.id).result(PATIENCE)) is None
        assert parent.end() == 0


def test_the_third_signal_kills_what_does_not_end(app: App, hanging: str) -> None:
    app.do(lambda queue: queue.enqueue("block"))
    with supervised(app, "--processes", "2", ref=hanging) as parent:
        parent.wait_for("2 of 2 processes are ready")
        parent.wait((app.folder / "began").exists, "the job to block the loop")
        parent.process.send_signal(signal.SIGINT)
        parent.wait_for("SIGINT: stopping 2 processes")
        parent.process.send_signal(signal.SIGINT)
        parent.wait_for(" processes now")
        code = parent.end(signal.SIGINT)

    assert code == 1
    assert "was ended by SIGKILL" in parent.log


def test_a_worker_of_the_code_gets_its_own_grace_before_it_is_killed(app: App) -> None:
    strict = IMPATIENT.replace("changes=changes_here, ", "").replace(
        "reload=", "unwind=0.8, reload="
    )
    (app.folder / "driver.py").write_text(strict)
    (app.folder / "slow.py").write_text(
        SLOW.format(module=app.module)
        + "from aiojobs_redis import Worker\nworker = Worker(queue, grace=20)\n"
    )
    job = app.do(lambda queue: queue.enqueue("slow", 2))
    with supervised(app, "slow:worker", script="driver.py") as parent:
        parent.wait((app.folder / "began").exists, "the job to begin")
        # The supervisor was given a grace of 0.2 s, and kills 0.8 s later: the job takes longer.
        assert parent.end() == 0

    assert app.do(lambda queue: queue.job(job.id).state()) is JobState.COMPLETED


def test_what_cannot_be_started_is_tried_again(app: App) -> None:
    driver = IMPATIENT.replace("changes=changes_here, ", "").replace(
        "supervisor = Sup",
        "import aiojobs_redis.cli.supervisor as module\n"
        "start, failures = module.start, [OSError(11, 'no process left')] * 2\n"
        "async def scarce(*args, **kwargs):\n"
        "    if failures:\n        raise failures.pop()\n"
        "    return await start(*args, **kwargs)\n"
        "module.start = scarce\n"
        "supervisor = Sup",
    )
    (app.folder / "driver.py").write_text(driver)
    with supervised(app, app.ref, script="driver.py") as parent:
        parent.wait_for("10 jobs at once, Redis")
        assert parent.end() == 0

    assert parent.log.count("it cannot be started: [Errno 11] no process left") == 2


ORPHAN = """
import socket, sys, threading, time
from aiojobs_redis.cli.parent import Parent

parent = Parent(int(sys.argv[1]), held=False, unwind=0.1)
parent.grace = 0.1
import signal
# As the handler of an event loop that hangs: the signal is noted and nothing else.
signal.signal(signal.SIGTERM, lambda *_: print("noted", flush=True))
parent.follow()
parent.tell_ready()
deadline = time.monotonic() + 60
while time.monotonic() < deadline:
    time.sleep(0.05)
"""


def test_a_process_that_hangs_is_no_orphan_for_ever(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-c", ORPHAN, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdout=subprocess.PIPE,
            text=True,
        )
    try:
        assert ours.recv(64) == b"R0.1"
        ours.close()
        assert process.communicate(timeout=30)[0] == "noted\n"
    finally:
        process.kill()
    assert process.returncode == -signal.SIGKILL
