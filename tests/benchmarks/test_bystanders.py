"""What a plain job costs where others of its queue use something: a few commands a call more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from aiojobs_redis import Queue, Unique
from tests.benchmarks.test_costs import Counters, connected, counters, drain

__all__ = ["connected", "counters"]

_JOBS = 1000
_HOUR = 3600
# Of an exchange with fifty jobs, beside those that each of them takes anyway.
_MORE_A_CALL = 25
Use = Callable[[Queue], Awaitable[object]]


async def flows(queue: Queue) -> None:
    first = await queue.enqueue("later", delay=_HOUR)
    for _ in range(20):
        await queue.enqueue("later", depends_on=[first])


async def limits(queue: Queue) -> None:
    await queue.limit(concurrency=1, rate=(1, _HOUR), key="other")
    await queue.limit(concurrency=1, key="*")
    await queue.limit(rate=(1, _HOUR), task="later")


async def keys(queue: Queue) -> None:
    await queue.weigh("other", 3)
    await queue.enqueue("later", key="other", delay=_HOUR)


async def unique_keys(queue: Queue) -> None:
    unique = Unique("other", on_conflict="follow")
    await queue.enqueue("later", unique=unique, delay=_HOUR)


async def retention(queue: Queue) -> None:
    await queue.keep(completed=100_000, dead=100)


async def expiry(queue: Queue) -> None:
    await queue.enqueue("later", delay=_HOUR, expires=2 * _HOUR, max_starts=1)


async def schedules(queue: Queue) -> None:
    await queue.schedule("later", queue.bind("later"), every=_HOUR)


USES: list[Use] = [flows, limits, keys, unique_keys, retention, expiry, schedules]


async def _cost(queue: Queue, counters: Counters, **options: Any) -> tuple[int, int]:
    """Return commands and calls of scripts of a drain."""
    await queue.enqueue_many([queue.bind("noop", **options) for _ in range(_JOBS)])
    await counters.reset()
    await drain(queue)
    spent = await counters.read()
    return spent.issued_by_scripts, spent.of("evalsha")


@pytest.mark.parametrize("use", USES, ids=lambda use: use.__name__)
async def test_a_plain_job_costs_no_more_where_others_use_something(
    connected: Queue, counters: Counters, use: Use
) -> None:
    plain, calls = await _cost(connected, counters)
    await use(connected)
    beside, more_calls = await _cost(connected, counters)
    # Counted by the call: how many there are depends on how busy the host is.
    assert beside / more_calls <= plain / calls + _MORE_A_CALL


async def test_a_job_without_a_result_costs_no_more_where_there_are_flows(
    connected: Queue, counters: Counters
) -> None:
    plain, calls = await _cost(connected, counters, keep_result=0)
    await flows(connected)
    beside, more_calls = await _cost(connected, counters, keep_result=0)
    assert beside / more_calls <= plain / calls + _MORE_A_CALL
