"""Worker processes that a test may kill, freeze and stop, and the journal of what they did."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.support.lines import whole_lines
from tests.support.waiting import wait_until

__all__ = ["Line", "WorkerHost", "WorkerProcess"]

_ROOT = Path(__file__).parents[2]
_SECONDS = 20.0


class Line(NamedTuple):
    """One line of the journal; see ``worker_app.py``."""

    event: str
    job: str
    attempt: int
    lost: int
    fence: int
    pid: int
    at: float


class WorkerProcess:
    """One running worker.

    Args:
        process: Its process.
        log: Where its log goes.
    """

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Its exit code, None while it runs."""
        return self._process.poll()

    @property
    def log(self) -> str:
        """What it has logged so far."""
        return self._log.read_text(errors="replace")

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        if self._process.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it with SIGKILL and wait for that."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait(_SECONDS)

    async def ended(self, timeout: float = _SECONDS) -> int:
        """Wait for its end and return the exit code."""
        await wait_until(lambda: self.code is not None, "the worker process to end", timeout)
        return self._process.wait()


class WorkerHost:
    """Starts worker processes of one queue.

    Args:
        url: The server.
        queue: The queue's name.
        folder: For the journal, the logs and the gates.
    """

    def __init__(self, url: str, queue: str, folder: Path) -> None:
        self.url = url
        self._address = (url, queue, str(folder / "journal"))
        self._folder = folder
        self.processes: list[WorkerProcess] = []

    def gate(self, name: str = "gate") -> Path:
        """Return the path of a gate, which jobs wait for to be there."""
        return self._folder / name

    def start(
        self,
        concurrency: int = 10,
        grace: float = 25,
        history: Path | None = None,
        options: Sequence[str] = (),
    ) -> WorkerProcess:
        """Start a worker, which records its history where a folder is given for it.

        Args:
            concurrency: Its slots.
            grace: Seconds that its jobs have after a signal to stop.
            history: Folder for its history.
            options: Further options of ``worker_app.py``.
        """
        recording = [] if history is None else ["--history", str(history)]
        log = self._folder / f"worker-{len(self.processes)}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "tests.support.worker_app", *self._address),
                    *("--concurrency", str(concurrency), "--grace", str(grace), *recording),
                    *options,
                ],
                cwd=_ROOT,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        worker = WorkerProcess(process, log)
        self.processes.append(worker)
        return worker

    def journal(self, event: str | None = None, job: str | None = None) -> list[Line]:
        """Return the lines of the journal, of one event or job only where one is given."""
        path = self._folder / "journal"
        if not path.exists():
            return []
        lines = [
            Line(kind, name, int(attempt), int(lost), int(fence), int(pid), float(at))
            for kind, name, attempt, lost, fence, pid, at in map(str.split, whole_lines(path))
        ]
        return [
            line
            for line in lines
            if (event is None or line.event == event) and (job is None or line.job == job)
        ]

    async def wait_for(self, event: str, number: int, timeout: float = _SECONDS) -> list[Line]:
        """Wait until the journal has that many lines of an event, and return them."""
        await wait_until(
            lambda: len(self.journal(event)) >= number, f"{number} lines {event!r}", timeout
        )
        return self.journal(event)

    def end(self) -> None:
        """Kill what still runs."""
        for worker in self.processes:
            worker.kill()
