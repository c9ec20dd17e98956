"""What do logs, metrics and traces cost a job?

The same drain of jobs that do nothing, taken in turn: as it is, with a JSON record of each step,
with the metrics of Prometheus, and with spans of OpenTelemetry, with its SDK and without one. What
each adds is processor time of the worker.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.harness import OURS, Bench, System, main, median_of

__all__ = ["measure"]

_DRIVER = str(Path(__file__).parent / "systems" / "observed.py")
_WAYS = ("log", "prometheus", "otel without an SDK", "otel")


def _drain(bench: Bench, system: System) -> dict[str, Any]:
    jobs = bench.size(20_000)
    bench.run(OURS, "fill", jobs=jobs)
    return bench.run(system, "drain", jobs=jobs, concurrency=100)


def measure(bench: Bench) -> dict[str, Any]:
    """Measure each way beside none."""
    systems = {"off": OURS} | {
        way: System(
            way,
            (sys.executable, _DRIVER),
            "as a worker of its own",
            environment={**OURS.environment, "OBSERVED": way},
        )
        for way in _WAYS
    }
    taken = bench.interleave(
        {name: partial(_drain, bench, system) for name, system in systems.items()}
    )
    off = median_of(taken, "off", "cpu_us")
    added = {
        way: round(spent - off, 1)
        for way in _WAYS
        if (spent := median_of(taken, way, "cpu_us")) is not None and off is not None
    }
    return {"figures": {**taken, "added_us": added}}


if __name__ == "__main__":
    main({"observability": measure}, __doc__)
