"""Other job queues to compare with, each in a virtual environment of its own made by uv.

Where uv, the network or the package is missing, a rival is reported as skipped with the reason,
and the figures of this package stand alone.
"""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.harness import OURS, System

__all__ = ["Skipped", "arq", "line_up"]

_ARQ = "arq==0.28.0"


class Skipped(Exception):
    """A rival cannot be measured here; the text says why."""


def line_up() -> tuple[list[System], dict[str, Any]]:
    """Return the systems to measure, this package first, and what is to be said of them."""
    systems, skipped = [OURS], {}
    try:
        systems.append(arq())
    except Skipped as reason:
        skipped["arq"] = str(reason)
    return systems, {
        "settings": {system.name: system.settings for system in systems},
        "skipped": skipped,
    }


@functools.cache
def arq() -> System:
    """Return arq with the settings that were best for it.

    Raises:
        Skipped: It cannot be installed.
    """
    settings = (
        "poll_delay=0.01, its default of 0.5 s limits a drain to 1,000 jobs/s; max_jobs as given; "
        "log_results=False; keep_result and all else as by default; uvloop off"
    )
    return System(_ARQ, _python("arq", _ARQ), "with_arq", settings, share=0.25)


def _python(name: str, requirement: str) -> str:
    uv = shutil.which("uv")
    if uv is None:
        raise Skipped("uv is not installed, which makes the environments of rivals")
    release = f"{sys.implementation.name}{sys.version_info.major}.{sys.version_info.minor}"
    number = requirement.rpartition("=")[2]
    folder = Path.home() / ".cache" / "aiojobs-redis-benchmarks" / f"{name}-{number}-{release}"
    python = folder / "bin" / "python"
    if not python.exists():
        _run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder))
    _run(uv, "pip", "install", "--quiet", "--python", str(python), requirement)
    return str(python)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        raise Skipped(f"{' '.join(command[:3])} failed: {done.stderr.strip()[-300:]}")
