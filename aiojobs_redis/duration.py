"""Durations and instants of the public surface as the integer milliseconds that Redis holds."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from aiojobs_redis.errors import ConfigInvalid

__all__ = ["FOREVER_MS", "LONGEST_MS", "from_ms", "instant_ms", "to_ms"]

LONGEST_MS = 100 * 366 * 24 * 3600 * 1000
"""A hundred years: added to any date up to 2200 it stays exact in a Lua number."""

FOREVER_MS = 4_000_000_000_000_000
"""How long what is never forgotten is kept: so long that no other duration comes near."""

_LAST_MS = 253_402_300_799_000  # 9999-12-31
_LATEST_MS = 7_258_118_400_000  # 2200-01-01


def to_ms(option: str, value: float | timedelta, *, least: int = 0) -> int:
    """Return a duration in milliseconds, rounded up, so that nothing happens early.

    Args:
        option: Name of the option, for the message.
        value: Seconds or a timedelta.
        least: The shortest duration allowed, in milliseconds.

    Raises:
        ConfigInvalid: Not a number, or out of range.
    """
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = value
    else:
        raise ConfigInvalid(
            f"{option} must be seconds or a timedelta, got {value!r:.80} ({type(value).__name__})"
        )
    # Written so that NaN is out of range too.
    if not least <= seconds * 1000 <= LONGEST_MS:
        raise ConfigInvalid(
            f"{option} must be from {least / 1000:g} s to {LONGEST_MS // 1000} s "
            f"(a hundred years), got {seconds!r:.80}"
        )
    return math.ceil(round(seconds * 1000, 3))


def instant_ms(option: str, value: datetime) -> int:
    """Return an instant in epoch milliseconds, rounded up.

    Raises:
        ConfigInvalid: Not a datetime, without a time zone, or after the year 2200.
    """
    if not isinstance(value, datetime):
        raise ConfigInvalid(
            f"{option} must be an aware datetime, got {value!r:.80} ({type(value).__name__})"
        )
    if value.utcoffset() is None:
        raise ConfigInvalid(
            f"{option} must be an aware datetime, got the naive {value.isoformat()}: "
            "give it a tzinfo, for example datetime.now(UTC)"
        )
    ms = math.ceil(round(value.timestamp() * 1000, 3))
    if ms > _LATEST_MS:
        raise ConfigInvalid(f"{option} must be before the year 2200, got {value.isoformat()}")
    return max(ms, 0)


def from_ms(ms: float) -> datetime:
    """Return an instant in UTC; what no calendar has is the nearest that one has."""
    return datetime.fromtimestamp(min(max(ms, 0), _LAST_MS) / 1000, UTC)
