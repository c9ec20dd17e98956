"""How long does a job wait for an idle worker, a half-loaded one, and its due time?

- ``pickup``: single jobs, each enqueued while the worker idles; milliseconds from the call of
  enqueue to the first line of the task.
- ``pickup at half load``: the same while another process enqueues no-op jobs at half the rate at
  which the worker drained them just before.
- ``lateness``: jobs due within one second; milliseconds from the due time to the first line.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from benchmarks import rivals
from benchmarks.harness import Bench, System, at, main

__all__ = ["measure", "percentiles"]


def percentiles(milliseconds: list[float]) -> dict[str, Any]:
    """Return what is reported of waiting times."""
    ordered = sorted(milliseconds)
    return {
        "p50_ms": at(ordered, 0.50),
        "p99_ms": at(ordered, 0.99),
        "max_ms": ordered[-1],
        "jobs": len(ordered),
    }


def _waited(
    bench: Bench, system: System, action: str, jobs: int, concurrency: int
) -> dict[str, Any]:
    with bench.worker(system, concurrency=concurrency):
        return percentiles(bench.run(system, action, jobs=jobs)["ms"])


def _at_half_load(bench: Bench, system: System, jobs: int) -> dict[str, Any]:
    drained = bench.size(30_000, system)
    bench.run(system, "fill", jobs=drained)
    rate = bench.run(system, "drain", jobs=drained, concurrency=10)["jobs_per_second"] / 2
    bench.flush()
    with bench.worker(system, concurrency=10), bench.worker(system, "load", rate=rate):
        waited = bench.run(system, "pickup", jobs=jobs)["ms"]
    return {**percentiles(waited), "load_per_second": round(rate)}


def measure(bench: Bench) -> dict[str, Any]:
    """Measure this package and its rivals."""
    systems, notes = rivals.line_up(bench.systems)
    single, due = bench.jobs or 300, bench.jobs or 1000
    pickup = {one.name: partial(_waited, bench, one, "pickup", single, 10) for one in systems}
    loaded = {one.name: partial(_at_half_load, bench, one, single) for one in systems}
    late = {one.name: partial(_waited, bench, one, "lateness", due, 100) for one in systems}
    return {
        "figures": {
            "pickup": bench.interleave(pickup),
            "pickup at half load": bench.interleave(loaded, rounds=1),
            "lateness": bench.interleave(late, rounds=1),
        },
        **notes,
    }


if __name__ == "__main__":
    main({"latency": measure}, __doc__)
