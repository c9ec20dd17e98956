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
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import redis

from benchmarks.server import serve

__all__ = ["OURS", "Bench", "System", "at", "main", "median_of", "summary"]

_FOLDER = Path(__file__).parent
_LIMIT = 180.0


@dataclass(frozen=True)
class System:
    """A measured system.

    Attributes:
        name: Its name in the figures.
        command: What runs its driver, up to the question.
        settings: What was set to something else than its default, and what it promises.
        share: Part of the asked number of jobs that it gets, so that a slow one ends in time.
        loop: Its event loop, ``asyncio`` or ``uvloop``.
        bulk: Whether it can enqueue many jobs in one call.
        environment: Variables that its driver needs.
        version: Of its main package.
    """

    name: str
    command: tuple[str, ...]
    settings: str
    share: float = 1.0
    loop: str = "asyncio"
    bulk: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)
    version: str = ""


OURS = System(
    "aiojobs_redis",
    (sys.executable, str(_FOLDER / "systems" / "with_aiojobs.py")),
    "All defaults: results kept for an hour, leases of 15 s, events and statistics on; at least "
    "once. concurrency = jobs at once.",
    # The folder of this checkout comes first, wherever another version is installed.
    environment={"PYTHONPATH": str(_FOLDER.parent)},
    version=version("aiojobs-redis"),
)


class Bench:
    """One server, and the processes that use it.

    Args:
        url: Its ``redis://`` URL.
        rounds: How often each figure is taken.
        jobs: Jobs a figure, None for what the question likes.
        systems: Names of the rivals to compare with, None for all.
    """

    def __init__(
        self,
        url: str,
        rounds: int,
        jobs: int | None = None,
        systems: Collection[str] | None = None,
    ) -> None:
        self.url = url
        self.systems = systems
        self.rounds = rounds
        self.jobs = jobs
        self.redis: redis.Redis = redis.Redis.from_url(url)

    def size(self, usual: int, system: System = OURS, least: int = 200) -> int:
        """Return how many jobs a system gets."""
        return max(min(least, self.jobs or least), round((self.jobs or usual) * system.share))

    def flush(self) -> None:
        """Empty the server and reset its counters."""
        self.redis.flushall()
        self.redis.config_resetstat()

    def run(self, system: System, action: str, **parameters: Any) -> dict[str, Any]:
        """Put one question to its end and return the figures."""
        with self.start(system, action, **parameters) as process:
            out, errors = process.communicate(timeout=_LIMIT)
        if process.returncode:
            last = (errors.strip().splitlines() or ["no message"])[-1]
            raise RuntimeError(f"{action} ended with code {process.returncode}: {last:.200}")
        found: dict[str, Any] = json.loads(out.splitlines()[-1])
        return found

    @contextlib.contextmanager
    def start(
        self, system: System, action: str, **parameters: Any
    ) -> Iterator[subprocess.Popen[str]]:
        """Start an action; it ends when its standard input is closed, or by itself."""
        question = {"action": action, "url": self.url, "loop": system.loop, **parameters}
        process = subprocess.Popen(
            [*system.command, json.dumps(question)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if action != "work" else subprocess.DEVNULL,
            text=True,
            env={**_environment(), **system.environment},
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
                process.wait()

    @contextlib.contextmanager
    def worker(self, system: System, action: str = "work", **parameters: Any) -> Iterator[int]:
        """Keep a worker running, and wait until it is ready; its process id."""
        with self.start(system, action, **parameters) as process:
            assert process.stdout is not None
            if process.stdout.readline().strip() != "ready":
                raise RuntimeError(f"{action} did not start")
            # What it still imports and connects is not what is measured.
            time.sleep(0.7)
            yield process.pid

    def interleave(
        self, cases: Mapping[str, Callable[[], dict[str, Any]]], rounds: int | None = None
    ) -> dict[str, Any]:
        """Take each figure once a round, A B A B, each on an emptied server.

        What fails is reported with its reason, and not asked again.
        """
        taken: dict[str, list[dict[str, Any]]] = {name: [] for name in cases}
        failed: dict[str, str] = {}
        for _ in range(rounds or self.rounds):
            for name, measure in cases.items():
                if name in failed:
                    continue
                self.flush()
                try:
                    taken[name].append(measure())
                except Exception as error:
                    failed[name] = f"{type(error).__name__}: {error}"
                print(f"{name}: {failed.get(name) or taken[name][-1]}", file=sys.stderr, flush=True)
        found = {name: _merge(figures) for name, figures in taken.items() if name not in failed}
        return {**found, **({"failed": failed} if failed else {})}


def _environment() -> dict[str, str]:
    """Return the variables of a measured process.

    Python keeps its byte code, as it does by default: compiling at each import would be part of
    the memory that is measured.
    """
    return {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


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


def median_of(figures: Mapping[str, Any], case: str, key: str) -> float | None:
    """Return the median of a figure, None where it was not taken."""
    found = figures.get(case, {}).get(key)
    return None if found is None else float(found["median"])


def at(ordered: Sequence[float], share: float) -> float:
    """Return a percentile of ordered values."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _round(value: float) -> float:
    return float(f"{value:.4g}")


def _machine(bench: Bench) -> dict[str, Any]:
    info: dict[str, Any] = bench.redis.info()
    name = "valkey" if "valkey_version" in info else "redis"
    return {
        "python": platform.python_version(),
        "event_loop": "asyncio",
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
        "system": platform.platform(),
        "server": f"{name} {info.get('valkey_version', info['redis_version'])}",
        "connection": "TCP on loopback, no persistence",
        "day": time.strftime("%d %B %Y"),
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
    parser.add_argument("--rivals", help="names with commas between, instead of all")
    parser.add_argument("--into", type=Path, help="folder that gets a file a question")
    options = parser.parse_args()
    names = None if options.rivals is None else options.rivals.split(",")
    report: dict[str, Any] = {}
    for name, measure in questions.items():
        with serve() as url:
            bench = Bench(url, options.rounds, options.jobs, names)
            report[name] = {"machine": _machine(bench), **measure(bench)}
        if options.into:
            options.into.mkdir(parents=True, exist_ok=True)
            text = json.dumps(report[name], indent=1, ensure_ascii=False)
            (options.into / f"{name}.json").write_text(text + "\n")
    print(json.dumps(report, indent=2, ensure_ascii=False))
