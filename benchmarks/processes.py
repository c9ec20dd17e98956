"""Does throughput grow with the worker processes?

1, 2 and 4 processes of this package run jobs that wait 1 ms as for I/O, at concurrency 10 each.
The time runs from the first job that Redis has as completed until the last one; the processor time
of the server says what a job costs it.
"""

from __future__ import annotations

import contextlib
import time
from functools import partial
from typing import Any

from benchmarks.harness import OURS, Bench, main
from benchmarks.server import Usage

__all__ = ["measure"]


def _together(bench: Bench, processes: int) -> dict[str, Any]:
    jobs = bench.size(30_000)
    with contextlib.ExitStack() as stack:
        for _ in range(processes):
            stack.enter_context(bench.worker(OURS, concurrency=10))
        # All wait for work when it comes: nobody has a head start.
        bench.redis.hset("ajr:{bench}:meta", "paused", 1)
        bench.run(OURS, "fill", jobs=jobs, task="pause")
        before, start = Usage.of(bench.redis), time.perf_counter()
        bench.redis.hdel("ajr:{bench}:meta", "paused")
        bench.redis.zadd("ajr:{bench}:wake", {"1": 0})
        while bench.redis.zcard("ajr:{bench}:completed") < jobs:
            time.sleep(0.02)
        seconds = time.perf_counter() - start
        spent = Usage.of(bench.redis).since(before)
    return {
        "jobs_per_second": jobs / seconds,
        "server_us": spent.cpu_us / jobs,
        "jobs": jobs,
    }


def measure(bench: Bench) -> dict[str, Any]:
    """Measure this package."""
    cases = {f"{count} processes": partial(_together, bench, count) for count in (1, 2, 4)}
    return {"figures": bench.interleave(cases)}


if __name__ == "__main__":
    main({"processes": measure}, __doc__)
