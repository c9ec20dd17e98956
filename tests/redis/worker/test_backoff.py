"""How long a failed job waits: as its back-off says, by the server's clock, never less."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise
from typing import Any

import pytest

from aiojobs_redis import (
    Exponential,
    Fixed,
    JobContext,
    JobState,
    Linear,
    Queue,
    Retry,
    Worker,
)

# A shared machine may start an attempt late; early is never right.
LATE = 1.5


async def gaps_of(queue: Queue, attempts: int, backoff: Any) -> list[float]:
    """Let a job fail to its end and return the seconds between its attempts."""
    times: list[float] = []

    @queue.task(attempts=attempts, backoff=backoff)
    async def failing() -> None:
        times.append(time.monotonic())
        raise ValueError("as planned")

    job = await failing.enqueue()
    await Worker(queue).run(burst=True)
    assert await job.state() is JobState.DEAD
    assert len(times) == attempts
    return [later - sooner for sooner, later in pairwise(times)]


@pytest.mark.requirement("B7")
@pytest.mark.requirement("D5")
@pytest.mark.requirement("D16")
@pytest.mark.behaviour("T10")
@pytest.mark.parametrize(
    ("backoff", "least", "most"),
    [
        (Fixed(0.15), [0.15, 0.15], [0.15, 0.15]),
        (Linear(step=0.1, jitter=0), [0.1, 0.2, 0.3], [0.1, 0.2, 0.3]),
        (Linear(step=0.1, cap=0.15, jitter=0.5), [0.05, 0.075], [0.1, 0.15]),
        (Exponential(base=0.1, jitter=0), [0.1, 0.2, 0.4], [0.1, 0.2, 0.4]),
        (Exponential(base=0.1, factor=3), [0.07, 0.21], [0.1, 0.3]),
        (Exponential(base=0.1, factor=10, cap=0.2, jitter=0), [0.1, 0.2, 0.2], [0.1, 0.2, 0.2]),
        ([0.05, 0.2], [0.05, 0.2, 0.2], [0.05, 0.2, 0.2]),
    ],
    ids=["fixed", "linear", "linear-cap", "exponential", "jitter", "cap", "list"],
)
async def test_the_waits_are_as_stated(
    queue: Queue, backoff: Any, least: list[float], most: list[float]
) -> None:
    gaps = await gaps_of(queue, len(least) + 1, backoff)

    # One millisecond is what the clocks of two processes may round apart.
    for gap, low, high in zip(gaps, least, most, strict=True):
        assert low - 0.002 <= gap <= high + LATE


@pytest.mark.requirement("B24")
@pytest.mark.requirement("B7")
async def test_the_record_shows_the_times_of_the_attempts(queue: Queue) -> None:
    @queue.task(attempts=3, backoff=Fixed(0.2))
    async def failing() -> None:
        raise ValueError("as planned")

    job = await failing.enqueue()
    await Worker(queue).run(burst=True)

    info = await job.info()
    assert info is not None
    assert info.started_at is not None
    assert info.finished_at is not None
    times = [error.at for error in info.errors]
    gaps = [(later - sooner).total_seconds() for sooner, later in pairwise(times)]
    assert all(0.19 <= gap <= 0.2 + LATE for gap in gaps)
    assert info.enqueued_at <= times[0] <= times[1] <= info.started_at <= info.finished_at


@pytest.mark.behaviour("T11")
@pytest.mark.requirement("B23")
async def test_a_callable_decides_by_attempt_error_and_job(queue: Queue) -> None:
    calls: list[tuple[int, str, str]] = []

    def decide(attempt: int, error: BaseException, job: JobContext) -> float:
        calls.append((attempt, type(error).__name__, job.task))
        return 0.1 * attempt

    gaps = await gaps_of(queue, 3, decide)

    assert calls == [(1, "ValueError", "failing"), (2, "ValueError", "failing")]
    assert 0.1 <= gaps[0] <= 0.1 + LATE
    assert 0.2 <= gaps[1] <= 0.2 + LATE


@pytest.mark.behaviour("T11")
async def test_an_async_callable_decides_too(queue: Queue) -> None:
    async def decide(attempt: int, error: BaseException, job: JobContext) -> float:
        await asyncio.sleep(0)
        return 0.1

    (gap,) = await gaps_of(queue, 2, decide)

    assert 0.1 <= gap <= 0.1 + LATE


@pytest.mark.behaviour("T11")
@pytest.mark.parametrize("answer", [-1, None])
async def test_a_negative_answer_stops_the_retries(queue: Queue, answer: float | None) -> None:
    runs: list[int] = []

    def decide(attempt: int, error: BaseException, job: JobContext) -> float | None:
        return 0 if attempt == 1 else answer

    @queue.task(attempts=9, backoff=decide)
    async def failing() -> None:
        runs.append(1)
        raise ValueError("as planned")

    job = await failing.enqueue()
    await Worker(queue).run(burst=True)

    assert len(runs) == 2
    assert await job.state() is JobState.DEAD


def nonsense(*_: Any) -> Any:
    return "soon"


def nan(*_: Any) -> float:
    return float("nan")


def infinite(*_: Any) -> float:
    return float("inf")


def raising(*_: Any) -> float:
    raise ZeroDivisionError


def leaving(*_: Any) -> float:
    raise SystemExit


@pytest.mark.behaviour("T11")
@pytest.mark.parametrize("backoff", [nonsense, nan, infinite, raising, leaving])
async def test_a_broken_callable_is_replaced_by_the_default(queue: Queue, backoff: Any) -> None:
    (gap,) = await gaps_of(queue, 2, backoff)

    assert 0.69 <= gap <= 1 + LATE


async def test_a_stop_while_a_back_off_is_awaited_loses_nothing(queue: Queue) -> None:
    reached = asyncio.Event()

    async def endless(*_: Any) -> float:
        reached.set()
        await asyncio.Event().wait()
        raise AssertionError

    @queue.task(attempts=2, backoff=endless)
    async def failing() -> None:
        raise ValueError("as planned")

    job = await failing.enqueue()
    worker = Worker(queue)
    running = asyncio.create_task(worker.run())
    await reached.wait()
    worker.stop(grace=0)
    await asyncio.wait_for(running, 4)

    info = await job.info()
    assert info is not None
    assert (info.state, info.attempt) == (JobState.RETRYING, 2)


@pytest.mark.requirement("B23")
async def test_a_delay_of_retry_wins_over_the_back_off(queue: Queue) -> None:
    times: list[float] = []

    @queue.task(attempts=2, backoff=Fixed(3600))
    async def retrying() -> None:
        times.append(time.monotonic())
        if len(times) == 1:
            raise Retry(delay=0.2)

    await retrying.enqueue()
    await Worker(queue).run(burst=True)

    assert 0.198 <= times[1] - times[0] <= 0.2 + LATE


@pytest.mark.requirement("B23")
async def test_a_retry_without_a_delay_takes_the_back_off(queue: Queue) -> None:
    times: list[float] = []

    @queue.task(attempts=2, backoff=Fixed(0.2))
    async def retrying() -> None:
        times.append(time.monotonic())
        if len(times) == 1:
            raise Retry

    await retrying.enqueue()
    await Worker(queue).run(burst=True)

    assert 0.198 <= times[1] - times[0] <= 0.2 + LATE
