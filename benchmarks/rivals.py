"""Other job queues to compare with, each in an environment of its own that is made here.

Each has the settings that were best for it among those tried, at-least-once delivery, and its
concurrency as asked. One that cannot be installed is reported as skipped, with the reason.
"""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness import OURS, System

__all__ = ["RIVALS", "Rival", "Skipped", "line_up"]

_CACHE = Path.home() / ".cache" / "aiojobs-redis-benchmarks"
_DRIVERS = Path(__file__).parent / "systems"


class Skipped(Exception):
    """A rival cannot be measured here; the text says why."""


@dataclass(frozen=True)
class Rival:
    """One to compare with.

    Attributes:
        name: Its name.
        requires: Its packages, pinned; the first one gives the version.
        driver: Module of ``systems/``.
        share: Its part of the jobs, about its part of the throughput.
        settings: What differs from its defaults and why, and what it promises.
        loop: Its event loop.
        bulk: Whether it has a call for many jobs.
        least: The oldest Python that it runs on.
    """

    name: str
    requires: tuple[str, ...]
    driver: str
    share: float
    settings: str
    loop: str = "asyncio"
    bulk: bool = True
    least: tuple[int, int] = (3, 11)


RIVALS = (
    Rival(
        "ardiq",
        ("ardiq==1.2.0",),
        "with_ardiq.py",
        0.3,
        "Rust core. poll_block_ms=10 (default 500, which starts delayed jobs up to 0.6 s late and "
        "makes no difference to drains); prefetch 2 x concurrency, results for 5 minutes as by "
        "default; at least once.",
        least=(3, 12),
    ),
    Rival(
        "blitzq",
        ("blitzq==1.1.0", "redis[hiredis]==8.1.0"),
        "with_blitzq.py",
        0.4,
        "mode='reliable', its default: streams, acknowledged after the task in one MULTI with the "
        "result, leases renewed; batch_size = min(concurrency, 100); at least once.",
    ),
    Rival(
        "dramatiq",
        ("dramatiq[redis]==2.2.1", "redis==8.1.0", "hiredis==3.5.0"),
        "with_dramatiq.py",
        0.2,
        "Sync, concurrency = threads of one process. worker_timeout 5 ms (default 1000, the time "
        "between polls); prefetch 4000 (default twice the threads); max_connections=1000; no "
        "results, its default; at least once.",
        bulk=False,
    ),
    Rival(
        "bullmq-node",
        ("bullmq@6.7.0", "ioredis@6.0.0"),
        "with_bullmq_node.mjs",
        0.2,
        "Node.js, one process. Defaults but concurrency: ioredis, completed jobs kept, locks of "
        "30 s; at least once.",
    ),
    Rival(
        "taskiq",
        (
            "taskiq[orjson,uv]==0.13.0",
            "taskiq-redis==1.2.4",
            "hiredis==3.5.0",
            "orjson==3.13.0",
            "uvloop==0.23.0",
        ),
        "with_taskiq.py",
        0.12,
        "RedisStreamBroker, acknowledged after the run, no results (its default); ORJSON, "
        "max_prefetch=100, uvloop as its own command uses; delayed jobs by its scheduler beside "
        "the worker, rereading every second (default 60); at least once.",
        loop="uvloop",
        bulk=False,
    ),
    Rival(
        "docket",
        ("pydocket==0.27.0", "hiredis==3.5.0"),
        "with_docket.py",
        0.1,
        "minimum_check_interval=2 ms (default 250, which limits it to 4 x concurrency jobs/s), "
        "scheduling_resolution=10 ms (default 250), 3,000 connections; at least once.",
    ),
    Rival(
        "arq",
        ("arq==0.28.0",),
        "with_arq.py",
        0.08,
        "poll_delay=0.01 (its default of 0.5 s limits a drain to 1,000 jobs/s), log_results off; "
        "at least once.",
        bulk=False,
    ),
    Rival(
        "bullmq",
        ("bullmq==3.4.4", "redis[hiredis]==8.1.0"),
        "with_bullmq.py",
        0.06,
        "Python port. Asked for the server's version before its start, else it rounds waits up to "
        "seconds; completed jobs kept, locks of 30 s; at least once.",
    ),
    Rival(
        "saq",
        ("saq[redis,hiredis]==0.26.4", "typing-extensions==4.16.0"),
        "with_saq.py",
        0.05,
        "retries=5 (default 1, which aborts the job of a worker that died); result kept for 10 "
        "minutes; at least once.",
        bulk=False,
    ),
    Rival(
        "streaq",
        ("streaq==7.2.0",),
        "with_streaq.py",
        0.04,
        "COREDIS_OPTIMIZED=true, silent=True; results for 5 minutes; at least once.",
    ),
    Rival(
        "celery",
        ("celery[redis]==5.7.0", "kombu==5.7.0", "redis==8.1.0", "hiredis==3.5.0"),
        "with_celery.py",
        0.03,
        "Threads pool, task_acks_late=True for at least once, no result backend (its default), "
        "gossip, mingle, remote control and rate limits off; bulk by kombu's pipelined batch.",
    ),
    Rival(
        "rq",
        ("rq==3.0.0", "redis==8.1.0", "hiredis==3.5.0"),
        "with_rq.py",
        0.015,
        "One job at a time in this process: concurrency has no effect. Retry(max=1) so that a "
        "crashed job runs again; results for 500 s; at least once for one crash.",
    ),
)


def line_up(names: Collection[str] | None = None) -> tuple[list[System], dict[str, Any]]:
    """Return the systems to measure, this package first, and what is to be said of them.

    Args:
        names: Those to compare with, None for all.
    """
    systems, skipped = [OURS], {}
    for rival in RIVALS:
        if names is not None and rival.name not in names:
            continue
        try:
            systems.append(installed(rival))
        except Skipped as reason:
            skipped[rival.name] = str(reason)
    return systems, {
        "settings": {system.name: system.settings for system in systems},
        "versions": {system.name: system.version for system in systems},
        "skipped": skipped,
    }


@functools.cache
def installed(rival: Rival) -> System:
    """Install a rival where it is not yet, and return it as a system.

    Raises:
        Skipped: It cannot be installed.
    """
    number = rival.requires[0].replace("@", "==").rpartition("=")[2]
    folder = _CACHE / f"{rival.name}-{number}"
    driver = str(_DRIVERS / rival.driver)
    environment: dict[str, str] = {}
    if driver.endswith(".mjs"):
        command = (_node_of(rival, folder), driver)
        environment = {"BENCH_NODE_MODULES": str(folder / "node_modules")}
    else:
        command = (_python_of(rival, folder), driver)
    return System(
        rival.name,
        command,
        rival.settings,
        rival.share,
        rival.loop,
        rival.bulk,
        environment,
        number,
    )


def _python_of(rival: Rival, folder: Path) -> str:
    if sys.version_info < rival.least:
        raise Skipped(f"it needs Python {'.'.join(map(str, rival.least))} or newer")
    uv = shutil.which("uv")
    if uv is None:
        raise Skipped("uv is not installed, which makes the environments of rivals")
    release = f"{sys.implementation.name}{sys.version_info.major}.{sys.version_info.minor}"
    folder = folder.with_name(f"{folder.name}-{release}")
    python = folder / "bin" / "python"
    if not python.exists():
        _run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder))
    _run(uv, "pip", "install", "--quiet", "--python", str(python), *rival.requires)
    return str(python)


def _node_of(rival: Rival, folder: Path) -> str:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise Skipped("node and npm are not installed")
    if not (folder / "node_modules").exists():
        folder.mkdir(parents=True, exist_ok=True)
        _run(npm, "install", "--silent", "--prefix", str(folder), *rival.requires)
    return node


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        raise Skipped(f"{' '.join(command[:3])} failed: {done.stderr.strip()[-300:]}")
