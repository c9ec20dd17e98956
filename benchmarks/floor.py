"""How near is the worker to what its scripts and Python allow?

The same scripts are driven by a bare loop that decodes, creates a task and encodes, nothing else;
the worker's drain is given beside it, taken in turn with it.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.harness import OURS, Bench, System, main, median_of

__all__ = ["measure"]

_BARE = System(
    "bare loop",
    (sys.executable, str(Path(__file__).parent / "systems" / "bare_loop.py")),
    "the scripts alone",
    environment=OURS.environment,
)


def _drain(bench: Bench, system: System, concurrency: int) -> dict[str, Any]:
    jobs = bench.size(60_000 if concurrency > 10 else 30_000)
    bench.run(OURS, "fill", jobs=jobs)
    return bench.run(system, "drain", jobs=jobs, concurrency=concurrency)


def measure(bench: Bench) -> dict[str, Any]:
    """Measure the worker and the bare loop."""
    figures: dict[str, Any] = {}
    for concurrency in (100, 10, 1000):
        cases = {
            system.name: partial(_drain, bench, system, concurrency) for system in (OURS, _BARE)
        }
        taken = bench.interleave(cases)
        ours = median_of(taken, OURS.name, "jobs_per_second")
        bare = median_of(taken, _BARE.name, "jobs_per_second")
        share = round(ours / bare, 3) if ours and bare else None
        figures[f"c={concurrency}"] = {**taken, "share_of_floor": share}
    return {"figures": figures}


if __name__ == "__main__":
    main({"floor": measure}, __doc__)
