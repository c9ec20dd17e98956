"""One worker for several queues: shares of its slots by weight, and nothing left idle."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from aiojobs_redis import ConfigInvalid, Queue, Worker
from aiojobs_redis.task import Task
from tests.support.gauge import Gauge
from tests.support.waiting import wait_until


def held_task(queue: Queue, gauge: Gauge) -> Task[[], None]:
    @queue.task
    async def held() -> None:
        await gauge.pass_through()

    return held


@pytest.mark.requirement("D14")
@pytest.mark.requirement("D27")
async def test_the_slots_are_shared_by_weight_under_load(queue: Queue, second_queue: Queue) -> None:
    first, second = Gauge(), Gauge()
    some, others = held_task(queue, first), held_task(second_queue, second)
    await queue.enqueue_many([some.bind() for _ in range(20)])
    await second_queue.enqueue_many([others.bind() for _ in range(20)])
    weights = {queue.name: 3, second_queue.name: 1}

    async with Worker([queue, second_queue], concurrency=8, weights=weights):
        await wait_until(lambda: first.now + second.now == 8, "every slot to be taken")
        taken = first.now, second.now
        first.open()
        second.open()
        await wait_until(lambda: first.entered + second.entered == 40, "all to run")

    assert taken == (6, 2)


@pytest.mark.requirement("D14")
async def test_queues_share_evenly_without_weights(queue: Queue, second_queue: Queue) -> None:
    first, second = Gauge(), Gauge()
    some, others = held_task(queue, first), held_task(second_queue, second)
    await queue.enqueue_many([some.bind() for _ in range(20)])
    await second_queue.enqueue_many([others.bind() for _ in range(20)])

    async with Worker([queue, second_queue], concurrency=6):
        await wait_until(lambda: first.now + second.now == 6, "every slot to be taken")
        taken = first.now, second.now
        first.open()
        second.open()
        await wait_until(lambda: first.entered + second.entered == 40, "all to run")

    assert taken == (3, 3)


@pytest.mark.requirement("B26")
async def test_an_idle_share_is_lent_and_given_back(queue: Queue, second_queue: Queue) -> None:
    first, brief, second = Gauge(), Gauge(), Gauge()
    some, others = held_task(queue, first), held_task(second_queue, second)

    @queue.task
    async def short() -> None:
        with brief.inside():
            await asyncio.sleep(0.01)

    await queue.enqueue_many([some.bind() for _ in range(8)])
    await queue.enqueue_many([short.bind() for _ in range(2000)])
    weights = {queue.name: 1, second_queue.name: 3}

    async with Worker([queue, second_queue], concurrency=8, weights=weights) as worker:
        await wait_until(lambda: first.now == 8, "the busy queue to have every slot")
        await second_queue.enqueue_many([others.bind() for _ in range(20)])
        first.open()
        await wait_until(lambda: second.now == 6, "the other one to get its share", timeout=10)
        assert brief.now <= 2
        second.open()
        await wait_until(lambda: second.entered == 20, "its jobs to run")
        await wait_until(lambda: brief.now == 8, "its share to be lent again", timeout=10)
        worker.stop(0)


@pytest.mark.requirement("U8")
async def test_the_concurrency_holds_over_all_queues(queue: Queue, second_queue: Queue) -> None:
    gauge = Gauge()
    gauge.open()
    tasks = [held_task(queue, gauge), held_task(second_queue, gauge)]
    for task in tasks:
        await task.queue.enqueue_many([task.bind() for _ in range(100)])

    await Worker([queue, second_queue], concurrency=3).run(burst=True)

    assert gauge.entered == 200
    assert gauge.most <= 3


async def test_a_single_slot_serves_every_queue(queue: Queue, second_queue: Queue) -> None:
    gauge = Gauge()
    gauge.open()
    tasks = [held_task(queue, gauge), held_task(second_queue, gauge)]
    jobs = [await task.enqueue() for task in tasks for _ in range(5)]

    async with Worker([queue, second_queue], concurrency=1, weights={queue.name: 100}):
        for job in jobs:
            await job.result(10)

    assert gauge.most == 1


@pytest.mark.requirement("D14")
async def test_turns_at_a_single_slot_follow_the_weights(queue: Queue, second_queue: Queue) -> None:
    order: list[str] = []

    async def note(name: str) -> None:
        order.append(name)

    for one in (queue, second_queue):
        task = one.task(note)
        await one.enqueue_many([task.bind(one.name) for _ in range(80)])
    weights = {queue.name: 1, second_queue.name: 3}

    await Worker([queue, second_queue], concurrency=1, weights=weights).run(burst=True)

    assert len(order) == 160
    assert order[:80].count(queue.name) == pytest.approx(20, abs=3)


def past(moment: float) -> bool:
    return asyncio.get_running_loop().time() > moment


@pytest.mark.requirement("U9")
async def test_an_idle_worker_with_one_slot_hears_of_jobs_of_every_queue(
    queue: Queue, second_queue: Queue
) -> None:
    loop = asyncio.get_running_loop()

    async def when() -> float:
        return loop.time()

    waits: list[float] = []
    for task in [queue.task(when), second_queue.task(when)] * 4:
        async with Worker([queue, second_queue], concurrency=1) as worker:
            for lane in worker._lanes:
                await asyncio.wait_for(lane.idle.wait(), 5)
            rested = loop.time() + 0.3
            await wait_until(partial(past, rested), "the first beat to be over")
            began = loop.time()
            waits.append(await (await task.enqueue()).result(10) - began)

    # What the bell misses is found by the next beat, after half a second on average. A busy machine
    # may be late for some.
    assert sorted(waits)[5] < 0.2


@pytest.mark.parametrize("weight", [0, -1, float("nan"), float("inf"), "1", None])
def test_a_wrong_weight_is_refused(weight: Any) -> None:
    queue = Queue("heavy", url="memory://refused")

    with pytest.raises(ConfigInvalid, match="weight of 'heavy'"):
        Worker(queue, weights={"heavy": weight})


def test_a_weight_for_no_queue_of_the_worker_is_refused() -> None:
    queue = Queue("known", url="memory://refused")

    with pytest.raises(ConfigInvalid, match="'unknown'"):
        Worker(queue, weights={"unknown": 1})


def test_no_queue_and_one_queue_twice_are_refused() -> None:
    queue = Queue("known", url="memory://refused")

    with pytest.raises(ConfigInvalid, match="one queue or several"):
        Worker([])
    with pytest.raises(ConfigInvalid, match="one queue or several"):
        Worker([queue, queue])
