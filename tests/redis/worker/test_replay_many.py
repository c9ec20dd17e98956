"""Many ended jobs run again: by their state, by when they ended, and no more than wanted."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aiojobs_redis import ConfigInvalid, Fail, Fixed, JobState, Queue, Worker, group, join
from tests.support.waiting import wait_until

FIELDS = ("queued", "completed", "cancelled", "dead")


async def counted(queue: Queue) -> tuple[int, ...]:
    counts = await queue.counts()
    return tuple(getattr(counts, field) for field in FIELDS)


async def run(queue: Queue) -> None:
    await Worker(queue, concurrency=50).run(burst=True)


async def next_millisecond() -> None:
    late = time.monotonic() + 0.003
    await wait_until(lambda: time.monotonic() > late, "another millisecond")


async def end_some(queue: Queue) -> Counter[str]:
    """Let two jobs complete, one of a retention of its own, two be cancelled, and one die."""
    ran: Counter[str] = Counter()

    @queue.task(attempts=1)
    async def work(what: str) -> None:
        ran[what] += 1
        if what == "dies" and ran[what] == 1:
            raise Fail("for good")

    await work.enqueue("ends")
    await work.options(keep_result=60).enqueue("is kept")
    await work.enqueue("dies")
    await run(queue)
    for reason in ("one", "two"):
        job = await work.options(delay=3600).enqueue("is cancelled")
        assert await job.cancel(reason)
    return ran


@pytest.mark.behaviour("T15")
@pytest.mark.parametrize(
    ("state", "left", "again"),
    [
        (JobState.DEAD, (1, 2, 2, 0), ["dies"]),
        ("cancelled", (2, 2, 0, 1), ["is cancelled", "is cancelled"]),
        (JobState.COMPLETED, (2, 0, 2, 1), ["ends", "is kept"]),
    ],
)
async def test_jobs_of_one_state_run_again(
    queue: Queue, state: JobState | str, left: tuple[int, ...], again: list[str]
) -> None:
    ran = await end_some(queue)
    before = ran.copy()
    assert await queue.replay_all(state=state) == len(again)
    queued, *ended = await counted(queue)
    scheduled = (await queue.counts()).scheduled
    assert (queued + scheduled, *ended) == left
    await queue.promote_all()
    await run(queue)
    assert sorted((ran - before).elements()) == again


async def test_those_that_ended_before_a_moment_run_again(queue: Queue) -> None:
    @queue.task(attempts=1)
    async def dies() -> None:
        raise Fail("for good")

    ended: list[datetime] = []
    for _ in range(3):
        job = await dies.enqueue()
        await run(queue)
        info = await job.info()
        assert info is not None
        assert info.finished_at is not None
        ended.append(info.finished_at)
        await next_millisecond()
    first, second, third = ended
    assert await queue.replay_all(before=first) == 0, "not those of the moment itself"
    assert await queue.replay_all(before=second, task="other") == 0
    assert await queue.replay_all(before=second) == 1
    assert await queue.replay_all(before=third + timedelta(milliseconds=1), error="ValueError") == 0
    assert await queue.replay_all(before=datetime.now(UTC) + timedelta(days=1)) == 2


async def test_no_more_run_again_than_were_asked_for(queue: Queue) -> None:
    ran: list[int] = []

    @queue.task
    async def work(number: int) -> None:
        ran.append(number)

    await queue.enqueue_many([work.bind(number) for number in range(300)])
    await run(queue)
    first = ran.copy()
    assert await queue.replay_all(state="completed", limit=2) == 2
    await run(queue)
    assert sorted(ran[300:]) == sorted(first[:2]), "those that ended first"
    assert await queue.replay_all(state="completed", limit=260) == 260
    assert await queue.replay_all(state="completed", limit=260) == 40
    assert (await queue.counts()).queued == 300


async def test_what_died_of_one_runs_again_with_it_beyond_the_limit(queue: Queue) -> None:
    @queue.task(attempts=1)
    async def part(number: int) -> None:
        raise Fail("for good")

    @queue.task
    async def whole() -> None: ...

    jobs = await queue.enqueue_flow(join(group(part.bind(1), part.bind(2)), whole.bind()))
    await run(queue)
    assert (await queue.counts()).dead == 3
    assert await queue.replay_all(task="part", limit=1) == 1
    assert await queue.replay_all(task="part", limit=1) == 2, "the whole with its last part"
    states = await queue.states([job.id for job in jobs])
    assert sorted(str(state) for state in states.values()) == ["blocked", "queued", "queued"]


async def test_the_last_error_counts_in_each_state(queue: Queue) -> None:
    tried: list[int] = []

    @queue.task(attempts=2, backoff=Fixed(0))
    async def work() -> None:
        tried.append(1)
        if len(tried) == 1:
            raise OSError("once")

    await work.enqueue()
    await work.enqueue()
    await run(queue)
    job = await work.options(delay=3600).enqueue()
    await job.cancel("not wanted")
    (cancelled,) = await queue.jobs("cancelled")
    assert await queue.replay_all(error="OSError", state="cancelled") == 0
    assert await queue.replay_all(error=cancelled.errors[-1].type, state="cancelled") == 1
    assert await queue.replay_all(error="OSError", state="completed") == 1


async def test_what_completes_again_meanwhile_is_not_replayed_again(queue: Queue) -> None:
    ran: Counter[int] = Counter()

    @queue.task
    async def work(number: int) -> None:
        ran[number] += 1

    calls = [work.options(keep_result=60 + number % 2).bind(number) for number in range(300)]
    await queue.enqueue_many([*calls, *(work.bind(number) for number in range(300, 600))])
    await run(queue)
    async with Worker(queue, concurrency=50):
        assert await queue.replay_all(state="completed") == 600
        await wait_until(lambda: ran.total() >= 1200, "all to have run again", 30)
    assert set(ran.values()) == {2}


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"state": "running"}, "state must be dead, cancelled or completed, got running"),
        ({"state": "lost"}, "there is no state 'lost'"),
        ({"before": datetime(2026, 1, 1)}, "got the naive 2026-01-01T00:00:00"),
        ({"before": 5}, "before must be an aware datetime, got 5"),
        ({"limit": 0}, "limit must be"),
    ],
)
async def test_what_cannot_be_asked_for_is_refused(
    queue: Queue, options: dict[str, Any], why: str
) -> None:
    await end_some(queue)
    left = await counted(queue)
    with pytest.raises(ConfigInvalid, match=why):
        await queue.replay_all(**options)
    assert await counted(queue) == left
