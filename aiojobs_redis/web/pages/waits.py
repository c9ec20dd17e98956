"""How long the oldest queued job waited, minute by minute, as far as it is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiojobs_redis.metrics import MinuteMetrics

__all__ = ["longest", "waits"]


def waits(minutes: Sequence[MinuteMetrics], now: float) -> list[float | None]:
    """Return seconds for each minute, None where nothing is known.

    A worker keeps one sample a minute. Where none was there, the next one that is known still tells
    the least that it can have been: a job that has waited for ten minutes had waited for nine of
    them a minute before.

    Args:
        minutes: The minutes; the last one is not over yet.
        now: How long the oldest job has waited by now.
    """
    found: list[float | None] = [now]
    later = now
    for minute in reversed(minutes[:-1]):
        least = max(0.0, later - 60.0)
        value = minute.oldest_seconds
        found.append(value if value is not None else least or None)
        later = value if value is not None else least
    return found[::-1]


def longest(rows: Sequence[Sequence[float | None]]) -> list[float | None]:
    """Return the longest wait of several queues in each minute."""
    columns = zip(*rows, strict=True)
    return [max((one for one in column if one is not None), default=None) for column in columns]
