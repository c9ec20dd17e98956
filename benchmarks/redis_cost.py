"""What does a job cost the server: time, commands, round trips, bytes?

Counted by the server itself while one process enqueues and one worker drains no-op jobs at
concurrency 100. ``server_us`` is the processor time of the server, which takes in reading, parsing
and answering; ``script_us`` is what it books on scripts, by the wall clock, so it may be the larger
one on a busy machine. ``commands`` takes in those that scripts issue. A round trip is a read event
of the server. ``whole life`` is this package's job from `enqueue_many` until its kept result has
expired and been swept.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from aiojobs_redis import JobOptions, Queue, Worker
from benchmarks import rivals
from benchmarks.harness import OURS, Bench, System, main
from benchmarks.server import Usage

__all__ = ["measure"]


def _per_job(usage: Usage, jobs: int) -> dict[str, Any]:
    return {
        "server_us": usage.cpu_us / jobs,
        "script_us": usage.script_us / jobs,
        "commands": usage.calls / jobs,
        "script_calls": usage.script_calls / jobs,
        "round_trips": usage.reads / jobs,
        "bytes_in": usage.received / jobs,
        "bytes_out": usage.sent / jobs,
        "jobs": jobs,
    }


def _cost(bench: Bench, jobs: int, action: Callable[[], Any]) -> dict[str, Any]:
    before = Usage.of(bench.redis)
    action()
    return _per_job(Usage.of(bench.redis).since(before), jobs)


def _drain(bench: Bench, system: System) -> dict[str, Any]:
    jobs = bench.size(40_000, system)
    bench.run(system, "fill", jobs=jobs)
    return _cost(bench, jobs, partial(bench.run, system, "drain", jobs=jobs, concurrency=100))


def _enqueue(bench: Bench, system: System) -> dict[str, Any]:
    jobs = bench.size(40_000, system, 4_000)
    return _cost(bench, jobs, partial(bench.run, system, "enqueue", jobs=jobs, callers=50))


def _enqueue_many(bench: Bench, system: System) -> dict[str, Any]:
    jobs = bench.size(40_000, system, 4_000)
    return _cost(bench, jobs, partial(bench.run, system, "enqueue_many", jobs=jobs))


async def _live(bench: Bench, jobs: int) -> None:
    queue = Queue("bench", url=bench.url, defaults=JobOptions(keep_result=1))

    @queue.task
    async def noop() -> None:
        return None

    await queue.enqueue_many([noop.bind() for _ in range(jobs)])
    async with Worker(queue, concurrency=100):
        while bench.redis.hlen("ajr:{bench}:jobs"):
            await asyncio.sleep(0.1)
    await queue.close()


def _whole_life(bench: Bench) -> dict[str, Any]:
    jobs = bench.size(40_000)
    start = time.monotonic()
    found = _cost(bench, jobs, lambda: asyncio.run(_live(bench, jobs)))
    return {**found, "seconds": time.monotonic() - start}


def measure(bench: Bench) -> dict[str, Any]:
    """Measure this package and its rivals, a job."""
    systems, notes = rivals.line_up(bench.systems)
    ways = {"drain c=100": _drain, "50 callers": _enqueue, "in bulk": _enqueue_many}
    figures: dict[str, Any] = {}
    for way, cost in ways.items():
        able = [system for system in systems if system.bulk or way != "in bulk"]
        # Counts vary little: once is enough.
        figures[way] = bench.interleave({one.name: partial(cost, bench, one) for one in able}, 1)
    figures["whole life"] = bench.interleave({OURS.name: partial(_whole_life, bench)})
    return {"figures": figures, **notes}


if __name__ == "__main__":
    main({"redis_cost": measure}, __doc__)
