"""How many jobs a second does one process enqueue: one by one, by 50 callers at once, in bulk?

The time runs from the first call until Redis has accepted the last job, on connections that are
open already. No worker runs.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from benchmarks import rivals
from benchmarks.harness import OURS, Bench, main, ratio

__all__ = ["measure"]


def measure(bench: Bench) -> dict[str, Any]:
    """Measure this package in its three ways and each rival in those that it has."""
    systems, notes = rivals.line_up()
    cases = {}
    for system in systems:
        few, many = bench.size(4_000, system), bench.size(20_000, system)
        run = partial(bench.run, system, "enqueue")
        cases[f"{system.name} one by one"] = partial(run, jobs=few, callers=1)
        cases[f"{system.name} 50 callers"] = partial(run, jobs=many, callers=50)
    cases[f"{OURS.name} enqueue_many"] = partial(
        bench.run, OURS, "enqueue_many", jobs=bench.size(50_000)
    )
    figures = bench.interleave(cases)
    ratios = {
        f"{ours} over its 50 callers": ratio(
            figures, f"{OURS.name} {ours}", f"{system.name} 50 callers", "jobs_per_second"
        )
        for ours in ("one by one", "50 callers", "enqueue_many")
        for system in systems[1:]
    }
    return {"figures": figures, "times_arq": ratios, **notes}


if __name__ == "__main__":
    main({"enqueue": measure}, __doc__)
