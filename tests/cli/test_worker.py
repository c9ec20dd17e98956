"""`worker`: a process of its own, its log, its signals, its exit code."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path

import pytest

from aiojobs_redis import JobState, Queue
from aiojobs_redis.cli.logs import JsonFormatter
from aiojobs_redis.version import VERSION
from tests.cli.conftest import App
from tests.support.servers import ServerProcess, find_servers, free_port
from tests.support.waiting import wait_until


def command(
    *args: str, folder: Path, python: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *python, "-m", "aiojobs_redis", "worker", *args],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def wait_for_workers(app: App, number: int) -> None:
    async def alive(queue: Queue) -> None:
        async def there() -> bool:
            return len(await queue.workers()) == number

        await wait_until(there, f"{number} workers", timeout=30)

    app.do(alive)


def test_a_worker_ends_though_others_share_its_server_and_warnings_are_errors(app: App) -> None:
    # The application has another queue of the same server, which nobody closes.
    app.do(lambda queue: queue.enqueue("report", 1))

    ended = command(app.ref, "--burst", folder=app.folder, python=("-W", "error::ResourceWarning"))

    assert ended.returncode == 0, ended.stderr
    assert "unclosed" not in ended.stderr


def test_no_id_of_a_job_writes_a_line_of_the_log(app: App) -> None:
    forged = "x\n2026-11-27 00:00:00,000 CRITICAL worker: \x1b[2J"
    app.do(lambda queue: queue.enqueue("fail", id=forged, attempts=1))

    ended = command(app.ref, "--burst", folder=app.folder)

    assert r"job x\n2026-11-27 00:00:00,000 CRITICAL worker: \x1b[2J" in ended.stderr
    assert "\x1b" not in ended.stderr
    assert not any(line.startswith("2026-11-27 00:00:00") for line in ended.stderr.splitlines())


@pytest.mark.requirement("B27")
def test_sigterm_ends_the_worker_with_exit_code_0(app: App) -> None:
    with app.worker() as process:
        wait_for_workers(app, 1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0

    assert "SIGTERM: stopping" in app.log
    wait_for_workers(app, 0)


def test_burst_runs_what_is_queued_and_ends_with_exit_code_0(app: App) -> None:
    job = app.do(lambda queue: queue.enqueue("add", 2, b=5))

    ended = command(app.ref, "--burst", folder=app.folder)

    assert ended.returncode == 0, ended.stderr
    assert app.do(lambda queue: queue.job(job.id).state()) is JobState.COMPLETED


def test_a_task_of_the_application_runs_in_a_process(app: App) -> None:
    (app.folder / "crunching.py").write_text(
        f"import os\nfrom {app.module} import queue\n"
        "@queue.task(executor='process', attempts=2, backoff=lambda *_: 0, retry_on=ValueError)\n"
        "def crunch(worker: int) -> bool:\n"
        "    from aiojobs_redis import current_job\n"
        "    if current_job().attempt == 1:\n"
        "        raise ValueError('once more')\n"
        "    return os.getppid() != worker\n"
    )
    job = app.do(lambda queue: queue.enqueue("crunch", 0))

    ended = command("crunching:queue", "--burst", "--executor-processes", "1", folder=app.folder)

    assert ended.returncode == 0, ended.stderr
    assert app.do(lambda queue: queue.job(job.id).result(5)) is True
    assert "Traceback" not in ended.stderr


def test_a_task_that_no_process_would_find_ends_the_worker_with_exit_code_2(app: App) -> None:
    (app.folder / "hidden.py").write_text(
        f"from {app.module} import queue\n"
        "queue.task(name='crunch', executor='process')(lambda: None)\n"
    )

    ended = command("hidden:queue", "--burst", folder=app.folder)

    assert ended.returncode == 2
    assert "another process would not find its function" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_first_line_tells_what_runs_where_without_the_password(app: App) -> None:
    name = f"q{uuid.uuid4().hex[:12]}"
    (app.folder / "far.py").write_text(
        "from aiojobs_redis import Queue\n"
        f"queue = Queue({name!r}, url='redis://ada:se%20cret@127.0.0.1:1/3')\n"
        "@queue.task\nasync def add() -> None: ...\n"
    )
    with subprocess.Popen(
        [sys.executable, "-m", "aiojobs_redis", "worker", "far:queue", "-c", "7"],
        cwd=app.folder,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        # By the time it says that it cannot connect, it has taken the signals.
        rest = process.stderr.readline()
        process.terminate()
        rest += process.stderr.read()

    assert f"aiojobs-redis {VERSION}: app far:queue, queues {name}, 7 jobs at once" in first
    assert "Redis 127.0.0.1:1/3, tasks 1, schedules 0" in first
    assert "cret" not in first + rest
    assert process.returncode == 0


def test_a_worker_that_redis_refuses_ends_with_exit_code_3(app: App) -> None:
    port = free_port()
    server = ServerProcess(
        find_servers()["valkey"], app.folder / "data", "--requirepass", "right", port=port
    )
    (app.folder / "refused.py").write_text(
        f"from aiojobs_redis import Queue\nqueue = Queue('q', url='redis://:no@127.0.0.1:{port}')\n"
    )
    # It answers with NOAUTH, which ServerProcess.start would wait out.
    server.answers = lambda: server.socket.exists()  # type: ignore[method-assign]
    server.start()
    try:
        ended = command("refused:queue", folder=app.folder)
    finally:
        server.remove()

    assert ended.returncode == 3
    assert "refused this client" in ended.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["-q", "nope"], "has no queue 'nope'; it has "),
        (["-q", "{name}:many"], "is not a number, as in high:3"),
        (["-q", "{name}:0"], "weight of '{name}' must be over 0"),
        (["-c", "0"], "is no whole number from 1 to 100,000"),
    ],
)
def test_a_bad_option_is_exit_code_2(app: App, options: list[str], said: str) -> None:
    given = [option.format(name=app.name) for option in options]

    result = app.run("worker", f"{app.module}:both", *given)

    assert result.exit_code == 2
    assert said.format(name=app.name) in result.stderr


def test_the_queues_of_an_application_are_chosen_and_weighed(app: App) -> None:
    both = f"{app.module}:both"
    app.do(lambda queue: queue.enqueue("add", 1, id="one"))

    ended = command(
        both, "-q", f"{app.name}:3", "--burst", "--log-format", "json", folder=app.folder
    )

    assert ended.returncode == 0, ended.stderr
    first = json.loads(ended.stderr.splitlines()[0])
    assert f"queues {app.name}, 10 jobs at once" in first["message"]
    assert app.do(lambda queue: queue.job("one").state()) is JobState.COMPLETED


def test_a_log_line_in_json_holds_the_error_and_the_extra_fields() -> None:
    try:
        raise ValueError("no")
    except ValueError:
        record = logging.LogRecord("a.b", logging.ERROR, "f", 1, "n=%d", (3,), sys.exc_info())
    record.job_id = "7"

    fields = json.loads(JsonFormatter().format(record))

    assert (fields["level"], fields["logger"], fields["message"]) == ("error", "a.b", "n=3")
    assert fields["job_id"] == "7"
    assert "ValueError: no" in fields["exception"]
    assert fields["time"].endswith("Z")
