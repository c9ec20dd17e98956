"""Wrong tries of a token, by address: who makes too many waits."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Throttle"]

_TRIES = 10
_SECONDS = 60.0
_MOST_ADDRESSES = 10_000


class Throttle:
    """Counts wrong tries in windows of a minute; ten are allowed in each.

    Args:
        clock: Returns seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # Address: end of its window, tries in it. The oldest goes when there are too many.
        self._tries: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tries)

    def wait(self, address: str) -> float:
        """Return for how many seconds an address may not try; 0 where it may."""
        end, tries = self._tries.get(address, (0.0, 0))
        left = end - self._clock()
        return left if tries >= _TRIES and left > 0 else 0.0

    def wrong(self, address: str) -> None:
        """Count a wrong try."""
        now = self._clock()
        end, tries = self._tries.pop(address, (0.0, 0))
        self._tries[address] = (end, tries + 1) if end > now else (now + _SECONDS, 1)
        if len(self._tries) > _MOST_ADDRESSES:
            self._tries.popitem(last=False)
