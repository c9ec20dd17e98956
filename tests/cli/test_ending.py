"""INT and TERM end what runs until it is told to stop with exit code 0, whenever they come."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import urllib.request
from contextlib import closing

import pytest

from tests.cli.conftest import App

EARLY = """
import os, signal, sys
from {module} import queue
# As somebody who is faster than the event loop of the worker.
os.kill(os.getpid(), signal.Signals[os.environ["NUMBER"]])
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_worker_that_is_stopped_while_it_starts_ends_with_0(
    app: App, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    (app.folder / "early.py").write_text(EARLY.format(module=app.module))
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
