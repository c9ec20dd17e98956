"""`worker --check`: a probe that says whether the worker here is alive, by its exit code."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from aiojobs_redis import Queue, Worker
from aiojobs_redis.cli import pulse
from aiojobs_redis.cli.beside import beside, when_ready
from aiojobs_redis.cli.exits import Misuse
from aiojobs_redis.cli.pulse import FRESH, beat, check_file, check_writable
from tests.cli.conftest import App
from tests.support.waiting import wait_for, wait_until


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


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_heartbeat_file_that_cannot_be_written_is_exit_code_2(app: App, processes: str) -> None:
    path = app.folder / "nowhere" / "alive"
    job = app.do(lambda queue: queue.enqueue("add", 1))
    options = ("--heartbeat-file", str(path), "--burst", "--processes", processes)
    with app.worker(*options) as process:
        code = process.wait(60)

    assert code == 2
    assert f"--heartbeat-file {path}" in app.log
    assert "No such file or directory. Name a file in a folder that is there" in app.log
    assert app.do(lambda queue: queue.job(job.id).state()) == "queued"


@pytest.mark.parametrize("path", ["", ".", "fifo"])
def test_what_is_no_file_is_refused_as_a_heartbeat_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("fifo")

    with pytest.raises(Misuse, match="--heartbeat-file"):
        check_writable(path)


def test_to_see_that_a_file_can_be_written_is_no_sign_of_life(tmp_path: Path) -> None:
    missing, old = tmp_path / "missing", tmp_path / "old"
    old.write_text("x")
    os.utime(old, (1, 1))

    check_writable(str(missing))
    check_writable(str(old))

    assert not missing.exists()
    assert (old.read_text(), old.stat().st_mtime) == ("x", 1)


async def test_a_heartbeat_goes_on_after_its_folder_was_away(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("WARNING")
    monkeypatch.setattr(pulse, "_INTERVAL", 0.01)
    folder, away = tmp_path / "signs", tmp_path / "away"
    folder.mkdir()
    path = folder / "alive"
    tried: list[str] = []
    touch = pulse._touch

    def counted(name: str) -> None:
        tried.append(name)
        touch(name)

    monkeypatch.setattr(pulse, "_touch", counted)
    async with beside({"heartbeat file": beat(str(path))}):
        await wait_until(path.exists, "the file")
        folder.rename(away)
        await wait_until(lambda: len(caplog.records) == 1, "the failure is told")
        before = len(tried)
        await wait_until(lambda: len(tried) > before + 2, "it is tried again, and fails")
        away.rename(folder)
        await wait_until(lambda: len(caplog.records) > 1, "the recovery is told")
        check_file(str(path), 1)

    failed, again = (record.getMessage() for record in caplog.records)
    assert failed.startswith(f"the heartbeat file {path} cannot be touched: No such file")
    assert again == f"the heartbeat file {path} is touched again"
    assert not path.exists()


async def test_what_fails_beside_a_worker_is_told_and_ends_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    went_on = asyncio.Event()

    async def fail() -> None:
        raise ValueError("no")

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            went_on.set()

    async with beside({"first": fail(), "second": wait()}):
        await wait_until(lambda: bool(caplog.records), "the failure is told")
        assert not went_on.is_set()

    assert went_on.is_set()
    assert [record.getMessage() for record in caplog.records] == [
        "the first has failed: the worker goes on without it"
    ]
    assert caplog.records[0].exc_info is not None


async def test_a_worker_that_ends_before_it_is_ready_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    worker = Worker(Queue("q", "memory://never"))
    done: list[str] = []

    async def work() -> None:
        done.append("work")

    worker.stop()
    async with beside({"word": when_ready(worker, work)}):
        await worker.run()

    assert done == []
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


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
