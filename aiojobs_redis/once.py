"""An idempotent call as its caller names it: by a key, and for how long its result counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiojobs_redis.duration import to_ms
from aiojobs_redis.errors import ConfigInvalid

if TYPE_CHECKING:
    from datetime import timedelta

__all__ = ["Once"]

_LONGEST = 256


@dataclass(frozen=True, slots=True)
class Once:
    """What names an idempotent call in a queue; see `JobContext.once`.

    Args:
        key: 1 to 256 bytes of Unicode, the same for all jobs that mean the same call.
        keep: Seconds for which its result is kept and the call not made again, a day by default.

    Raises:
        ConfigInvalid: A value is out of range.
    """

    key: str
    keep: float | timedelta = 24 * 3600

    def __post_init__(self) -> None:
        try:
            size = len(self.key.encode()) if isinstance(self.key, str) else 0
        except UnicodeEncodeError:
            size = 0
        if not 1 <= size <= _LONGEST:
            raise ConfigInvalid(
                f"the key of once must be a text of 1 to {_LONGEST} bytes, got {self.key!r:.80}"
            )
        to_ms("keep of Once", self.keep, least=1)

    @property
    def keep_ms(self) -> int:
        """Milliseconds for which its result is kept."""
        return to_ms("keep of Once", self.keep, least=1)
