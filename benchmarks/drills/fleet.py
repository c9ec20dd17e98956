"""The workers of a drill: real processes that are killed, frozen, and restarted when they exit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from benchmarks.drills import journal
from benchmarks.harness import System

__all__ = ["Fleet"]

# As a service manager would, a while after the exit.
_RESTART_S = 1.0
_TURN_S = 0.03


class Fleet:
    """Workers of one system and the journal of what they ran.

    Args:
        system: Whose workers.
        lease: What its drivers are to set, seconds.
        folder: For the journal and the output of the workers.

    Attributes:
        losses: When a process was killed, frozen or exited, epoch ns by process id.
        exits: Workers that ended by themselves; each was started again after a second.
    """

    def __init__(self, system: System, lease: float, folder: Path) -> None:
        self._system = system
        self._lease = lease
        self._folder = folder
        self._path = folder / "journal"
        self._alive: dict[int, tuple[subprocess.Popen[str], str]] = {}
        self._restarts: list[tuple[float, str]] = []
        self._concurrency = 1
        self._sent = 0
        self.losses: dict[int, list[int]] = defaultdict(list)
        self.exits = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pid in list(self._alive):
            self.kill(pid)

    @property
    def pids(self) -> list[int]:
        """Workers that live."""
        return list(self._alive)

    @property
    def runs(self) -> list[journal.Run]:
        """What has run so far, by its start."""
        return journal.read(self._path)

    @property
    def last_words(self) -> str:
        """The last line that a worker which exited has written."""
        lines = (self._folder / "errors").read_text(errors="replace").splitlines()
        return next((line[:200] for line in reversed(lines) if line.startswith("exit:")), "")

    def submit(self, url: str, jobs: int, seconds: float, *, block: bool = False) -> dict[str, Any]:
        """Enqueue jobs from a process of its own, one after another.

        Args:
            url: Of the server.
            jobs: How many.
            seconds: How long each takes.
            block: Whether it blocks the event loop of its worker so long.

        Returns:
            ``accepted`` numbers, ``refused`` reasons by number, ``slowest_s`` of a call.
        """
        job = {"path": str(self._path), "first": self._sent, "jobs": jobs}
        self._sent += jobs
        question = {**job, "action": "submit", "url": url, "lease": self._lease}
        done = subprocess.run(
            self._command({**question, "seconds": seconds, "block": block}),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env=self._environment(),
        )
        if done.returncode:
            raise RuntimeError(f"submit: {done.stderr.strip()[-300:]}")
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found

    def start(self, url: str, workers: int, concurrency: int) -> None:
        """Start workers and wait until each says that it is ready."""
        self._concurrency = concurrency
        started = [self._start(url) for _ in range(workers)]
        for process in started:
            assert process.stdout is not None
            if process.stdout.readline().strip() != "ready":
                raise RuntimeError("a worker did not start")

    def kill(self, pid: int) -> int:
        """End a worker with SIGKILL, for good; when, epoch ns."""
        process, _ = self._alive.pop(pid)
        at = time.time_ns()
        process.kill()
        process.communicate()
        self.losses[pid].append(at)
        return at

    def freeze(self, pid: int) -> int:
        """Stop a worker with SIGSTOP; when, epoch ns."""
        at = time.time_ns()
        os.kill(pid, signal.SIGSTOP)
        self.losses[pid].append(at)
        return at

    def thaw(self, pid: int) -> None:
        """Let a stopped worker go on."""
        os.kill(pid, signal.SIGCONT)

    def busy(self, but: Sequence[int] = ()) -> int | None:
        """Return a living worker that runs a job now."""
        now = time.time_ns()
        open_runs = (run for run in self.runs if run.is_open(now))
        return next((r.pid for r in open_runs if r.pid in self._alive and r.pid not in but), None)

    def wait(self, reached: Callable[[], Any], seconds: float) -> bool:
        """Wait for a condition, and meanwhile restart what exits.

        Args:
            reached: Is asked again and again.
            seconds: When to give up.

        Returns:
            Whether it was reached.
        """
        deadline = time.monotonic() + seconds
        while not reached():
            if time.monotonic() > deadline:
                return False
            self._mind()
            time.sleep(_TURN_S)
        return True

    def rest(self, seconds: float) -> None:
        """Let the workers go on for that long."""
        self.wait(lambda: False, seconds)

    def _mind(self) -> None:
        for pid, (process, url) in list(self._alive.items()):
            if process.poll() is not None:
                del self._alive[pid]
                self.losses[pid].append(time.time_ns())
                self.exits += 1
                self._restarts.append((time.monotonic() + _RESTART_S, url))
        for restart in [one for one in self._restarts if one[0] <= time.monotonic()]:
            self._restarts.remove(restart)
            self._start(restart[1])

    def _start(self, url: str) -> subprocess.Popen[str]:
        work = {"action": "serve", "url": url, "concurrency": self._concurrency}
        with (self._folder / "errors").open("a") as errors:
            process = subprocess.Popen(
                self._command({**work, "lease": self._lease, "loop": self._system.loop}),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=self._environment(),
            )
        self._alive[process.pid] = process, url
        return process

    def _command(self, question: dict[str, Any]) -> list[str]:
        return [*self._system.command, json.dumps(question)]

    def _environment(self) -> dict[str, str]:
        return {**os.environ, **self._system.environment}
