"""How much memory does a job take?

- ``waiting``: bytes of Redis a waiting job with an argument of 100 bytes, all-in: the difference of
  ``used_memory`` over many jobs, after the producer has gone.
- ``finished``: the same for a completed one whose record is kept.
- ``worker``: MB of a worker process of this package after each of ten times 100,000 jobs.

Without timing there is nothing to take a median of: each system is measured once.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import rivals
from benchmarks.harness import OURS, Bench, System, main

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


def _waiting(bench: Bench, system: System) -> dict[str, Any]:
    jobs = bench.size(_JOBS, system, 10_000)
    before = _used(bench)
    bench.run(system, "fill", jobs=jobs, task="take", payload=_PAYLOAD)
    return {"bytes_per_job": (_used(bench) - before) / jobs, "jobs": jobs}


def _finished(bench: Bench) -> dict[str, Any]:
    jobs = bench.size(_JOBS)
    before = _used(bench)
    bench.run(OURS, "fill", jobs=jobs, task="take", payload=_PAYLOAD)
    bench.run(OURS, "drain", jobs=jobs, concurrency=100)
    return {"bytes_per_job": (_used(bench) - before) / jobs, "jobs": jobs}


def _rss(pid: int) -> float:
    text = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in text.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def _grown(bench: Bench) -> dict[str, Any]:
    part = (bench.jobs or 1_000_000) // 10
    grown = []
    with bench.worker(OURS, concurrency=100) as pid:
        idle = _rss(pid)
        for _ in range(10):
            bench.run(OURS, "fill", jobs=part)
            while bench.redis.zcard("ajr:{bench}:ready") or bench.redis.zcard("ajr:{bench}:leases"):
                time.sleep(0.05)
            grown.append(round(_rss(pid), 1))
    return {"rss_mb_idle": idle, "rss_mb": grown, "jobs_each": part}


def measure(bench: Bench) -> dict[str, Any]:
    """Measure this package and its rivals."""
    systems, notes = rivals.line_up(bench.systems)
    waiting = {system.name: partial(_waiting, bench, system) for system in systems}
    return {
        "figures": {
            "waiting": bench.interleave(waiting, rounds=1),
            "finished": bench.interleave({OURS.name: partial(_finished, bench)}, rounds=1),
            "worker": bench.interleave({OURS.name: partial(_grown, bench)}, rounds=1),
        },
        "payload_bytes": _PAYLOAD,
        **notes,
    }


if __name__ == "__main__":
    main({"memory": measure}, __doc__)
