"""What does a job cost the server: time, commands, round trips, bytes?

Counted by the server itself while one process enqueues and one worker drains no-op jobs at
concurrency 100. ``server_us`` is the processor time of the server, which takes in reading, parsing
and answering; ``script_us`` is what it books on scripts, by the wall clock, so it may be the larger
one on a busy machine. ``commands`` takes in those that scripts issue. A round trip is a read event
of the server: a call that fills the socket's buffer counts more than once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import redis

from benchmarks import rivals
from benchmarks.harness import OURS, Bench, System, main

__all__ = ["Usage", "measure"]

_SCRIPTS = ("evalsha", "eval", "fcall")


@dataclass(frozen=True)
class Usage:
    """Counters of a server.

    Attributes:
        commands: Calls by command, those within scripts included.
        script_us: Microseconds spent in scripts.
        cpu_us: Processor time of the server's main thread, microseconds.
        reads: Read events.
        received: Bytes that came in.
        sent: Bytes that went out.
    """

    commands: dict[str, int]
    script_us: float
    cpu_us: float
    reads: int
    received: int
    sent: int

    @classmethod
    def of(cls, client: redis.Redis) -> Usage:
        """Read the counters."""
        info: Any = client.info("all")
        stats = {
            name.removeprefix("cmdstat_"): value
            for name, value in info.items()
            if name.startswith("cmdstat_") and name != "cmdstat_info"
        }
        cpu = info["used_cpu_user_main_thread"] + info["used_cpu_sys_main_thread"]
        return cls(
            commands={name: value["calls"] for name, value in stats.items()},
            script_us=sum(stats[name]["usec"] for name in _SCRIPTS if name in stats),
            cpu_us=cpu * 1e6,
            reads=info["total_reads_processed"],
            received=info["total_net_input_bytes"],
            sent=info["total_net_output_bytes"],
        )

    def since(self, before: Usage) -> Usage:
        """Return what came after an earlier reading."""
        return Usage(
            commands={
                name: calls - before.commands.get(name, 0)
                for name, calls in self.commands.items()
                if calls > before.commands.get(name, 0)
            },
            script_us=self.script_us - before.script_us,
            cpu_us=self.cpu_us - before.cpu_us,
            reads=self.reads - before.reads,
            received=self.received - before.received,
            sent=self.sent - before.sent,
        )

    @property
    def calls(self) -> int:
        """Commands in all."""
        return sum(self.commands.values())

    @property
    def script_calls(self) -> int:
        """Scripts called."""
        return sum(self.commands.get(name, 0) for name in _SCRIPTS)


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
    jobs = bench.size(20_000, system)
    bench.run(system, "fill", jobs=jobs)
    return _cost(bench, jobs, partial(bench.run, system, "drain", jobs=jobs, concurrency=100))


def _enqueue(bench: Bench, system: System) -> dict[str, Any]:
    jobs = bench.size(20_000, system)
    return _cost(bench, jobs, partial(bench.run, system, "enqueue", jobs=jobs, callers=50))


def _enqueue_many(bench: Bench) -> dict[str, Any]:
    jobs = bench.size(20_000)
    return _cost(bench, jobs, partial(bench.run, OURS, "enqueue_many", jobs=jobs))


def measure(bench: Bench) -> dict[str, Any]:
    """Measure this package and its rivals, a job."""
    systems, notes = rivals.line_up()
    cases = {}
    for system in systems:
        cases[f"{system.name} drain c=100"] = partial(_drain, bench, system)
        cases[f"{system.name} 50 callers"] = partial(_enqueue, bench, system)
    cases[f"{OURS.name} enqueue_many"] = partial(_enqueue_many, bench)
    return {"per_job": bench.interleave(cases), **notes}


if __name__ == "__main__":
    main({"redis_cost": measure}, __doc__)
