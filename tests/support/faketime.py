"""A wrong wall clock for the processes that are started under it.

libfaketime lies to a whole process, where the library is installed (Debian: ``libfaketime``, as
.ci/run does); elsewhere the worker application lies to its own Python. Only the wall clock is
wrong. The clocks that a process measures with are the machine's, as they are where somebody sets
the clock of a host.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

__all__ = ["WAYS", "FakeClock", "obey"]

_PLACES = ("/usr/lib/*/faketime", "/usr/lib/faketime", "/usr/local/lib/faketime")
_LIBRARY = "libfaketimeMT.so.1"
_FILE = "AIOJOBS_REDIS_TEST_CLOCK"


def _library() -> Path | None:
    for place in _PLACES:
        for path in Path("/").glob(f"{place[1:]}/{_LIBRARY}"):
            return path
    return None


WAYS = ["python", *["libfaketime"] * (_library() is not None)]
"""How a process can be lied to on this machine."""


def obey() -> None:
    """Take the wall clock of this process from the file that `FakeClock` names, if it names one."""
    if _FILE not in os.environ:
        return
    file, true = Path(os.environ[_FILE]), time.time_ns

    def told() -> int:
        return true() + int(float(file.read_text()) * 1e9)

    time.time_ns, time.time = told, lambda: told() / 1e9


class FakeClock:
    """The wall clock of some processes.

    Args:
        file: Where its offset is kept.
        way: One of `WAYS`.
        offset: Seconds that it is ahead of the true time.
    """

    def __init__(self, file: Path, way: str, offset: float = 0) -> None:
        self._file = file
        self._way = way
        self.set(offset)

    def set(self, offset: float) -> None:
        """Set the clock that far ahead of the true time, at once, in all its processes."""
        # In one piece: a process may read the file in any moment.
        new = self._file.with_suffix(".new")
        new.write_text(f"{offset:+.3f}\n")
        new.replace(self._file)

    @contextmanager
    def around(self) -> Iterator[None]:
        """Give the clock to whatever is started inside."""
        settings = {_FILE: str(self._file)}
        if self._way == "libfaketime":
            settings = self._of_library()
        with patch.dict(os.environ, settings):
            yield

    def _of_library(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(_library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
