"""How long until the jobs of a killed worker run again?

A worker with ten running jobs is killed with SIGKILL while a second one idles; seconds until the
second one has started all ten, with each system's default lease or timeout. All systems are
measured side by side, each on a server of its own, since they mostly wait; after two minutes a
system is reported as slower than that.
"""

from __future__ import annotations

import os
import signal
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks import rivals
from benchmarks.harness import Bench, System, main
from benchmarks.server import serve

__all__ = ["measure"]

_JOBS, _PATIENCE = 10, 120.0


def _starts(path: Path, worker: int) -> dict[int, int]:
    """Return the first start of each job in a process, epoch ns by job."""
    found: dict[int, int] = {}
    lines = path.read_text().splitlines() if path.exists() else []
    for number, pid, at in (map(int, line.split()) for line in lines):
        if pid == worker:
            found.setdefault(number, at)
    return found


def _wait_for(path: Path, worker: int, jobs: int, seconds: float) -> dict[int, int]:
    deadline = time.monotonic() + seconds
    while len(found := _starts(path, worker)) < jobs and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def _recover(system: System, jobs: int) -> dict[str, Any]:
    with serve() as url, tempfile.TemporaryDirectory() as folder:
        bench, path = Bench(url, 1), Path(folder) / "starts"
        with bench.worker(system, concurrency=10) as first:
            hold = {"jobs": jobs, "path": str(path), "seconds": 300}
            bench.run(system, "hold", **hold)
            running = len(_wait_for(path, first, jobs, 30))
            with bench.worker(system, concurrency=10) as second:
                killed = time.time_ns()
                os.kill(first, signal.SIGKILL)
                again = sorted(_wait_for(path, second, running, _PATIENCE).values())
                os.kill(second, signal.SIGKILL)
    seconds = [(at - killed) / 1e9 for at in again]
    return {
        "running": running,
        "running_again": len(again),
        "first_s": round(seconds[0], 1) if seconds else None,
        "last_s": round(seconds[-1], 1) if len(again) == running else None,
    }


def measure(bench: Bench) -> dict[str, Any]:
    """Measure this package and its rivals."""
    systems, notes = rivals.line_up(bench.systems)
    # One that runs a single job at a time has no more to lose.
    jobs = {system.name: 1 if system.name == "rq" else _JOBS for system in systems}
    figures, failed = {}, {}
    with ThreadPoolExecutor(len(systems)) as pool:
        tasks = {one.name: pool.submit(_recover, one, jobs[one.name]) for one in systems}
        for name, task in tasks.items():
            try:
                figures[name] = task.result()
            except Exception as error:
                failed[name] = f"{type(error).__name__}: {error}"
    return {"figures": {**figures, "failed": failed}, "patience_s": _PATIENCE, **notes}


if __name__ == "__main__":
    main({"recovery": measure}, __doc__)
