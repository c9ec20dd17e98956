"""So many in a window of time, as users give it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from aiojobs_redis.duration import to_ms
from aiojobs_redis.errors import ConfigInvalid

if TYPE_CHECKING:
    from datetime import timedelta

__all__ = ["Rate", "RateGiven", "check_rate"]

RateGiven = tuple[int, "float | timedelta"]

_LONGEST_MS = 24 * 3600 * 1000
# So many that the length of one step is known to a hundredth: it is counted in microseconds.
_MOST_A_MS = 10


class Rate(NamedTuple):
    """A checked rate.

    Attributes:
        jobs: So many, 1 to 10 a millisecond.
        ms: In so many milliseconds, up to a day.
    """

    jobs: int
    ms: int

    def __str__(self) -> str:
        return f"{self.jobs} in {self.ms / 1000:g} s"


def check_rate(option: str, value: Any) -> Rate:
    """Return a rate that was given as a number and seconds.

    Raises:
        ConfigInvalid: It is anything else, or out of range.
    """
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise ConfigInvalid(
            f"{option} must be a number and seconds, such as (100, 60), got {value!r:.80}"
        )
    count, window = value
    ms = to_ms(option, window, least=1)
    if ms > _LONGEST_MS:
        raise ConfigInvalid(f"{option} must have a window of a day at most, got {window!r:.80}")
    most = _MOST_A_MS * ms
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= most:
        raise ConfigInvalid(
            f"{option} must allow a whole number from 1 to {most} in {ms / 1000:g} s, "
            f"got {count!r:.80}"
        )
    return Rate(count, ms)
