"""The clock of leases: seconds since boot, which goes on while the machine sleeps."""

from __future__ import annotations

import time

__all__ = ["MARGIN", "now"]

MARGIN = 0.1
"""Share of a lease that its holder does not use, for the way to Redis and clocks that drift."""

if hasattr(time, "CLOCK_BOOTTIME"):

    def now() -> float:
        """Return the seconds since boot."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

else:
    now = time.monotonic
