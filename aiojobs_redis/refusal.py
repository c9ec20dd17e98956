"""What is said of the jobs of an enqueue that were not written, for their key's sake."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from aiojobs_redis._redis.answer import LINE_FULL, OVER, REFUSALS
from aiojobs_redis.errors import KeyFull, RateExceeded
from aiojobs_redis.spec import read_header

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiojobs_redis._redis.producer import NewJob
    from aiojobs_redis.errors import QueueFull
    from aiojobs_redis.rate import Rate

__all__ = ["KeyLimits"]


class KeyLimits(NamedTuple):
    """What each key of a queue may do.

    Attributes:
        queue: The queue's name.
        rate: How many jobs it may add, None for any number.
        most: How many of its jobs may wait for their first start, 0 for any number.
    """

    queue: str
    rate: Rate | None
    most: int

    def refusal(self, jobs: Sequence[NewJob], flags: Sequence[str]) -> QueueFull | None:
        """Return the error for the jobs that were refused, None where none was.

        It is of the first of them; its message counts them all.

        Args:
            jobs: The jobs of a call.
            flags: What became of each, as `read_answer` returns it.
        """
        if not self.most and self.rate is None:
            return None
        refused = [at for at, flag in enumerate(flags) if flag in REFUSALS]
        first = next((at for at in refused if flags[at] in {OVER, LINE_FULL}), None)
        if first is None:
            return None
        key = read_header(jobs[first].options.encode()).get("g")
        key = None if key is None else unquote(key)
        what = (
            f"{len(refused)} over it {'was' if len(refused) == 1 else 'were'} refused and not "
            "written. "
        )
        if flags[first] == LINE_FULL or self.rate is None:
            return KeyFull(
                f"queue {self.queue} takes {self.most} waiting jobs of each key, and key {key!r} "
                f"has them; {what}Wait for workers, or raise max_length_per_key.",
                key or "",
                self.most,
            )
        whose = "without a key" if key is None else f"of key {key!r}"
        wait = self.rate.ms / self.rate.jobs / 1000
        return RateExceeded(
            f"queue {self.queue} takes {self.rate} of the jobs {whose}; {what}"
            f"Try again in {wait:g} s, or raise enqueue_rate.",
            key,
            wait,
        )
