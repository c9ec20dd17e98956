"""How a copy of this process ends that a task has made by `os.fork`.

A copy goes on behind the call of `os.fork`. Where it leaves the function of the task, by a return,
an error or `sys.exit()`, it would go on as what the original is, a worker or a process for jobs,
on the same connections: its answers would be taken for those of the original, for other jobs. So it
ends there, with the exit code that a script would have. `multiprocessing` ends its own processes.
"""

from __future__ import annotations

import os
import sys
import traceback

__all__ = ["copies", "end_copy"]

_copies = 0


def _count() -> None:
    global _copies
    _copies += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_count)


def copies() -> int:
    """Return how many forks led to this process: in a copy of it one more than before."""
    return _copies


def end_copy(before: int, error: BaseException | None = None) -> None:
    """End this process where it is a copy; elsewhere do nothing.

    Args:
        before: What `copies` returned in the original.
        error: What the function raised in the copy.
    """
    if _copies == before:
        return
    try:
        os._exit(_exit_code(error))
    finally:
        # Standard error may be gone.
        os._exit(1)


def _exit_code(error: BaseException | None) -> int:
    code = 0
    if isinstance(error, SystemExit):
        if isinstance(error.code, int):
            code = error.code & 0xFF
        elif error.code is not None:
            sys.stderr.write(f"{error.code}\n")
            code = 1
    elif error is not None:
        traceback.print_exception(error)
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code
