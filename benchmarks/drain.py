"""How many jobs a second does one worker process run?

No-op jobs at concurrency 10, 100 and 1000; jobs that wait 1 ms as for I/O, and jobs with an
argument of 10 KB, at concurrency 100. The time runs from the start of a worker over a filled
queue, connecting included, until the last job has run.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from benchmarks import rivals
from benchmarks.harness import Bench, System, main

__all__ = ["CASES", "measure"]

CASES: dict[str, dict[str, Any]] = {
    "c=100": {"concurrency": 100, "jobs": 60_000},
    "c=10": {"concurrency": 10, "jobs": 30_000},
    "c=1000": {"concurrency": 1000, "jobs": 60_000},
    "1 ms": {"concurrency": 100, "jobs": 20_000, "task": "pause"},
    "10 KB": {"concurrency": 100, "jobs": 20_000, "task": "take", "payload": 10_000},
}


def _drain(bench: Bench, system: System, case: dict[str, Any]) -> dict[str, Any]:
    jobs = bench.size(case["jobs"], system)
    task, payload = case.get("task", "noop"), case.get("payload", 0)
    bench.run(system, "fill", jobs=jobs, task=task, payload=payload)
    return bench.run(system, "drain", jobs=jobs, concurrency=case["concurrency"])


def measure(bench: Bench) -> dict[str, Any]:
    """Measure this package and its rivals."""
    systems, notes = rivals.line_up(bench.systems)
    figures = {
        name: bench.interleave({one.name: partial(_drain, bench, one, case) for one in systems})
        for name, case in CASES.items()
    }
    return {"figures": figures, **notes}


if __name__ == "__main__":
    main({"drain": measure}, __doc__)
