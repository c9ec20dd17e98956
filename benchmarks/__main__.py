"""Runs every benchmark, each on a server of its own, and prints one JSON document."""

from __future__ import annotations

from benchmarks import (
    depth,
    drain,
    enqueue,
    floor,
    idle,
    latency,
    memory,
    observability,
    overtake,
    processes,
    recovery,
    redis_cost,
)
from benchmarks.harness import main

main(
    {
        "drain": drain.measure,
        "floor": floor.measure,
        "enqueue": enqueue.measure,
        "latency": latency.measure,
        "overtake": overtake.measure,
        "redis_cost": redis_cost.measure,
        "memory": memory.measure,
        "idle": idle.measure,
        "processes": processes.measure,
        "depth": depth.measure,
        "recovery": recovery.measure,
        "observability": observability.measure,
    },
    __doc__,
)
