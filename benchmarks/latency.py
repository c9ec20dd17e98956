"""How long does a job wait for an idle worker, a due time and a backlog of lower priority?

- ``pickup``: single jobs, each enqueued while the worker idles; milliseconds from the call of
  enqueue to the first line of the task.
- ``lateness``: jobs due within one second; milliseconds from the due time to the first line.
- ``overtake``: high jobs enqueued while a worker drains 100,000 low ones; how many low jobs were
  claimed between Redis's acceptance of the high one and its claim, by the order of the event
  stream. (Acceptance comes before the return of enqueue, so this is the stricter count.)
"""

from __future__ import annotations

from functools import partial
from typing import Any

from benchmarks import rivals
from benchmarks.harness import OURS, Bench, System, main

__all__ = ["measure"]

_BACKLOG = 100_000
_HIGHS = 20


def _waited(
    bench: Bench, system: System, action: str, jobs: int, concurrency: int
) -> dict[str, Any]:
    with bench.worker(system, concurrency=concurrency):
        taken = sorted(bench.run(system, action, jobs=jobs)["ms"])
    return {
        "p50_ms": _at(taken, 0.50),
        "p99_ms": _at(taken, 0.99),
        "max_ms": taken[-1],
        "jobs": len(taken),
    }


def _at(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _overtake(bench: Bench) -> dict[str, Any]:
    bench.flush()
    backlog = bench.jobs or _BACKLOG
    bench.run(OURS, "fill", jobs=backlog)
    with bench.worker(OURS, concurrency=10):
        return {**bench.run(OURS, "overtake", highs=_HIGHS), "backlog": backlog}


def measure(bench: Bench) -> dict[str, Any]:
    """Measure this package and its rivals; priorities only where there are any."""
    systems, notes = rivals.line_up()
    pickups = {
        system.name: partial(_waited, bench, system, "pickup", bench.jobs or 500, 10)
        for system in systems
    }
    delays = {
        system.name: partial(_waited, bench, system, "lateness", bench.jobs or 1000, 100)
        for system in systems
    }
    return {
        "pickup": bench.interleave(pickups),
        "lateness": bench.interleave(delays),
        "overtake": _overtake(bench),
        **notes,
    }


if __name__ == "__main__":
    main({"latency": measure}, __doc__)
