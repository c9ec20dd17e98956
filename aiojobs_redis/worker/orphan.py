"""The end of a process for jobs whose worker is gone, whatever it does at that time.

The end of the line to its worker is seen by a thread, which does not run while a function holds
Python's lock, as an endless regular expression does. Linux can be asked to kill it instead. What
Linux goes by is the end of the thread that started the process, so it is asked only where that is
the main thread, which ends with the worker's process: an event loop may go on in another thread.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

__all__ = ["die_with", "parent_to_die_with"]

_PR_SET_PDEATHSIG = 1


def parent_to_die_with() -> int:
    """Return the id of this process where its end is that of the current thread; 0 elsewhere."""
    return os.getpid() if threading.current_thread() is threading.main_thread() else 0


def die_with(parent: int) -> None:
    """Have this process killed when its parent ends.

    Args:
        parent: Id of the parent; 0, or another process than the parent, as where a script starts
            the interpreter, leaves it to the line.
    """
    if sys.platform != "linux" or os.getppid() != parent:
        return
    import ctypes

    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    except (AttributeError, OSError):
        return
    if os.getppid() != parent:
        # It ended before it was asked for.
        os._exit(1)
