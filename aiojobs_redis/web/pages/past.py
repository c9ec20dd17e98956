"""The ticks before the last one of a schedule, found from its expression alone."""

from __future__ import annotations

import re
from collections import deque
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Final

from aiojobs_redis.cron import Cron
from aiojobs_redis.errors import ConfigInvalid

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["INTERVAL", "ticks_before"]

INTERVAL: Final = re.compile(r"every ([\d.e+]+) s")
_WIDEST: Final = timedelta(days=3700)
_MOST_STEPS: Final = 200


@lru_cache(maxsize=1024)
def ticks_before(expression: str, tz: str, last: datetime, count: int) -> tuple[datetime, ...]:
    """Return the ticks before an instant, the newest first; fewer where they lie far back.

    Args:
        expression: The cron expression, or ``every <seconds> s``.
        tz: The zone of the expression.
        last: The instant: a tick.
        count: Ticks at most.
    """
    interval = INTERVAL.fullmatch(expression)
    try:
        if interval is not None:
            period = timedelta(seconds=float(interval[1]))
            return tuple(last - period * back for back in range(1, count + 1))
        return _of_cron(Cron(expression, tz), last, count)
    except (ConfigInvalid, OverflowError, ValueError):
        return ()


def _of_cron(cron: Cron, last: datetime, count: int) -> tuple[datetime, ...]:
    # Runs are only found forwards: from further back each time, until there are enough of them.
    span = (cron.next_after(last) - last) * (count + 1)
    while True:
        found = deque(_between(cron, last - span, last), maxlen=count)
        if len(found) == count or span > _WIDEST:
            return tuple(reversed(found))
        span *= 2


def _between(cron: Cron, start: datetime, last: datetime) -> Iterator[datetime]:
    # An expression that is dense here and thin there is not followed through all of the dense part.
    before = last.astimezone(UTC) - timedelta(milliseconds=1)
    return islice(cron.times(start.astimezone(UTC), before), _MOST_STEPS)
