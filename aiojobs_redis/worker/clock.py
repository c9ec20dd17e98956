"""The clock of leases: seconds since boot, which goes on while the machine sleeps."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MARGIN", "now"]

MARGIN = 0.1
"""Share of a lease that its holder does not use, for the way to Redis and clocks that drift."""

now: Callable[[], float] = time.monotonic
"""Returns the seconds since boot."""

if hasattr(time, "CLOCK_BOOTTIME"):
    # Asked once a job: no call in Python.
    now = functools.partial(time.clock_gettime, time.CLOCK_BOOTTIME)
