"""Makes job ids: 26 characters that sort by the time of their making (ULID).

The time is only a convenience for people; nothing is decided by it. Ids of one process differ by a
counter of 30 bits, those of others by 50 random bits and the place where their counters start.
"""

from __future__ import annotations

import itertools
import os
import secrets
import time

__all__ = ["new_id"]

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]


def _text(number: int, width: int) -> str:
    parts: list[str] = []
    for _ in range(width // 2):
        number, pair = divmod(number, 1024)
        parts.append(_PAIRS[pair])
    return "".join(reversed(parts))


class _Maker:
    def __init__(self) -> None:
        self._second = self._ms = -1
        self._high = -1, ""
        self.renew()

    def renew(self) -> None:
        """Draw the random part anew, as a forked child must: it has its parent's."""
        self._random = _text(secrets.randbits(50), 10)
        # The counter starts in the lower half, so that it takes long to come round.
        self._numbers = itertools.count(secrets.randbits(29))
        self._ms = -1

    def __call__(self) -> str:
        ms = time.time_ns() // 1_000_000
        if ms != self._ms:
            if ms >> 10 != self._second:
                self._second, self._start = ms >> 10, _text(ms >> 10, 8)
            self._ms, self._head = ms, self._start + _PAIRS[ms & 1023] + self._random
        count = next(self._numbers)
        high, text = self._high
        if high != count >> 10:
            # Kept with its number: another thread may be at the next one.
            high = count >> 10
            text = _PAIRS[high >> 10 & 1023] + _PAIRS[high & 1023]
            self._high = high, text
        return self._head + text + _PAIRS[count & 1023]


new_id: _Maker = _Maker()
"""Return a new id."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=new_id.renew)
