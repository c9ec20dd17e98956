"""What a supervisor is to run: worker processes, or a worker and the dashboard."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aiojobs_redis.cli.child import Program
from aiojobs_redis.cli.exits import Misuse
from aiojobs_redis.cli.pulse import file_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    import anyio

__all__ = ["changes_here", "require", "supervise", "supervise_worker"]


def supervise_worker(
    arguments: Sequence[str],
    *,
    processes: int,
    grace: float,
    burst: bool,
    reload: bool,
    heartbeat_file: str | None,
    metrics_port: int | None,
) -> None:
    """Run a worker in processes.

    Args:
        arguments: APP and the options that each process gets.
        processes: How many.
        grace: Seconds that running jobs get after a signal.
        burst: Whether they end when nothing is left to do.
        reload: Whether they follow the code in the current folder.
        heartbeat_file: Where their signs of life go.
        metrics_port: Port of the first one's metrics, each next one's being one higher; 0 for free
            ones, None for none.

    Raises:
        Exit: With the exit code of the whole.
        Misuse: It is not possible here.
    """
    programs: list[Program] = []
    for number in range(1, processes + 1):
        own = ["worker", *arguments, "--processes", "1"]
        if heartbeat_file is not None:
            own += ["--heartbeat-file", file_of(heartbeat_file, number, processes)]
        if metrics_port is not None:
            own += ["--metrics-port", str(metrics_port and metrics_port + number - 1)]
        name = "the worker" if processes == 1 else f"worker process {number}"
        programs.append(Program(name, tuple(own)))
    supervise(programs, grace=grace, burst=burst, reload=reload)


def supervise(
    programs: Sequence[Program], *, grace: float, burst: bool = False, reload: bool = False
) -> None:
    """Run programs under a supervisor.

    Args:
        programs: What to run.
        grace: Seconds that running jobs get after a signal.
        burst: Whether one that ends with 0 is done.
        reload: Whether they follow the code in the current folder.

    Raises:
        Exit: With the exit code of the whole.
        Misuse: It is not possible here.
    """
    import anyio

    from aiojobs_redis.cli.supervisor import Supervisor

    if os.name != "posix":
        raise Misuse(
            "processes are supervised on POSIX systems only: start several workers instead, or "
            "use Linux."
        )
    if reload:
        require("watchfiles", "reload", "--reload follows the code with watchfiles")
    supervisor = Supervisor(
        programs, grace=grace, burst=burst, changes=changes_here if reload else None
    )
    code = anyio.run(supervisor.run)
    if code:
        raise click.exceptions.Exit(code)


async def changes_here(stop: anyio.Event) -> AsyncIterator[str]:
    """Yield a changed Python file of the current folder at each change, until told to stop."""
    from watchfiles import PythonFilter, awatch

    here = Path.cwd()
    async for changes in awatch(here, watch_filter=PythonFilter(), stop_event=stop):
        name = sorted(name for _, name in changes)[0]
        yield str(Path(name).relative_to(here)) if Path(name).is_relative_to(here) else name


def require(module: str, extra: str, why: str) -> None:
    """Look whether an optional package is installed.

    Args:
        module: The package.
        extra: What brings it.
        why: What it is needed for, as the beginning of a sentence.

    Raises:
        Misuse: It is not.
    """
    if importlib.util.find_spec(module) is None:
        raise Misuse(
            f"{why}, which is not installed: python3 -m pip install 'aiojobs-redis[{extra}]'"
        )
