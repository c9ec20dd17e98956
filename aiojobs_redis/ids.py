"""Makes job ids: 26 characters that sort by the time of their making (ULID).

The time is only a convenience for people; nothing is decided by it. Ids of one process differ by a
counter, those of others by 80 random bits that are drawn anew each millisecond.
"""

from __future__ import annotations

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
        self.renew(0)

    def renew(self, ms: int) -> None:
        self._ms = ms
        # The counter starts in the lower half, so that a millisecond has 2^29 ids at least.
        self._head = _text(ms, 10) + _text(secrets.randbits(50), 10)
        self._count = secrets.randbits(29)

    def __call__(self) -> str:
        ms = time.time_ns() // 1_000_000
        if ms != self._ms:
            self.renew(ms)
        count = self._count
        self._count = count + 1
        first, second = _PAIRS[count >> 20 & 1023], _PAIRS[count >> 10 & 1023]
        return self._head + first + second + _PAIRS[count & 1023]


new_id = _Maker()
"""Return a new id."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: new_id.renew(0))
