"""Runs every benchmark on one server and prints one JSON document."""

from __future__ import annotations

from benchmarks import drain, enqueue, latency, memory, redis_cost
from benchmarks.harness import main

main(
    {
        "drain": drain.measure,
        "enqueue": enqueue.measure,
        "memory": memory.measure,
        "latency": latency.measure,
        "redis_cost": redis_cost.measure,
    },
    __doc__,
)
