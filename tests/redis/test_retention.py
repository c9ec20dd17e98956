"""How long finished jobs are kept, each by its own time, and that nothing of them is left over."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from aiojobs_redis import Job, JobFailed, JobNotFound, JobState, Queue, Worker
from tests.support.raw import raw, traces
from tests.support.servers import ServerProcess
from tests.support.waiting import wait_until

CAP = 100_000


async def sweep(queue: Queue) -> None:
    """Do what the janitor of a worker does every ten seconds."""
    await queue.store.ask("sweep", 1000, 0, 0, 0, 0, 0)


async def forgotten(queue: Queue, job: Job[Any]) -> None:
    async def gone() -> bool:
        await sweep(queue)
        return await job.state() is None

    await wait_until(gone, f"{job} to be forgotten", 15)


async def settled(queue: Queue) -> bool:
    return (await queue.counts()).unfinished == 0


@pytest.mark.requirement("U11")
async def test_a_job_of_which_nothing_is_kept_leaves_no_trace(queue: Queue) -> None:
    @queue.task(keep_result=0, keep_dead=0, attempts=2, backoff=[0.01])
    async def work(number: int) -> int:
        if number % 2:
            raise ValueError(number)
        return number

    jobs = [await work.options(delay=0.01 * n).enqueue(n) for n in range(6)]
    async with Worker(queue):
        await wait_until(lambda: settled(queue), "every job to be done", 15)
        for job in jobs:
            await forgotten(queue, job)
    for job in jobs:
        assert await traces(queue, job.id) == []
    counts = await queue.counts()
    assert (counts.completed, counts.dead) == (0, 0)


async def test_who_waits_is_told_even_though_nothing_is_kept(queue: Queue) -> None:
    @queue.task(keep_result=0)
    async def work() -> str:
        return "told"

    job = await work.enqueue()
    wait = asyncio.create_task(job.result(15))

    async def registered() -> bool:
        return bool(await raw(queue, "HEXISTS", queue.store.keys["waiters"], job.id))

    await wait_until(registered, "the waiter")
    async with Worker(queue):
        assert await wait == "told"
    assert await traces(queue, job.id) == []


@pytest.mark.requirement("P17")
async def test_two_results_of_different_retention_expire_each_by_itself(queue: Queue) -> None:
    @queue.task
    async def work(number: int) -> int:
        return number

    short = await work.options(keep_result=0.5).enqueue(1)
    long = await work.options(keep_result=timedelta(seconds=60)).enqueue(2)
    usual = await work.enqueue(3)
    async with Worker(queue):
        await wait_until(lambda: settled(queue), "every job to be done")
        assert await short.state() is JobState.COMPLETED
        await forgotten(queue, short)
        assert await long.result(5) == 2
        assert await usual.result(5) == 3
    assert await traces(queue, short.id) == []
    with pytest.raises(JobNotFound, match=r"its retention ended.*keep_result"):
        await short.result(5)


@pytest.mark.requirement("P17")
async def test_dead_jobs_of_different_retention_expire_each_by_itself(queue: Queue) -> None:
    @queue.task(attempts=1)
    async def work() -> None:
        raise ValueError("no")

    short, usual = await work.options(keep_dead=0.5).enqueue(), await work.enqueue()
    async with Worker(queue):
        await wait_until(lambda: settled(queue), "both jobs to be dead")
        assert await short.state() is JobState.DEAD
        await forgotten(queue, short)
        with pytest.raises(JobFailed, match="ValueError: no"):
            await usual.result(5)
    assert await traces(queue, short.id) == []
    assert [info.id for info in await queue.dead_letters()] == [usual.id]


@pytest.mark.slow
async def test_a_short_retention_ends_on_an_idle_queue_too(real_queue: Queue) -> None:
    @real_queue.task(keep_result=0.3)
    async def work() -> None: ...

    job = await work.enqueue()

    async def gone() -> bool:
        return await job.state() is None

    async with Worker(real_queue):
        await wait_until(gone, "the janitor's round", 30)


async def test_a_result_that_was_waited_for_stays_a_minute_at_least(queue: Queue) -> None:
    @queue.task(keep_result=0.2)
    async def work(number: int) -> int:
        return number

    waited, other = await work.enqueue(1), await work.enqueue(2)
    wait = asyncio.create_task(waited.result(15))

    async def registered() -> bool:
        return bool(await raw(queue, "HEXISTS", queue.store.keys["waiters"], waited.id))

    await wait_until(registered, "the waiter")
    async with Worker(queue):
        assert await wait == 1
        await forgotten(queue, other)
        assert await waited.result(5) == 1
    expiry = float(await raw(queue, "ZSCORE", queue.store.keys["kept"], waited.id))
    info = await waited.info()
    assert info is not None
    assert info.finished_at is not None
    assert expiry - info.finished_at.timestamp() * 1000 == pytest.approx(60_000, abs=1)


@pytest.mark.requirement("P17")
@pytest.mark.parametrize("index", ["completed", "cancelled"])
async def test_finished_jobs_are_bounded_by_number(real_queue: Queue, index: str) -> None:
    @real_queue.task
    async def work(number: int) -> int:
        return number

    keys = real_queue.store.keys
    now = int((await raw(real_queue, "TIME"))[0]) * 1000
    # Records of jobs that finished a minute ago, as they would have been written.
    letter = "c" if index == "completed" else "x"
    script = """
        for i = tonumber(ARGV[4]), tonumber(ARGV[1]) do
            local id = 'old' .. i
            redis.call('ZADD', KEYS[1], ARGV[2], id)
            redis.call('HSET', KEYS[2], id, ',e' .. ARGV[2] .. '\\nx')
            redis.call('HSET', KEYS[3], id, ARGV[3] .. ',,,,1,0,0,w,1,2,')
        end
    """
    await real_queue.enqueue("work", 0, id="first")
    names = (keys[index], keys["jobs"], keys["runs"])
    # A call that takes seconds would keep everybody else waiting.
    for first in range(1, CAP + 301, 10_000):
        last = min(first + 9_999, CAP + 300)
        await raw(real_queue, "EVAL", script, 3, *names, last, now - 60_000, letter, first)

    async def bounded() -> bool:
        await sweep(real_queue)
        return bool(await raw(real_queue, "ZCARD", keys[index]) <= CAP)

    async with Worker(real_queue):
        assert await real_queue.job("first").result(20) == 0
        await wait_until(bounded, f"{index} to hold {CAP} jobs at most", 60)
        assert await real_queue.job("first").state() is JobState.COMPLETED
    size = await raw(real_queue, "ZCARD", keys[index])
    assert size > CAP - 1000
    assert await raw(real_queue, "HLEN", keys["runs"]) in (size, size + 1)


@pytest.mark.requirement("P17")
async def test_memory_returns_to_its_base_when_jobs_are_forgotten(
    own_server: ServerProcess,
) -> None:
    queue = Queue("memory", url=own_server.url)

    @queue.task(keep_result=0)
    async def work(data: bytes) -> None: ...

    async def used() -> int:
        found = (await raw(queue, "INFO", "memory")).decode()
        return int(found.partition("used_memory:")[2].split()[0])

    async with Worker(queue, concurrency=100):
        levels: list[int] = []
        for _ in range(3):
            await queue.enqueue_many([work.bind(bytes(1000)) for _ in range(4_000)])
            await wait_until(lambda: settled(queue), "every job to be done", 60)
            # The events are bounded by themselves, at more entries than this test makes.
            await raw(queue, "XTRIM", queue.store.keys["events"], "MAXLEN", 0)
            levels.append(await used())
    assert await raw(queue, "EXISTS", queue.store.keys["jobs"]) == 0
    # Four thousand of these jobs take over 4 MB while they wait.
    assert levels[2] - levels[0] < 1_000_000
    await queue.close()
