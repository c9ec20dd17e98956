"""How long a failed job waits for its next attempt. Pure: the randomness is passed in.

A policy is one of the classes here, a sequence of seconds (the last one repeats), or a callable of
attempt, error and job that returns seconds, or None or a negative number to stop retrying.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

import msgspec

from aiojobs_redis.errors import ConfigInvalid

__all__ = ["Backoff", "Exponential", "Fixed", "Linear", "check_backoff", "planned_delay"]

_LONGEST = 366 * 24 * 3600.0


def _check(policy: str, name: str, value: float, least: float, most: float = _LONGEST) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
        raise ConfigInvalid(
            f"{policy}({name}=...) must be from {least:g} to {most:g}, got {value!r}"
        )


class Exponential(msgspec.Struct, frozen=True, tag=True):
    """Wait ``base * factor ** (attempt - 1)`` seconds, at most ``cap``.

    Attributes:
        base: Seconds after the first failure.
        factor: What each further failure multiplies it by.
        cap: The longest wait, in seconds.
        jitter: Share of the wait that is left to chance: the wait is multiplied by a number
            drawn from ``[1 - jitter, 1]``, so that jobs that failed together come back apart.
    """

    base: float = 1.0
    factor: float = 2.0
    cap: float = 300.0
    jitter: float = 0.3

    def __post_init__(self) -> None:
        _check("Exponential", "base", self.base, 0)
        _check("Exponential", "factor", self.factor, 1, 1000)
        _check("Exponential", "cap", self.cap, 0)
        _check("Exponential", "jitter", self.jitter, 0, 1)

    def delay(self, attempt: int, chance: float) -> float:
        """Return the seconds to wait after attempt number ``attempt`` (from 1)."""
        # Past 2^1023 a float would overflow; the cap is reached long before.
        growth = math.pow(self.factor, min(attempt - 1, 100))
        return min(self.base * growth, self.cap) * (1 - self.jitter * chance)


class Fixed(msgspec.Struct, frozen=True, tag=True):
    """Wait the same time after each failure.

    Attributes:
        seconds: The wait.
        jitter: As for `Exponential`; none by default.
    """

    seconds: float
    jitter: float = 0.0

    def __post_init__(self) -> None:
        _check("Fixed", "seconds", self.seconds, 0)
        _check("Fixed", "jitter", self.jitter, 0, 1)

    def delay(self, attempt: int, chance: float) -> float:
        """Return the seconds to wait after attempt number ``attempt`` (from 1)."""
        return self.seconds * (1 - self.jitter * chance)


class Linear(msgspec.Struct, frozen=True, tag=True):
    """Wait ``step * attempt`` seconds, at most ``cap``.

    Attributes:
        step: Seconds after the first failure, and what each further one adds.
        cap: The longest wait, in seconds.
        jitter: As for `Exponential`.
    """

    step: float = 1.0
    cap: float = 300.0
    jitter: float = 0.3

    def __post_init__(self) -> None:
        _check("Linear", "step", self.step, 0)
        _check("Linear", "cap", self.cap, 0)
        _check("Linear", "jitter", self.jitter, 0, 1)

    def delay(self, attempt: int, chance: float) -> float:
        """Return the seconds to wait after attempt number ``attempt`` (from 1)."""
        return min(self.step * attempt, self.cap) * (1 - self.jitter * chance)


BackoffCallable: TypeAlias = (
    "Callable[[int, BaseException, Any], float | Awaitable[float | None] | None]"
)
Backoff: TypeAlias = "Exponential | Fixed | Linear | Sequence[float] | BackoffCallable"


def check_backoff(policy: Any) -> Any:
    """Return the policy, a sequence as a tuple.

    Raises:
        ConfigInvalid: Not a policy, an empty sequence, or a negative wait in it.
    """
    if isinstance(policy, Exponential | Fixed | Linear) or callable(policy):
        return policy
    if isinstance(policy, Sequence) and not isinstance(policy, str | bytes) and policy:
        for seconds in policy:
            _check("backoff", "each item", seconds, 0)
        return tuple(float(seconds) for seconds in policy)
    raise ConfigInvalid(
        "backoff must be Exponential, Fixed, Linear, a list of seconds or a callable, "
        f"got {policy!r:.80}"
    )


def planned_delay(
    policy: Exponential | Fixed | Linear | Sequence[float], attempt: int, chance: float
) -> float:
    """Return the seconds that a policy other than a callable gives.

    Args:
        policy: The policy.
        attempt: Number of the attempt that failed, from 1.
        chance: A number from 0 to 1.
    """
    if isinstance(policy, Exponential | Fixed | Linear):
        return policy.delay(attempt, chance)
    return policy[min(attempt, len(policy)) - 1]
