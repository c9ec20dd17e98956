"""How many no-op jobs a second does one worker process drain, results kept?

The time runs from the start of a worker over a filled queue to its end, connecting included.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from benchmarks import rivals
from benchmarks.harness import OURS, Bench, System, main, ratio

__all__ = ["measure"]


def _drain(bench: Bench, system: System, usual: int, concurrency: int) -> dict[str, Any]:
    jobs = bench.size(usual, system)
    bench.run(system, "fill", jobs=jobs)
    return bench.run(system, "drain", jobs=jobs, concurrency=concurrency)


def measure(bench: Bench) -> dict[str, Any]:
    """Measure this package and its rivals at concurrency 100 and 10."""
    systems, notes = rivals.line_up()
    cases = {
        f"{system.name} c={concurrency}": partial(_drain, bench, system, usual, concurrency)
        for concurrency, usual in ((100, 20_000), (10, 10_000))
        for system in systems
    }
    figures = bench.interleave(cases)
    ratios = {
        f"c={concurrency}": ratio(
            figures,
            f"{OURS.name} c={concurrency}",
            f"{system.name} c={concurrency}",
            "jobs_per_second",
        )
        for concurrency in (100, 10)
        for system in systems[1:]
    }
    return {"figures": figures, "times_arq": ratios, **notes}


if __name__ == "__main__":
    main({"drain": measure}, __doc__)
