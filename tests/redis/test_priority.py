"""Strict priority: higher numbers first, and in order of arrival inside each."""

from __future__ import annotations

import asyncio
import random

import pytest

from aiojobs_redis import BoundCall, Queue, Worker, current_job
from tests.support.raw import raw
from tests.support.waiting import wait_until

LOWEST, HIGHEST = -1024, 1023


async def order_of_runs(queue: Queue, priorities: list[int | None]) -> list[int]:
    """Enqueue a job for each priority in a random mix of ways, and return the order of the runs."""
    order: list[int] = []

    @queue.task
    async def work(number: int) -> None:
        order.append(number)

    def bound(number: int) -> BoundCall[None]:
        priority = priorities[number]
        return (work if priority is None else work.options(priority=priority)).bind(number)

    numbers = list(range(len(priorities)))
    dice = random.Random(len(priorities))
    while numbers:
        some, numbers = numbers[: (size := dice.choice([1, 2, 30]))], numbers[size:]
        calls = [bound(number) for number in some]
        if len(calls) == 30:
            await queue.enqueue_many(calls)
        else:
            await asyncio.gather(*(queue.enqueue_call(call) for call in calls))
    async with Worker(queue, concurrency=1):
        await wait_until(lambda: len(order) == len(priorities), "every job to run", 60)
    return order


def ranked(priorities: list[int | None]) -> list[int]:
    # A sort in Python is stable, which is the order of arrival.
    return sorted(range(len(priorities)), key=lambda number: -(priorities[number] or 0))


@pytest.mark.requirement("B8")
@pytest.mark.requirement("D3")
@pytest.mark.requirement("D14")
@pytest.mark.behaviour("T24")
@pytest.mark.parametrize("seed", [1, 2])
async def test_random_priorities_come_out_sorted_and_in_order_of_arrival(
    queue: Queue, seed: int
) -> None:
    dice = random.Random(seed)
    edges = [LOWEST, LOWEST + 1, -1, 0, 1, HIGHEST - 1, HIGHEST, None]
    few = [dice.choice(edges) for _ in range(150)]
    many = [dice.randint(LOWEST, HIGHEST) for _ in range(100)]
    priorities = [*few, *many]
    dice.shuffle(priorities)
    assert await order_of_runs(queue, priorities) == ranked(priorities)


@pytest.mark.behaviour("T24")
@pytest.mark.parametrize("behind", [2**32, 2**40, 2**42 - 2**40 - 1_000_000])
async def test_the_order_holds_after_any_number_of_enqueues(queue: Queue, behind: int) -> None:
    await (await queue.enqueue("other", priority=-1024)).cancel()
    meta = queue.store.keys["meta"]
    before = int(await raw(queue, "HGET", meta, "sequence"))
    await raw(queue, "HSET", meta, "sequence", before + behind)
    dice = random.Random(behind)
    priorities = [dice.choice([LOWEST, -1, 0, None, 1, HIGHEST]) for _ in range(100)]
    assert await order_of_runs(queue, priorities) == ranked(priorities)


@pytest.mark.requirement("B8")
@pytest.mark.requirement("D3")
async def test_a_job_without_a_priority_is_one_of_priority_zero(queue: Queue) -> None:
    assert await order_of_runs(queue, [None, 0, -1, None, 1, 0, None]) == [4, 0, 1, 3, 5, 6, 2]


@pytest.mark.requirement("D10")
async def test_an_old_low_job_never_beats_a_new_high_one(queue: Queue) -> None:
    order: list[str] = []

    @queue.task
    async def work(name: str) -> None:
        order.append(name)

    @queue.task
    async def first() -> None:
        # By now the low jobs are old, and those that it adds are brand-new.
        for name in ("high 1", "high 2"):
            await work.options(priority=1).enqueue(name)

    await first.options(priority=2).enqueue()
    lows = [await work.enqueue(f"low {n}") for n in range(5)]
    async with Worker(queue, concurrency=1):
        await lows[-1].result(10)
    assert order == ["high 1", "high 2", *(f"low {n}" for n in range(5))]


@pytest.mark.requirement("D10")
async def test_a_delayed_job_keeps_its_priority_when_it_falls_due(queue: Queue) -> None:
    order: list[str] = []

    @queue.task
    async def work(name: str) -> None:
        order.append(name)

    await queue.pause()
    jobs = [
        await work.enqueue("low"),
        await work.options(priority=5, delay=0.05).enqueue("high"),
        await work.options(priority=9, delay=0.1).enqueue("highest"),
        await work.options(priority=-5, delay=0.01).enqueue("lowest"),
    ]

    async def all_ready() -> bool:
        return (await queue.counts()).queued == len(jobs)

    async with Worker(queue, concurrency=1):
        await wait_until(all_ready, "every job to be due")
        await queue.resume()
        await jobs[-1].result(10)
    assert order == ["highest", "high", "low", "lowest"]


@pytest.mark.requirement("B8")
async def test_no_lower_job_is_claimed_after_a_high_one_was_enqueued_behind_100_000(
    real_queue: Queue,
) -> None:
    fences: dict[str, int] = {}
    done = asyncio.Event()

    @real_queue.task
    async def low(number: int) -> None:
        fences[f"low {number}"] = current_job().fencing_token

    @real_queue.task
    async def high() -> None:
        fences["high"] = current_job().fencing_token
        done.set()

    await real_queue.enqueue_many([low.bind(n) for n in range(100_000)])
    async with Worker(real_queue, concurrency=20) as worker:
        await wait_until(lambda: len(fences) > 500, "the worker to be well under way", 30)
        await high.options(priority=1).enqueue()
        # The number of claims so far, by the time that the enqueue has returned.
        claimed = int(await raw(real_queue, "HGET", real_queue.store.keys["meta"], "fence"))
        await asyncio.wait_for(done.wait(), 20)
        worker.pause()
        assert fences["high"] <= claimed + 1
        assert len(fences) < 50_000
        await real_queue.pause()
