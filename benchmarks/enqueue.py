"""How many jobs a second does one process enqueue: one by one, by 50 callers at once, in bulk?

The time runs from the first call until Redis has accepted the last job, on connections that are
open already. No worker runs.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from benchmarks import rivals
from benchmarks.harness import Bench, main

__all__ = ["measure"]


def measure(bench: Bench) -> dict[str, Any]:
    """Measure this package and its rivals, each in the ways that it has."""
    systems, notes = rivals.line_up(bench.systems)
    one, fifty, many = {}, {}, {}
    for system in systems:
        run = partial(bench.run, system, "enqueue")
        one[system.name] = partial(run, jobs=bench.jobs or 3_000, callers=1)
        fifty[system.name] = partial(run, jobs=bench.size(40_000, system, 4_000), callers=50)
        if system.bulk:
            jobs = bench.size(100_000, system, 10_000)
            many[system.name] = partial(bench.run, system, "enqueue_many", jobs=jobs)
    return {
        "figures": {
            "one by one": bench.interleave(one),
            "50 callers": bench.interleave(fifty),
            "in bulk": bench.interleave(many),
        },
        **notes,
    }


if __name__ == "__main__":
    main({"enqueue": measure}, __doc__)
