"""How many bytes of Redis does a waiting job with an argument of 100 bytes take, all-in?

The difference of ``used_memory`` over many jobs, after the producer has gone. Without timing there
is nothing to take a median of: each system is measured once.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from benchmarks import rivals
from benchmarks.harness import Bench, System, main

__all__ = ["measure"]

_PAYLOAD = 100
_JOBS = 50_000


def _used(bench: Bench) -> int:
    # The buffers of a client that has just gone are freed a moment later.
    while len(bench.redis.client_list()) > 1:
        time.sleep(0.01)
    info: dict[str, Any] = bench.redis.info("memory")
    used: int = info["used_memory"]
    return used


def _measure(bench: Bench, system: System) -> dict[str, Any]:
    jobs = bench.jobs or _JOBS
    before = _used(bench)
    bench.run(system, "fill", jobs=jobs, payload=_PAYLOAD)
    return {"bytes_per_job": (_used(bench) - before) / jobs, "jobs": jobs}


def measure(bench: Bench) -> dict[str, Any]:
    """Measure this package and its rivals."""
    systems, notes = rivals.line_up()
    cases = {system.name: partial(_measure, bench, system) for system in systems}
    return {"figures": bench.interleave(cases, rounds=1), "payload_bytes": _PAYLOAD, **notes}


if __name__ == "__main__":
    main({"memory": measure}, __doc__)
