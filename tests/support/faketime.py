"""A wrong wall clock for the processes that are started under it, by libfaketime.

Only ``CLOCK_REALTIME`` is wrong. The clocks that a process measures with are the machine's, as they
are where somebody sets the clock of a host.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

__all__ = ["FakeClock"]

_PLACES = ("/usr/lib/*/faketime", "/usr/lib/faketime", "/usr/local/lib/faketime")
_LIBRARY = "libfaketimeMT.so.1"


class FakeClock:
    """The wall clock of some processes.

    Args:
        file: Where its offset is kept.
        offset: Seconds that it is ahead of the true time.
    """

    def __init__(self, file: Path, offset: float = 0) -> None:
        self._file = file
        self.set(offset)

    def set(self, offset: float) -> None:
        """Set the clock that far ahead of the true time, at once, in all its processes."""
        # In one piece: a process may read the file in any moment.
        new = self._file.with_suffix(".new")
        new.write_text(f"{offset:+.3f}\n")
        new.replace(self._file)

    @contextmanager
    def around(self) -> Iterator[None]:
        """Give the clock to whatever is started inside.

        Raises:
            AssertionError: libfaketime is not installed.
        """
        settings = {
            "LD_PRELOAD": str(_library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        with patch.dict(os.environ, settings):
            yield


def _library() -> Path:
    for place in _PLACES:
        for path in Path("/").glob(f"{place[1:]}/{_LIBRARY}"):
            return path
    raise AssertionError(
        f"{_LIBRARY} is in none of {', '.join(_PLACES)}: install it with 'apt-get install "
        "libfaketime', as .ci/run does; workers with a wrong clock cannot be tested without"
    )
