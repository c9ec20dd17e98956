"""Does the same faults to this package and to its rivals, and prints what came of them as JSON.

Every drill has a server of its own, and two systems are drilled at a time since they mostly wait.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import redis

from benchmarks import rivals
from benchmarks.drills.faults import DRILLS, Scene
from benchmarks.drills.fleet import Fleet
from benchmarks.drills.servers import Server
from benchmarks.drills.settings import LEASE, SETTINGS
from benchmarks.harness import System

_LIMIT_S = 40.0


def perform(system: System, drill: str, jobs: int | None = None) -> dict[str, Any]:
    """Do one drill to one system.

    Args:
        system: To which.
        drill: Name of it.
        jobs: How many jobs, None for the usual number.

    Returns:
        The figures, or ``failed`` with the reason.
    """
    lease = SETTINGS[system.name].lease
    try:
        with (
            tempfile.TemporaryDirectory(prefix="ajr-drill-") as folder,
            Server() as server,
            Fleet(system, LEASE, Path(folder)) as fleet,
        ):
            scene = Scene(server, fleet, lease, jobs or DRILLS[drill].jobs, _LIMIT_S)
            found = DRILLS[drill].run(scene)
    except Exception as error:
        found = {"failed": f"{type(error).__name__}: {error}"[:300]}
    rounded = {k: round(v, 2) if isinstance(v, float) else v for k, v in found.items()}
    print(f"{drill} {system.name}: {rounded}", file=sys.stderr, flush=True)
    return rounded


def _machine() -> dict[str, Any]:
    with Server() as server, redis.Redis.from_url(server.url) as client:
        info: Any = client.info()
    name = "valkey" if "valkey_version" in info else "redis"
    return {
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "server": f"{name} {info.get('valkey_version', info['redis_version'])}",
        "day": time.strftime("%d %B %Y"),
        "limit_s": _LIMIT_S,
    }


def main() -> None:
    """Take the options of the command line, drill and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rivals", help="names with commas between, instead of all")
    parser.add_argument("--drills", default=",".join(DRILLS), help="names with commas between")
    parser.add_argument("--runs", type=int, default=1, help="times each drill is done")
    parser.add_argument("--jobs", type=int, help="jobs a drill, instead of each one's own number")
    parser.add_argument("--at-once", type=int, default=2, help="systems drilled at a time")
    parser.add_argument("--into", type=Path, help="folder with drills.json")
    parser.add_argument("--more", action="store_true", help="add the runs to those of the file")
    options = parser.parse_args()
    asked = set(SETTINGS) if options.rivals is None else set(options.rivals.split(","))
    systems, notes = rivals.line_up(asked & set(SETTINGS))
    file = options.into and options.into / "drills.json"
    before: dict[str, Any] = {"versions": {}, "skipped": {}, "figures": {}}
    if options.more and file and file.exists():
        before = json.loads(file.read_text())
    figures = before["figures"]
    report = {
        "machine": _machine(),
        "versions": {**before["versions"], **notes["versions"]},
        "skipped": {**before["skipped"], **notes["skipped"]},
    }
    with ThreadPoolExecutor(options.at_once) as pool:
        for drill in list(options.drills.split(",")) * options.runs:
            found = pool.map(lambda one, drill=drill: perform(one, drill, options.jobs), systems)
            for system, result in zip(systems, found, strict=True):
                figures.setdefault(drill, {}).setdefault(system.name, []).append(result)
            if file:
                file.parent.mkdir(parents=True, exist_ok=True)
                text = json.dumps({**report, "figures": figures}, indent=1, ensure_ascii=False)
                file.write_text(text + "\n")
    print(json.dumps({**report, "figures": figures}, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
