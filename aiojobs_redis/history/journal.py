"""A history on disk, appended to so that a killed process leaves whole lines.

The lines of one call are one write to a file that is opened for appending: what was written stays,
whenever the process is killed, and only the last line can be torn. Each process has a file of its
own, so a torn line is always the last one of its file.
"""

from __future__ import annotations

import logging
import os
import platform
import secrets
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from aiojobs_redis.history.events import FORMAT, Event, encode_event

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Journal"]

_log = logging.getLogger("aiojobs_redis.history")

_BOOT = Path("/proc/sys/kernel/random/boot_id")


class Journal:
    """One process's part of a history; may be written to from several threads.

    Args:
        folder: Where its file is made; created where it does not exist.
        queue: The queue that its lines are about.

    Attributes:
        path: The file.

    Raises:
        OSError: The file cannot be made.
    """

    def __init__(self, folder: str | os.PathLike[str], queue: str) -> None:
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        host, pid = platform.node() or "host", os.getpid()
        self.path: Path = place / f"{queue}-{pid}-{secrets.token_hex(4)}.jsonl"
        self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o644)
        self._lock = threading.Lock()
        self._open = True
        boot = _BOOT.read_text().strip() if _BOOT.exists() else host
        self.write(
            [Event(0, "open", format=FORMAT, queue=queue, process=f"{host}-{pid}", boot=boot)]
        )

    def write(self, events: Sequence[Event]) -> None:
        """Append events; they get the time of now."""
        with self._lock:
            if not self._open:
                return
            now = time.monotonic_ns()
            for event in events:
                event.ns = now
            data = b"".join([encode_event(event) + b"\n" for event in events])
            try:
                while data:
                    data = data[os.write(self._file, data) :]
            except OSError as error:
                # Jobs do not fail for want of a history.
                _log.error("the history %s ends here, it cannot be written: %s", self.path, error)
                self._close()

    def close(self) -> None:
        """Write no more."""
        with self._lock:
            if self._open:
                self._close()

    def _close(self) -> None:
        self._open = False
        os.close(self._file)
