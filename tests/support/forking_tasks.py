"""Tasks that fork, as for a part of the work, or to start something by hand."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from aiojobs_redis import LeaseLost, current_job

__all__ = ["fork_and_wait", "fork_and_wait_later", "leave_late", "leave_late_later", "plain"]


def plain(number: int) -> int:
    return number


def fork_and_wait(how: str) -> int:
    """Return the exit code of a copy that leaves this function in some way."""
    pid = os.fork()
    if pid:
        _, status = os.waitpid(pid, 0)
        return os.waitstatus_to_exitcode(status)
    if how == "exit":
        sys.exit(3)
    if how == "raise":
        raise ValueError("in the copy")
    if how == "report":
        try:
            _ = current_job().log("of the copy")
        except LeaseLost:
            os._exit(4)
    return -1


async def fork_and_wait_later(how: str) -> int:
    return fork_and_wait(how)


def leave_late(path: str) -> int:
    """Return 1; a copy returns -1 once it is let go."""
    gate, left = Path(path, "gate"), Path(path, "left")
    if os.fork():
        return 1
    while not gate.exists():
        time.sleep(0.01)
    left.touch()
    return -1


async def leave_late_later(path: str) -> int:
    return leave_late(path)
