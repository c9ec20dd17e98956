"""`worker --check`: a probe that says whether the worker here is alive, by its exit code."""

from __future__ import annotations

import os
import signal
import time

import pytest

from aiojobs_redis.cli.pulse import FRESH
from tests.cli.conftest import App
from tests.support.waiting import wait_for


def check(app: App, *options: str) -> int:
    return app.run("worker", "APP", "--check", *options).exit_code


def test_a_heartbeat_file_is_there_while_the_worker_is_ready(app: App) -> None:
    path = app.folder / "alive"
    options = ("--heartbeat-file", str(path))
    before = app.run("worker", "APP", "--check", *options)
    with app.worker(*options):
        wait_for(path.exists, "the file", 30)
        assert check(app, *options) == 0
        first = path.stat().st_mtime
        wait_for(lambda: path.stat().st_mtime > first, "the next sign of life", 30)

    assert before.exit_code == 1
    assert f"no sign of life: {path}: No such file" in before.stderr
    assert not path.exists()


def test_a_worker_whose_loop_hangs_is_not_alive(app: App) -> None:
    path = app.folder / "alive"
    path.touch()
    assert check(app, "--heartbeat-file", str(path)) == 0
    then = time.time() - FRESH - 2
    os.utime(path, (then, then))

    late = app.run("worker", "APP", "--check", "--heartbeat-file", str(path))

    assert late.exit_code == 1
    assert "12 s old, the limit is 10 s: the event loop of the worker hangs" in late.stderr


def test_each_of_several_processes_has_a_file(app: App) -> None:
    options = ("--heartbeat-file", str(app.folder / "alive"), "--processes", "2")
    (app.folder / "alive.1").touch()
    assert check(app, *options) == 1
    (app.folder / "alive.2").touch()
    assert check(app, *options) == 0


def test_a_heartbeat_file_needs_neither_redis_nor_the_application(app: App) -> None:
    (app.folder / "alive").touch()

    result = app.run("worker", "nowhere:queue", "--check", "--heartbeat-file", "alive")

    assert result.exit_code == 0, result.output


def test_without_a_file_the_workers_of_this_host_are_looked_for_in_redis(app: App) -> None:
    none = app.run("worker", "APP", "--check")
    with app.worker() as process:
        wait_for(lambda: check(app) == 0, "the worker to be there", 30)
        two = app.run("worker", "APP", "--check", "--processes", "2")
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        assert check(app) == 1

    assert none.exit_code == 1
    assert "0 workers of queue" in none.stderr
    assert two.exit_code == 1
    assert "1 workers of queue" in two.stderr
    assert "2 should be" in two.stderr


@pytest.mark.parametrize("options", [[], ["--processes", "2"]])
def test_redis_that_is_away_fails_the_probe_that_asks_it(app: App, options: list[str]) -> None:
    (app.folder / "away.py").write_text(
        "from aiojobs_redis import Queue\nqueue = Queue('q', url='redis://127.0.0.1:1/0')\n"
    )

    assert app.run("worker", "away:queue", "--check", *options).exit_code == 3
