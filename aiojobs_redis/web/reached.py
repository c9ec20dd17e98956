"""Which of several queues answer: one whose server is away does not hide the others."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiojobs_redis.errors import AiojobsError, QueueUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiojobs_redis.job import Counts
    from aiojobs_redis.queue import Queue

__all__ = ["Reached", "reach"]


@dataclass(frozen=True, slots=True)
class Reached:
    """Queues that were asked.

    Attributes:
        there: Those that answered, with their counts.
        away: Names of the others, and why they did not.
    """

    there: list[tuple[Queue, Counts]]
    away: dict[str, str]


async def reach(queues: Iterable[Queue]) -> Reached:
    """Ask queues for their counts, all at once and for a second at most.

    Raises:
        QueueUnavailable: None of them answered.
    """
    asked = list(queues)
    found = await asyncio.gather(*map(_ask, asked))
    there: list[tuple[Queue, Counts]] = []
    away: dict[str, str] = {}
    for queue, answer in zip(asked, found, strict=True):
        if isinstance(answer, str):
            away[queue.name] = answer
        else:
            there.append((queue, answer))
    if not there:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in away.items())
        raise QueueUnavailable(f"no queue answers: {reasons}")
    return Reached(there, away)


async def _ask(queue: Queue) -> Counts | str:
    try:
        # As a probe: what is slow is not waited for as long as by a producer.
        health = await queue.health(None, None)
    except AiojobsError as error:
        return str(error)
    return health.counts or health.problems[0]
