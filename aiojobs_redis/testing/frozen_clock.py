"""The time of in-memory servers, which stands still until a test lets it go on.

A job is due, and its retention over, by the clock of its server. That of a real one cannot be set.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

from aiojobs_redis._redis.memory import follow_clock
from aiojobs_redis.duration import from_ms, instant_ms, to_ms
from aiojobs_redis.errors import ConfigInvalid
from aiojobs_redis.testing.given import check_queues

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from aiojobs_redis.queue import Queue

__all__ = ["FrozenClock", "check_in_memory", "frozen"]

_in_force: FrozenClock | None = None


class FrozenClock:
    """Lets the time of all in-memory servers of the process stand still in a ``with`` block.

    `advance` makes delayed jobs, retries and schedules due, and ends retentions, the windows of
    unique jobs and those of rates; `run_until_idle` runs what is due then. A worker that runs
    meanwhile sees it within a second. The clock of Python goes on, and so do the timeouts of
    attempts. Of what runs while the time goes on by more than its lease, the lease runs out.

    Args:
        queues: Queues to be checked; all others that are in memory go by this clock too.
        start: Where it begins; now by default.

    Raises:
        ConfigInvalid: A queue is not in memory, or ``start`` is no aware datetime.

    Example:
        >>> with FrozenClock() as clock:  # doctest: +SKIP
        ...     job = await remind.options(delay=3600).enqueue("Ada")
        ...     clock.advance(hours=1)
        ...     await run_until_idle(queue)
    """

    def __init__(self, *queues: Queue, start: datetime | None = None) -> None:
        check_queues("FrozenClock", queues, least=0)
        check_in_memory("FrozenClock", queues)
        self._start = None if start is None else instant_ms("start", start)
        self._ms = 0
        self._end: Callable[[], None] | None = None

    def __repr__(self) -> str:
        return f"<FrozenClock at {self.now().isoformat()}>"

    def __enter__(self) -> Self:
        global _in_force
        if _in_force is not None:
            raise ConfigInvalid(
                "a FrozenClock is in force already, and there is one time for all in-memory "
                "servers: advance that one"
            )
        self._ms = time.time_ns() // 1_000_000 if self._start is None else self._start
        self._end = follow_clock(lambda: self._ms)
        _in_force = self
        return self

    def __exit__(self, *_: object) -> None:
        global _in_force
        if self._end is not None:
            self._end()
            self._end = _in_force = None

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, *_: object) -> None:
        self.__exit__()

    def now(self) -> datetime:
        """Return its time, in UTC."""
        return from_ms(self._ms)

    def advance(self, duration: float | timedelta | None = None, /, **parts: float) -> None:
        """Let the time go on at once.

        Args:
            duration: Seconds or a timedelta.
            parts: Its parts instead, as of a timedelta: ``advance(hours=1, minutes=30)``.

        Raises:
            ConfigInvalid: It is not entered, or the duration is none or below 0.
        """
        if self._end is None:
            raise ConfigInvalid(
                "this FrozenClock is not in force: use it within 'with FrozenClock() as clock:'"
            )
        self._ms += _duration(duration, parts)


def frozen() -> bool:
    """Whether a clock is in force."""
    return _in_force is not None


def check_in_memory(helper: str, queues: Sequence[Queue]) -> None:
    """See that the queues go by the clock.

    Args:
        helper: Who needs that, for messages.
        queues: The queues.

    Raises:
        ConfigInvalid: One is on a real server.
    """
    for queue in queues:
        server = queue.store.server
        if not server.in_memory:
            raise ConfigInvalid(
                f"{helper}: queue {queue.name} is on {server.label}, whose clock nobody can set, "
                "and a FrozenClock is for queues in memory: give it a URL such as memory://test, "
                "or enter testing.inline(queue) first. On a real server "
                "run_until_idle(queue, scheduled=True) runs what waits for its time."
            )


def _duration(duration: float | timedelta | None, parts: dict[str, Any]) -> int:
    if (duration is None) is not bool(parts):
        raise ConfigInvalid(
            "advance() takes seconds, a timedelta, or parts of one such as hours=1, and one of "
            f"these alone: got {duration!r:.80} and {parts!r:.80}"
        )
    if duration is None:
        try:
            duration = timedelta(**parts)
        except (TypeError, OverflowError) as error:
            raise ConfigInvalid(
                f"advance() takes the parts of a timedelta, such as hours=1, got {parts!r:.80}: "
                f"{error}"
            ) from None
    return to_ms("duration", duration)
