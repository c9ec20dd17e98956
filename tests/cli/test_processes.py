"""`worker --processes` and `--reload`: a parent that keeps processes running, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aiojobs_redis import JobState, Queue, WorkerInfo
from tests.cli.conftest import App
from tests.support.servers import ServerProcess
from tests.support.waiting import wait_for

PATIENCE = 40.0


class Supervised:
    """A running `worker` with a supervisor.

    Args:
        app: Its application.
        options: Of the command.
        ref: What it runs; its queue by default.
        command: Which command.
        script: A program to run instead; none by default.
    """

    def __init__(self, app: App, *options: str, ref: str, command: str, script: str) -> None:
        self.path = app.folder / f"log-{time.monotonic_ns()}"
        self._stream = self.path.open("w")
        words = [script, *options]
        if not script:
            words = ["-m", "aiojobs_redis", command, ref or app.ref, *options]
        self.process = subprocess.Popen(
            [sys.executable, *words],
            cwd=app.folder,
            stderr=self._stream,
            stdout=self._stream,
        )

    @property
    def log(self) -> str:
        return self.path.read_text()

    def pids(self) -> list[int]:
        """Return the processes that it has started, in order."""
        return [int(pid) for pid in re.findall(r": started, pid (\d+)", self.log)]

    def wait(self, condition: Callable[[], object], description: str) -> None:
        try:
            wait_for(condition, description, PATIENCE)
        except AssertionError as error:
            raise AssertionError(f"{error}:\n{self.log}") from None

    def wait_for(self, text: str, times: int = 1) -> None:
        self.wait(lambda: self.log.count(text) >= times, f"{times} times {text!r}")

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        self._stream.close()


def runs(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@contextlib.contextmanager
def supervised(
    app: App, *options: str, ref: str = "", command: str = "worker", script: str = ""
) -> Iterator[Supervised]:
    made = Supervised(app, *options, ref=ref, command=command, script=script)
    try:
        yield made
    finally:
        made.close()
        made.wait(lambda: not any(map(runs, made.pids())), "the end of the processes")


def workers(app: App) -> list[WorkerInfo]:
    """Return the workers that are seen."""
    return app.do(lambda queue: queue.workers())


SLOW = """
import asyncio, pathlib
from {module} import queue

@queue.task
async def slow(seconds: float) -> str:
    pathlib.Path("began").touch()
    await asyncio.sleep(seconds)
    return "done"
"""


@pytest.fixture
def slow(app: App) -> str:
    """An application with a task that takes as long as it is told to."""
    (app.folder / "slow.py").write_text(SLOW.format(module=app.module))
    return "slow:queue"


def test_a_process_that_dies_is_started_again_and_signals_reach_all(app: App, slow: str) -> None:
    with supervised(app, "--processes", "2", ref=slow) as parent:
        parent.wait_for("2 of 2 processes are ready")
        first, second = parent.pids()
        os.kill(first, signal.SIGKILL)
        parent.wait_for("of 2 processes are ready", 3)
        died = re.search(r"worker process \d was ended by SIGKILL: it is started again", parent.log)
        third = parent.pids()[2]

        os.kill(parent.process.pid, signal.SIGTTIN)
        parent.wait_for("0 jobs are running", 2)
        job = app.do(lambda queue: queue.enqueue("slow", 1))
        parent.wait((app.folder / "began").exists, "the job to begin")
        # The job is finished before the end: they drain.
        code = parent.end()

    assert died
    assert third not in {first, second}
    assert code == 0
    assert app.do(lambda queue: queue.job(job.id).state()) is JobState.COMPLETED
    assert parent.log.count("SIGTERM: stopping\n") == 2


def test_a_second_signal_hands_running_jobs_back_at_once(app: App, slow: str) -> None:
    job = app.do(lambda queue: queue.enqueue("slow", 600))
    with supervised(app, "--processes", "2", ref=slow) as parent:
        parent.wait_for("2 of 2 processes are ready")
        parent.wait((app.folder / "began").exists, "the job to begin")
        # As a terminal does, to the parent's group: the processes have sessions of their own.
        parent.process.send_signal(signal.SIGINT)
        parent.wait_for("SIGINT: stopping 2 processes")
        code = parent.end(signal.SIGINT)

    assert code == 0
    assert "SIGINT: stopping" in parent.log
    assert app.do(lambda queue: queue.job(job.id).state()) is JobState.QUEUED


def test_tstp_lets_no_process_start_a_job_until_cont(app: App, slow: str) -> None:
    with supervised(app, "--processes", "2", ref=slow) as parent:
        parent.wait_for("2 of 2 processes are ready")
        parent.process.send_signal(signal.SIGTSTP)
        first = parent.pids()[0]
        os.kill(first, signal.SIGKILL)
        # One that is started meanwhile is as quiet as the others.
        parent.wait_for("of 2 processes are ready", 3)
        app.do(lambda queue: queue.enqueue("slow", 0))
        parent.process.send_signal(signal.SIGTTIN)
        parent.wait_for("0 jobs are running", 2)
        assert not (app.folder / "began").exists()
        parent.process.send_signal(signal.SIGCONT)
        parent.wait((app.folder / "began").exists, "the job to begin")
        assert parent.end() == 0


def test_the_death_of_the_parent_ends_the_processes_and_their_jobs_finish(
    app: App, slow: str
) -> None:
    job = app.do(lambda queue: queue.enqueue("slow", 1))
    with supervised(app, "--processes", "2", ref=slow) as parent:
        parent.wait_for("2 of 2 processes are ready")
        parent.wait((app.folder / "began").exists, "the job to begin")
        parent.process.kill()
        parent.wait(lambda: not any(map(runs, parent.pids())), "the end of the orphans")

    assert parent.log.count("the supervisor is gone: stopping") == 2
    assert app.do(lambda queue: queue.job(job.id).state()) is JobState.COMPLETED


def test_a_process_that_an_operator_stops_is_not_started_again(app: App, slow: str) -> None:
    with supervised(app, "--processes", "2", ref=slow) as parent:
        parent.wait_for("2 of 2 processes are ready")
        parent.wait(lambda: len(workers(app)) == 2, "both to be seen")
        first, second = workers(app)
        job = app.do(lambda queue: queue.enqueue("slow", 1))
        parent.wait((app.folder / "began").exists, "the job to begin")
        app.do(lambda queue: asyncio.gather(*map(queue.stop_worker, (first.id, second.id))))
        # With its last process it has nothing left to do.
        assert parent.process.wait(PATIENCE) == 0

    assert len(parent.pids()) == 2
    said = "ended with exit code 0, as an operator asked: it is not started again"
    assert parent.log.count(said) == 2
    assert app.do(lambda queue: queue.job(job.id).state()) is JobState.COMPLETED


def test_a_process_that_somebody_else_ends_is_started_again_and_one_that_is_killed_as_it_drains_not(
    app: App, slow: str
) -> None:
    app.do(lambda queue: queue.enqueue("slow", 600))
    with supervised(app, "--processes", "1", "--reload", ref=slow) as parent:
        parent.wait((app.folder / "began").exists, "the job to begin")
        (info,) = workers(app)
        app.do(lambda queue: queue.stop_worker(info.id))
        parent.wait_for("stopping, as an operator asked")
        os.kill(info.pid, signal.SIGKILL)
        assert parent.process.wait(PATIENCE) == 0
        assert "was ended by SIGKILL, as an operator asked: it is not started" in parent.log
    with supervised(app, "--processes", "2") as parent:
        parent.wait_for("2 of 2 processes are ready")
        os.kill(parent.pids()[0], signal.SIGTERM)
        parent.wait_for("ended with exit code 0: it is started again")
        parent.wait_for("of 2 processes are ready", 3)
        assert parent.end() == 0


def test_processes_that_die_again_and_again_end_it_with_exit_code_1(app: App) -> None:
    (app.folder / "doomed.py").write_text("import os\nos._exit(7)\n")
    with supervised(app, "--processes", "2", ref="doomed:queue") as parent:
        assert parent.process.wait(PATIENCE) == 1

    assert "ended with exit code 7, the last of 6 times in a row: ending all" in parent.log


DRIVER = """
import anyio, logging, sys
from aiojobs_redis.cli.child import Program
from aiojobs_redis.cli.supervising import changes_here
from aiojobs_redis.cli.supervisor import Patience, Supervisor

logging.basicConfig(level="INFO")
program = Program("it", ("worker", "doomed:queue"))
patience = Patience(first=0.01, most=1)
supervisor = Supervisor([program], grace=5, changes=changes_here, patience=patience)
sys.exit(anyio.run(supervisor.run))
"""


def test_what_dies_again_and_again_waits_for_the_code_where_that_is_followed(app: App) -> None:
    (app.folder / "driver.py").write_text(DRIVER)
    (app.folder / "doomed.py").write_text("import os\nos._exit(7)\n")
    with supervised(app, script="driver.py") as parent:
        parent.wait_for("ended with exit code 7: it is started again when the code changes")
        (app.folder / "doomed.py").write_text(f"from {app.module} import queue\n")
        parent.wait_for("doomed.py changed: starting again")
        parent.wait_for(f"queues {app.name}, 10 jobs at once")
        assert parent.end() == 0, parent.log


@pytest.mark.parametrize(("ref", "code"), [("nowhere:queue", 2), ("refused:queue", 3)])
def test_what_another_try_cannot_mend_ends_it_at_once(
    app: App, valkey_server: ServerProcess, ref: str, code: int
) -> None:
    refused = valkey_server.url.replace("://", "://nobody:wrong@")
    (app.folder / "refused.py").write_text(
        f"from aiojobs_redis import Queue\nqueue = Queue('q', url={refused!r})\n"
    )
    with supervised(app, "--processes", "2", ref=ref) as parent:
        assert parent.process.wait(PATIENCE) == code

    assert len(parent.pids()) == 2
    assert "ending all. See the log above." in parent.log


def test_burst_ends_when_every_process_has_nothing_left(app: App) -> None:
    jobs = [app.do(lambda queue: queue.enqueue("add", 1)) for _ in range(3)]
    with supervised(app, "--processes", "2", "--burst") as parent:
        assert parent.process.wait(PATIENCE) == 0

    assert len(parent.pids()) == 2
    states = app.do(lambda queue: queue.states([job.id for job in jobs]))
    assert set(states.values()) == {JobState.COMPLETED}


def test_options_reach_the_processes(app: App) -> None:
    with supervised(
        app, "--processes", "2", "-c", "3", "--log-format", "json", "--grace", "2"
    ) as parent:
        parent.wait_for("2 of 2 processes are ready")
        assert parent.end() == 0

    lines = [json.loads(line) for line in parent.log.splitlines()]
    assert sum("3 jobs at once, Redis" in line["message"] for line in lines) == 2


def test_reload_follows_the_code_and_survives_a_syntax_error(app: App) -> None:
    code = app.folder / "changing.py"
    good = f"from {app.module} import queue\n@queue.task\ndef now() -> int:\n    return {{}}\n"
    code.write_text(good.format(1))
    with supervised(app, "--reload", ref="changing:queue") as parent:
        parent.wait_for(", tasks ")
        assert app.do(lambda queue: result(queue, "now")) == 1
        code.write_text("def now(:\n")
        parent.wait_for("changing.py changed: starting again")
        parent.wait_for("SyntaxError")
        parent.wait_for("ended with exit code 2: it is started again when the code changes")
        code.write_text(good.format(2))
        parent.wait_for("changing.py changed: starting again", 2)
        assert app.do(lambda queue: result(queue, "now")) == 2
        assert parent.end() == 0


async def result(queue: Queue, task: str) -> object:
    job = await queue.enqueue(task)
    return await job.result(PATIENCE)
