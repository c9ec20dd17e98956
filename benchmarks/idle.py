"""What does a worker with nothing to do cost?

Counted over some seconds, from a few seconds after its start: round trips (read events of the
server), commands with those inside scripts, and the processor time of worker and server, in
percent of a core.
"""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import rivals
from benchmarks.harness import Bench, System, main
from benchmarks.server import Usage

__all__ = ["measure"]

_SETTLE, _SECONDS = 2.0, 10.0


def _processor(pid: int) -> float:
    """Return the seconds of processor time of a process and its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _idle(bench: Bench, system: System) -> dict[str, Any]:
    with bench.worker(system, concurrency=10) as pid:
        time.sleep(_SETTLE)
        before, used, start = Usage.of(bench.redis), _processor(pid), time.monotonic()
        time.sleep(_SECONDS)
        spent, seconds = Usage.of(bench.redis).since(before), time.monotonic() - start
        worker = _processor(pid) - used
    return {
        # One of them is the question for the counters.
        "round_trips_per_second": max(0, spent.reads - 1) / seconds,
        "commands_per_second": spent.calls / seconds,
        "worker_core_percent": 100 * worker / seconds,
        "server_core_percent": 100 * spent.cpu_us / 1e6 / seconds,
    }


def measure(bench: Bench) -> dict[str, Any]:
    """Measure this package and its rivals."""
    systems, notes = rivals.line_up(bench.systems)
    cases = {system.name: partial(_idle, bench, system) for system in systems}
    return {"figures": bench.interleave(cases, rounds=1), **notes}


if __name__ == "__main__":
    main({"idle": measure}, __doc__)
