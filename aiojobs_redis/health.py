"""Whether a queue is well, by thresholds of its user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiojobs_redis.job import Counts

__all__ = ["Health", "judge"]


@dataclass(frozen=True, slots=True)
class Health:
    """How a queue is; see `Queue.health`.

    Attributes:
        ok: Whether nothing is wrong.
        problems: What is wrong, a sentence each, with the value and the limit.
        counts: The counts by which it was judged; None where Redis did not answer.
    """

    ok: bool
    problems: tuple[str, ...]
    counts: Counts | None


def judge(
    counts: Counts, max_depth: int | None, max_oldest: float | None, max_dead: int | None
) -> Health:
    """Return what is wrong by these counts.

    Args:
        counts: Those of the queue.
        max_depth: Queued jobs, at most.
        max_oldest: Seconds that the oldest of them may have waited.
        max_dead: Dead letters, at most.
    """
    problems: list[str] = []
    if max_depth is not None and counts.queued > max_depth:
        problems.append(f"{counts.queued} jobs are queued, over the limit of {max_depth}")
    oldest = counts.oldest_seconds or 0.0
    if max_oldest is not None and oldest > max_oldest:
        problems.append(f"a job has been waiting for {oldest:.1f} s, the limit is {max_oldest:g} s")
    if max_dead is not None and counts.dead > max_dead:
        problems.append(f"{counts.dead} jobs are dead, over the limit of {max_dead}")
    if counts.queued and not counts.workers and not counts.paused:
        problems.append(
            f"{counts.queued} jobs are queued, and no worker was seen in the last 5 s "
            "that is not stopping"
        )
    return Health(not problems, tuple(problems), counts)
