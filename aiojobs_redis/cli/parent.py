"""The line between a supervised process and its parent: what it is told up, its own death down.

Nothing is ever sent down. The line closes when the parent is gone, however it died, and the worker
ends then as on TERM: it finishes its jobs within the grace and hands the others back. One whose
event loop hangs cannot, and would keep the lease of the job that blocks it for ever: it is killed
when the parent would have done so.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
import time

__all__ = ["READY", "TOLD_TO_STOP", "UNWIND", "Parent"]

_log = logging.getLogger("aiojobs_redis.cli")

READY, TOLD_TO_STOP = b"R", b"S"
UNWIND = 20.0
"""Seconds that a process has beyond its grace before it is killed."""


class Parent:
    """The parent of this process.

    Args:
        descriptor: This end of the line, which the parent left open.
        held: Whether no jobs are to be claimed until it says so.
        unwind: What this process has beyond its grace when the parent is gone.

    Attributes:
        grace: Seconds that running jobs get after a signal.
    """

    def __init__(self, descriptor: int, *, held: bool, unwind: float = UNWIND) -> None:
        self.held = held
        self.grace: float = 0.0
        self._unwind = unwind
        self._line = socket.socket(fileno=descriptor)

    def follow(self) -> None:
        """End this process when the parent is gone."""
        # A thread, since a loop that hangs must not keep an orphan; a daemon, since it waits on.
        threading.Thread(target=self._wait, name="aiojobs-parent", daemon=True).start()

    def tell_ready(self) -> None:
        """Tell the parent that jobs are claimed, and what grace they get."""
        self._tell(READY + repr(self.grace).encode())

    def tell_told_to_stop(self) -> None:
        """Tell the parent that an operator ends this process, which is not to be started again."""
        self._tell(TOLD_TO_STOP)

    def _tell(self, what: bytes) -> None:
        with contextlib.suppress(OSError):
            self._line.send(what)

    def _wait(self) -> None:
        with contextlib.suppress(OSError):
            self._line.recv(1)
        _log.warning("the supervisor is gone: stopping")
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(self.grace + self._unwind)
        _log.error("this process does not end: it is killed")
        os.kill(os.getpid(), signal.SIGKILL)
