"""Waiting for results: told by a message, found by a look where it was lost, quiet otherwise."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from aiojobs_redis import (
    ConfigInvalid,
    Job,
    JobNotFound,
    JobState,
    Queue,
    QueueUnavailable,
    ResultTooLarge,
    Worker,
)
from tests.support.proxy import Proxy
from tests.support.raw import raw
from tests.support.waiting import wait_until


class Point(msgspec.Struct):
    x: int
    y: float


async def waiting_for(queue: Queue, count: int) -> None:
    """Return once so many jobs are registered as waited for."""

    async def registered() -> bool:
        return bool(await raw(queue, "HLEN", queue.store.keys["waiters"]) == count)

    await wait_until(registered, f"{count} registered waiters", 30)


async def subscriptions(queue: Queue) -> int:
    channels = await raw(queue, "PUBSUB", "CHANNELS", f"test:{{{queue.name}}}*")
    return len(channels)


@pytest.mark.requirement("P11")
async def test_a_result_that_is_there_already_is_returned_at_once(real_queue: Queue) -> None:
    @real_queue.task
    async def work(number: int) -> int:
        return number

    jobs = await real_queue.enqueue_many([work.bind(n) for n in range(20)])
    async with Worker(real_queue):
        await jobs[-1].result(10)
        await wait_until(lambda: settled(real_queue), "every job to be done")
    await raw(real_queue, "CONFIG", "RESETSTAT")
    assert [await job.result(5) for job in jobs] == list(range(20))
    stats = (await raw(real_queue, "INFO", "commandstats")).decode()
    assert "cmdstat_evalsha:calls=20," in stats
    assert "cmdstat_subscribe" not in stats


async def settled(queue: Queue) -> bool:
    return (await queue.counts()).unfinished == 0


@pytest.mark.requirement("P11")
async def test_a_thousand_concurrent_waits_all_end(queue: Queue) -> None:
    @queue.task
    async def work(number: int) -> int:
        return number

    jobs = await queue.enqueue_many([work.bind(n) for n in range(1000)])
    waits = [asyncio.create_task(job.result(60)) for job in jobs]
    await waiting_for(queue, 1000)
    async with Worker(queue, concurrency=100):
        assert await asyncio.gather(*waits) == list(range(1000))


@pytest.mark.slow
@pytest.mark.requirement("P11")
@pytest.mark.requirement("P13")
async def test_ten_thousand_waits_share_a_subscription_and_outlive_it(real_queue: Queue) -> None:
    @real_queue.task
    async def work(number: int) -> int:
        return number

    count = 10_000
    jobs = await real_queue.enqueue_many([work.bind(n) for n in range(count)])
    waits = [asyncio.create_task(job.result(90)) for job in jobs]
    await waiting_for(real_queue, count)
    assert await subscriptions(real_queue) == 1
    # What is told from now on is lost, until the process has subscribed again.
    assert await raw(real_queue, "CLIENT", "KILL", "TYPE", "pubsub") == 1
    async with Worker(real_queue, concurrency=200):
        assert await asyncio.gather(*waits) == list(range(count))
    assert await raw(real_queue, "HLEN", real_queue.store.keys["waiters"]) == 0


@pytest.mark.requirement("P11")
async def test_many_waits_for_one_job_all_get_its_result(queue: Queue, server_url: str) -> None:
    @queue.task
    async def work() -> str:
        return "done"

    job = await work.enqueue()
    other = Queue(queue.name, url=server_url, namespace="test")
    waits = [asyncio.create_task(job.result(20)) for _ in range(50)]
    waits += [asyncio.create_task(other.job(job.id).result(20)) for _ in range(50)]
    await waiting_for(queue, 1)
    async with Worker(queue):
        assert await asyncio.gather(*waits) == ["done"] * 100
    await other.close()


@pytest.mark.requirement("P11")
async def test_a_job_whose_message_was_lost_is_found_by_the_look_each_second(queue: Queue) -> None:
    @queue.task
    async def work() -> str:
        return "done"

    job = await work.enqueue()
    wait = asyncio.create_task(job.result(20))
    await waiting_for(queue, 1)
    # Nobody is told now, as when the message went to a subscription that had just broken.
    await raw(queue, "DEL", queue.store.keys["waiters"])
    async with Worker(queue):
        await wait_until(lambda: settled(queue), "the job to be done")
        done = time.monotonic()
        assert await wait == "done"
        assert time.monotonic() - done < 5


@pytest.mark.requirement("P11")
async def test_a_wait_survives_the_loss_of_all_its_connections(
    real_url: str, queue_name: str
) -> None:
    near = Queue(queue_name, url=real_url, namespace="test")

    @near.task
    async def work(number: int) -> int:
        return number

    async with (
        Proxy(real_url.removeprefix("unix://")) as proxy,
        Queue(queue_name, url=proxy.url, namespace="test") as far,
    ):
        jobs = [await far.enqueue("work", n) for n in range(10)]
        waits = [asyncio.create_task(job.result(30)) for job in jobs]
        await waiting_for(near, 10)
        proxy.refusing = True
        proxy.cut()
        async with Worker(near):
            await wait_until(lambda: settled(near), "every job to be done")
        proxy.refusing = False
        assert await asyncio.gather(*waits) == list(range(10))
    await near.close()


@pytest.mark.requirement("P13")
async def test_a_process_subscribes_once_and_only_while_it_waits(real_queue: Queue) -> None:
    @real_queue.task
    async def work(number: int) -> int:
        return number

    jobs = [await work.enqueue(n) for n in range(30)]
    assert await subscriptions(real_queue) == 0
    waits = [asyncio.create_task(job.result(20)) for job in jobs]
    await waiting_for(real_queue, 30)
    assert await subscriptions(real_queue) == 1
    clients = (await raw(real_queue, "CLIENT", "LIST", "TYPE", "pubsub")).decode().splitlines()
    assert len(clients) == 1
    async with Worker(real_queue):
        await asyncio.gather(*waits)

    async def nobody_subscribed() -> bool:
        return await raw(real_queue, "CLIENT", "LIST", "TYPE", "pubsub") in (b"", b"\n")

    await wait_until(nobody_subscribed, "the subscription to end")
    again = asyncio.create_task((await work.enqueue(99)).result(20))
    await waiting_for(real_queue, 1)
    async with Worker(real_queue):
        assert await again == 99


async def test_a_wait_ends_with_a_timeout_and_can_be_taken_up_again(queue: Queue) -> None:
    @queue.task
    async def work() -> str:
        return "done"

    job = await work.enqueue()
    for timeout in (0, 0.05, timedelta(milliseconds=50)):
        with pytest.raises(TimeoutError, match=f"job {job.id} has not finished within"):
            await job.result(timeout)
    for bad in (-1, float("nan"), "5"):
        with pytest.raises(ConfigInvalid, match="timeout"):
            await job.result(bad)  # type: ignore[arg-type]
    assert await job.state() is JobState.QUEUED
    async with Worker(queue):
        assert await job.result(timedelta(seconds=10)) == "done"


async def test_a_cancelled_wait_leaves_the_others_and_the_job_alone(queue: Queue) -> None:
    @queue.task
    async def work() -> str:
        return "done"

    job = await work.enqueue()
    waits = [asyncio.create_task(job.result(20)) for _ in range(3)]
    await waiting_for(queue, 1)
    waits[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await waits[0]
    async with Worker(queue):
        assert await asyncio.gather(*waits[1:]) == ["done"] * 2


@pytest.mark.behaviour("T03")
@pytest.mark.parametrize(
    "value",
    [{"a": [1, {"b": None}]}, [1, 2.5, "x"], "text", True, None, b"\x00\xff", -(2**63), "é" * 5000],
    ids=lambda value: str(value)[:12],
)
async def test_a_result_of_any_plain_type_comes_back_as_it_was(queue: Queue, value: object) -> None:
    @queue.task
    async def work() -> Any:
        return value

    job = await work.enqueue()
    wait = asyncio.create_task(job.result(20))
    await waiting_for(queue, 1)
    async with Worker(queue):
        # Told by the message, or read where it is too large for one; then read from the record.
        assert await wait == value
        assert await queue.job(job.id).result(5) == value


async def test_a_result_has_the_type_of_the_task_where_the_task_is_known(queue: Queue) -> None:
    @queue.task
    async def work(point: Point) -> list[Point]:
        return [point, Point(point.x + 1, point.y)]

    job = await work.enqueue(Point(1, 2.5))
    async with Worker(queue):
        assert await job.result(10) == [Point(1, 2.5), Point(2, 2.5)]
        plain = await queue.job(job.id).result(5)
        assert plain == [{"x": 1, "y": 2.5}, {"x": 2, "y": 2.5}]


async def test_a_result_over_the_limit_leaves_the_job_completed_and_says_its_size(
    queue: Queue,
) -> None:
    @queue.task
    async def work(size: int) -> bytes:
        return bytes(size)

    small, large = await work.enqueue(900_000), await work.enqueue(3_000_000)
    async with Worker(queue):
        assert len(await small.result(10)) == 900_000
        with pytest.raises(ResultTooLarge, match="3000005 bytes"):
            await large.result(10)
    assert await large.state() is JobState.COMPLETED


async def test_a_wait_for_a_job_that_is_forgotten_meanwhile_ends(queue: Queue) -> None:
    job = await queue.enqueue("work")
    wait = asyncio.create_task(job.result(20))
    await waiting_for(queue, 1)
    await queue.destroy(force=True)
    with pytest.raises(JobNotFound, match=job.id):
        await wait


async def test_a_wait_that_cannot_begin_says_so(queue_name: str) -> None:
    queue = Queue(queue_name, url="redis://127.0.0.1:1")
    job: Job[Any] = queue.job("x")
    with pytest.raises(QueueUnavailable, match=r"127\.0\.0\.1:1"):
        await job.result(20)
    with pytest.raises(TimeoutError):
        await job.result(0.05)
    await queue.close()


async def test_a_result_that_is_there_is_returned_without_waiting(queue: Queue) -> None:
    @queue.task
    async def quick() -> int:
        return 7

    job = await quick.enqueue()
    with pytest.raises(TimeoutError, match="within 0 s"):
        await job.result(0)
    async with Worker(queue):
        await job.result(20)

    assert await job.result(0) == 7
