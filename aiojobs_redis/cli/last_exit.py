"""The end of a process whose tasks or threads do not end.

Their jobs were handed back when the worker gave them up. Waiting for them would keep the process
from being replaced until somebody kills it, so it ends without them, and says so by its exit code.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time

from aiojobs_redis.cli.exits import ExitCode
from aiojobs_redis.printing import log_error

__all__ = ["leave_executor_behind", "leave_tasks_behind", "leave_threads_behind"]

_log = logging.getLogger("aiojobs_redis.cli")

_PATIENCE = 1.0
_JOBS_THREAD = "AnyIO worker thread"


async def leave_tasks_behind() -> None:
    """End the process with exit code 1 if asyncio tasks do not end within a second."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if not others:
        return
    _, stuck = await asyncio.wait(others, timeout=_PATIENCE)
    if stuck:
        _leave(f"{len(stuck)} tasks do not end when they are cancelled")


async def leave_executor_behind() -> None:
    """End the process with exit code 1 if the loop's own threads do not end within a second.

    They are those of ``asyncio.to_thread``. A loop that is closed waits for them five minutes, and
    with Python 3.11 for ever.
    """
    shutdown = asyncio.create_task(asyncio.get_running_loop().shutdown_default_executor())
    # Cancelling it would wait for the threads, too.
    _, stuck = await asyncio.wait({shutdown}, timeout=_PATIENCE)
    if stuck:
        _leave("functions in threads of the event loop do not end")


def leave_threads_behind() -> None:
    """End the process with exit code 1 if the worker's threads do not end within a second.

    The idle ones among them end with the event loop, so this is asked after that.
    """
    deadline = time.monotonic() + _PATIENCE
    threads = [each for each in threading.enumerate() if each.name == _JOBS_THREAD]
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    stuck = sum(thread.is_alive() for thread in threads)
    if stuck:
        _leave(f"{stuck} functions in threads do not end")


def _leave(why: str) -> None:
    # An error on its way to the command line would be told to nobody.
    error, text = sys.exception(), "%s: ending the process without them"
    if error is None:
        _log.error(text, why)
    else:
        log_error(_log, error, text, why)
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(ExitCode.FAILED)
