"""`init` and `dev`: from an empty folder to a job that has run, in three commands."""

from __future__ import annotations

import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner

from aiojobs_redis.cli.main import cli
from tests.cli.conftest import App
from tests.cli.test_processes import supervised


def command(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "aiojobs_redis", *args],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_file_that_is_written_runs_in_three_commands(app: App) -> None:
    written = command(app.folder, "init", "hello.py")
    with supervised(app, "--no-web", ref="hello:queue", command="dev") as dev:
        dev.wait_for("queues hello, 10 jobs at once")
        ran = command(app.folder, "enqueue", "hello:queue", "greet", "Ada", "--wait")
        (app.folder / "hello.py").write_text(
            (app.folder / "hello.py").read_text().replace("hello {name}", "good day {name}")
        )
        dev.wait_for("hello.py changed: starting again")
        again = command(app.folder, "enqueue", "hello:queue", "greet", "Ada", "--wait")
        code = dev.end()

    assert "aiojobs-redis dev hello:queue" in written.stdout
    assert "aiojobs-redis enqueue hello:queue greet Ada --wait" in written.stdout
    assert ran.stdout.splitlines()[1] == '"hello Ada"', ran.stderr
    assert again.stdout.splitlines()[1] == '"good day Ada"', again.stderr
    assert code == 0


def test_dev_serves_the_dashboard_beside_the_worker(app: App) -> None:
    with supervised(app, "--port", "0", "--no-reload", command="dev") as dev:
        dev.wait_for(f"queues {app.name}, 10 jobs at once")
        dev.wait(lambda: re.search(r"http://127\.0\.0\.1:\d+/", dev.log), "the address")
        found = re.search(r"http://127\.0\.0\.1:\d+/", dev.log)
        assert found is not None
        with urllib.request.urlopen(f"{found[0]}queues", timeout=30) as answer:
            page = answer.read().decode()
        # However the parent ends, neither of the two outlives it.
        dev.process.kill()

    assert app.name in page
    assert "/do/pause" in page, "on the own machine of a developer there are buttons"


def test_a_file_that_is_there_is_overwritten_only_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mine = tmp_path / "app.py"
    mine.write_text("mine")

    denied = CliRunner().invoke(cli, ["init"], input="n\n")
    assert (denied.exit_code, mine.read_text()) == (1, "mine")
    assert "Overwrite app.py of 4 bytes?" in denied.output
    assert CliRunner().invoke(cli, ["init", "--yes"]).exit_code == 0
    assert "async def greet" in mine.read_text()


@pytest.mark.parametrize("name", ["app.txt", "my-app.py", "nowhere/app.py"])
def test_a_file_that_could_not_be_imported_or_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)

    result = CliRunner().invoke(cli, ["init", name])

    assert result.exit_code == 2
    assert name in result.stderr


@pytest.mark.parametrize(
    ("args", "module", "extra"),
    [
        (["worker", "APP", "--reload"], "watchfiles", "reload"),
        (["dev", "APP", "--no-web"], "watchfiles", "reload"),
        (["dev", "APP", "--no-reload"], "starlette", "web"),
    ],
)
def test_what_is_missing_is_named_with_the_line_that_installs_it(
    app: App, monkeypatch: pytest.MonkeyPatch, args: list[str], module: str, extra: str
) -> None:
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n: None if n == module else find(n))
    began = time.monotonic()

    result = app.run(*args)

    assert time.monotonic() - began < 30
    assert result.exit_code == 2
    assert f"python3 -m pip install 'aiojobs-redis[{extra}]'" in result.stderr
