"""What has to confirm an enqueue besides the server that has executed it.

Redis replicates, and by default writes to disk, after it has answered. A queue with a durability
asks, behind each batch of enqueues and on the same connection, until enough copies are there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from aiojobs_redis.duration import to_ms
from aiojobs_redis.errors import ConfigInvalid

if TYPE_CHECKING:
    from datetime import timedelta

__all__ = ["Durability", "Fsynced", "Replicated", "check_durability"]

# A timeout of 0 means to Redis that it waits for ever.
_LEAST_MS = 1


@dataclass(frozen=True, slots=True)
class Replicated:
    """An enqueue returns once replicas have received it (``WAIT``).

    Args:
        replicas: How many of them, 1 at least.
        timeout: Seconds to wait for them; then `NotReplicated` is raised.

    Raises:
        ConfigInvalid: One of them is out of range.
    """

    replicas: int = 1
    timeout: float | timedelta = 1.0

    def __post_init__(self) -> None:
        _check_count("replicas", self.replicas, least=1)
        to_ms("timeout", self.timeout, least=_LEAST_MS)


@dataclass(frozen=True, slots=True)
class Fsynced:
    """An enqueue returns once it is in append-only files on disk (``WAITAOF``).

    Needs Redis 7.2 or Valkey 7.2. With ``appendfsync everysec`` it takes up to a second.

    Args:
        replicas: Replicas that must have it on their disks.
        timeout: Seconds to wait; then `NotReplicated` is raised.
        local: Whether the server itself must have it on its disk.

    Raises:
        ConfigInvalid: One of them is out of range, or nothing is asked for.
    """

    replicas: int = 0
    timeout: float | timedelta = 3.0
    local: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.local, bool):
            raise ConfigInvalid(f"local must be True or False, got {self.local!r:.80}")
        _check_count("replicas", self.replicas, least=0 if self.local else 1)
        to_ms("timeout", self.timeout, least=_LEAST_MS)


Durability: TypeAlias = Replicated | Fsynced
"""What a queue may ask for."""


def check_durability(value: object) -> Durability | None:
    """Return the durability of a queue, or None for none.

    Raises:
        ConfigInvalid: It is something else.
    """
    if value is None or isinstance(value, Replicated | Fsynced):
        return value
    raise ConfigInvalid(
        f"durability must be Replicated(...), Fsynced(...) or None, got {value!r:.80}"
    )


def _check_count(option: str, value: object, *, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigInvalid(f"{option} must be a whole number from {least}, got {value!r:.80}")
