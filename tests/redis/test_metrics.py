"""What was counted, by minute and task; how long jobs of each priority wait; health."""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from aiojobs_redis import (
    ConfigInvalid,
    PriorityInfo,
    Queue,
    Snooze,
    TaskMetrics,
    Worker,
    current_job,
)
from tests.support.other_clock import shift, shifted_queue
from tests.support.proxy import Proxy
from tests.support.raw import raw
from tests.support.waiting import wait_until

# Seconds that a probe waits, and what a busy machine may add.
PROBE = 3.0


@pytest.fixture
async def clocked(server_url: str, queue_name: str) -> AsyncIterator[Queue]:
    """A queue whose clock `shift` moves."""
    async with shifted_queue(server_url, queue_name) as queue:
        yield queue


async def test_the_counts_of_each_task_are_what_happened(queue: Queue) -> None:
    @queue.task(attempts=2, backoff=[0])
    async def flaky(what: str) -> None:
        if what == "always" or current_job().attempt == 1:
            raise ValueError(what)

    @queue.task
    async def slow() -> None:
        await asyncio.sleep(0.05)

    @queue.task
    async def later() -> None:
        if current_job().attempt == 1 and not current_job().state:
            current_job().state["been"] = True
            raise Snooze(0)

    assert (await queue.metrics()).total == TaskMetrics()
    for _ in range(3):
        await flaky.enqueue("once")
    await flaky.enqueue("always")
    await queue.enqueue_many([slow.bind() for _ in range(4)])
    await later.enqueue()
    await Worker(queue).run(burst=True)

    metrics = await queue.metrics(minutes=10)

    told = {name: part for name, part in metrics.tasks.items() if name != "slow"}
    assert {
        name: (part.enqueued, part.completed, part.failed, part.dead, part.snoozed)
        for name, part in told.items()
    } == {
        "flaky": (4, 3, 4, 1, 0),
        "later": (1, 1, 0, 0, 1),
    }
    slow_part = metrics.tasks["slow"]
    assert (slow_part.enqueued, slow_part.completed) == (4, 4)
    assert slow_part.run_seconds >= 0.2
    total = metrics.total
    assert (total.enqueued, total.completed, total.failed, total.dead) == (9, 8, 4, 1)
    assert [minute.total.enqueued for minute in metrics.minutes[:8]] == [0] * 8


async def test_each_minute_has_its_counts_and_one_without_any_has_zeros(clocked: Queue) -> None:
    for minutes, count in ((-7, 2), (-3, 5), (-2, 1), (0, 4)):
        await shift(clocked, minutes * 60)
        await clocked.enqueue_many([clocked.bind("work") for _ in range(count)])
        await clocked.enqueue("other")

    metrics = await clocked.metrics(minutes=10)

    counts = [minute.tasks.get("work", TaskMetrics()).enqueued for minute in metrics.minutes]
    # A minute may have ended between two enqueues.
    assert re.fullmatch(r"0*20{3,4}50?10{1,2}40?", "".join(map(str, counts)))
    assert len(counts) == 10
    starts = [minute.at for minute in metrics.minutes]
    steps = [after - before for before, after in itertools.pairwise(starts)]
    assert steps == [timedelta(minutes=1)] * 9
    assert (metrics.total.enqueued, metrics.tasks["other"].enqueued) == (16, 4)
    assert (await clocked.metrics(minutes=1)).total.enqueued in {0, 5}


async def test_a_worker_leaves_the_wait_of_the_oldest_job_by_the_minute(queue: Queue) -> None:
    @queue.task
    async def work() -> None: ...

    assert {minute.oldest_seconds for minute in (await queue.metrics()).minutes} == {None}
    await queue.pause()
    await work.enqueue()
    async with Worker(queue):

        async def seen() -> bool:
            minutes = (await queue.metrics(minutes=2)).minutes
            return any(minute.oldest_seconds is not None for minute in minutes)

        await wait_until(seen, "a sweep of the worker", 20)
    metrics = await queue.metrics()

    waits = [m.oldest_seconds for m in metrics.minutes if m.oldest_seconds is not None]
    assert 1 <= len(waits) <= 2
    assert all(0 <= wait < 60 for wait in waits)
    assert set(metrics.tasks) == {"work"}


async def test_two_days_of_many_tasks_come_in_calls_that_are_short(real_queue: Queue) -> None:
    await real_queue.enqueue("first")
    now = int((await raw(real_queue, "TIME"))[0]) // 60
    names = [f"task{number}" for number in range(40)]
    words: list[str | int] = []
    for minute in range(now - 2870, now - 10, 20):
        words += [minute, "," + ",".join(names)]
        for name in names:
            words += [f"{minute},{name},completed", 3, f"{minute},{name},ms", 1500]
    await raw(real_queue, "HSET", real_queue.store.keys["stats"], *words)
    await raw(real_queue, "CONFIG", "RESETSTAT")

    metrics = await real_queue.metrics(minutes=2880)

    stats = (await raw(real_queue, "INFO", "commandstats")).decode()
    calls = int(re.findall(r"cmdstat_evalsha:calls=(\d+)", stats)[0])
    assert len(metrics.minutes) in {2880, 2881}
    assert metrics.tasks["task7"] == TaskMetrics(completed=3 * 143, run_seconds=143 * 1.5)
    assert metrics.total.completed == 143 * 40 * 3
    assert 6 <= calls <= 30


@pytest.mark.requirement("D23")
async def test_the_oldest_job_of_each_priority_tells_how_long_it_has_waited(clocked: Queue) -> None:
    assert await clocked.priorities() == []
    waited = {5: 400, 0: 30, -7: 4000}
    for priority, seconds in waited.items():
        await shift(clocked, -seconds)
        await clocked.enqueue("work", priority=priority)
        await clocked.enqueue("work", priority=priority, delay=seconds - 20)
        await shift(clocked, -seconds / 2)
        await clocked.enqueue("work", priority=priority)
    await shift(clocked, 0)

    found = await clocked.priorities()

    assert [(one.priority, one.queued) for one in found] == [(5, 2), (0, 2), (-7, 2)]
    for one in found:
        assert one.oldest_seconds is not None
        assert waited[one.priority] <= one.oldest_seconds < waited[one.priority] + 20
    counts = await clocked.counts()
    assert counts.oldest_seconds is not None
    assert 4000 <= counts.oldest_seconds < 4020
    # A delayed job waits since it fell due, and none of those that run.
    async with Worker(clocked) as worker:
        worker.pause()

        async def fell_due() -> bool:
            return (await clocked.counts()).scheduled == 0

        await shift(clocked, 100)
        await wait_until(fell_due, "the delayed jobs to fall due", 20)
        oldest = [one.oldest_seconds for one in await clocked.priorities()]
    assert [round(age or 0, -2) for age in oldest] == [500, 100, 4100]


@pytest.mark.requirement("D23")
async def test_the_oldest_job_is_found_though_its_key_is_not_at_the_head(clocked: Queue) -> None:
    await shift(clocked, -600)
    await clocked.enqueue("work", key="a")
    await shift(clocked, -500)
    for _ in range(20):
        await clocked.enqueue("work", key="a")
    await shift(clocked, 0)
    [lease] = await clocked.claim()
    # Newer jobs of other keys stand before what is left of the first.
    for key in ("b", "c", "d"):
        await clocked.enqueue("work", key=key)
    await lease.complete(None)

    [one] = await clocked.priorities()

    assert (one.priority, one.queued) == (0, 23)
    assert one.oldest_seconds is not None
    assert 500 <= one.oldest_seconds < 520


async def test_more_priorities_than_one_call_returns_are_all_there(queue: Queue) -> None:
    used = range(-1024, 1024, 17)
    await queue.enqueue_many([queue.bind("work", priority=priority) for priority in used])

    found = await queue.priorities()

    assert [one.priority for one in found] == sorted(used, reverse=True)
    assert {one.queued for one in found} == {1}
    assert all(isinstance(one, PriorityInfo) for one in found)


async def test_a_queue_is_well_until_a_threshold_is_passed(clocked: Queue) -> None:
    @clocked.task(attempts=1)
    async def fails() -> None:
        raise ValueError

    health = await clocked.health()
    assert (health.ok, health.problems) == (True, ())
    assert health.counts is not None
    await shift(clocked, -120)
    await clocked.enqueue_many([clocked.bind("work") for _ in range(3)])
    await shift(clocked, 0)

    health = await clocked.health(max_depth=2, max_oldest=timedelta(minutes=1))
    assert not health.ok
    assert [re.sub(r"[\d.]+ s,", "N s,", problem) for problem in health.problems] == [
        "3 jobs are queued, over the limit of 2",
        "a job has been waiting for N s, the limit is 60 s",
        "3 jobs are queued, and no worker was seen in the last 5 s that is not stopping",
    ]
    await clocked.pause()
    assert (await clocked.health(max_depth=3, max_oldest=600)).ok
    await clocked.resume()
    await clocked.drain()
    await fails.enqueue()
    await Worker(clocked).run(burst=True)
    health = await clocked.health(max_dead=0)
    assert health.problems == ("1 jobs are dead, over the limit of 0",)
    assert (await clocked.health(None, None, None)).ok


async def test_a_redis_that_is_away_is_a_problem_and_no_error(queue_name: str) -> None:
    queue = Queue(queue_name, url="redis://127.0.0.1:1")
    begin = time.monotonic()
    health = await queue.health()
    assert time.monotonic() - begin < PROBE
    assert not health.ok
    assert "127.0.0.1:1" in health.problems[0]
    assert "Error 111" in health.problems[0], "the reason is not lost"
    assert health.counts is None
    await queue.close()


async def test_a_redis_that_says_nothing_is_waited_for_as_long_as_a_probe_may_take(
    far_queue: Queue, proxy: Proxy
) -> None:
    assert (await far_queue.health()).ok
    proxy.passing.clear()
    begin = time.monotonic()
    silent, hasty = await asyncio.gather(far_queue.health(), far_queue.health(timeout=0.2))
    took = time.monotonic() - begin
    proxy.passing.set()

    assert took < PROBE
    assert "did not answer within 1 s" in silent.problems[0]
    assert "did not answer within 0.2 s" in hasty.problems[0]
    assert (await far_queue.health(timeout=10)).ok, (
        "the call that was broken off is in nobody's way"
    )
    with pytest.raises(ConfigInvalid, match="timeout"):
        await far_queue.health(timeout=-1)


async def test_numbers_that_cannot_be_are_refused(queue: Queue) -> None:
    for bad in (0, 2881, 1.5, True, "60"):
        with pytest.raises(ConfigInvalid, match="minutes must be a whole number from 1 to 2880"):
            await queue.metrics(bad)  # type: ignore[arg-type]
    for limit in ({"max_depth": -1}, {"max_dead": 1.5}, {"max_oldest": -1}):
        with pytest.raises(ConfigInvalid, match=next(iter(limit))):
            await queue.health(**limit)
