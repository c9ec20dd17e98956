"""A worker runs as many jobs at once as it was told to: that many, and never one more."""

from __future__ import annotations

import math
import threading
from typing import Any

import pytest

from aiojobs_redis import ConfigInvalid, Queue, Worker
from aiojobs_redis._redis.link import Link
from aiojobs_redis._redis.store import Exchange
from tests.support.gauge import Gauge
from tests.support.waiting import wait_until

REFUSED = [0, -1, math.nan, math.inf, 2.5, True, "3", None, 100_001]


@pytest.mark.requirement("U8")
@pytest.mark.behaviour("T06")
@pytest.mark.parametrize("concurrency", [1, 7])
async def test_the_concurrency_is_reached_and_never_passed(queue: Queue, concurrency: int) -> None:
    gauge = Gauge()

    @queue.task
    async def held() -> None:
        await gauge.pass_through()

    jobs = await queue.enqueue_many([held.bind() for _ in range(3 * concurrency + 1)])
    async with Worker(queue, concurrency=concurrency):
        await wait_until(lambda: gauge.now == concurrency, "every slot to be taken")
        gauge.open()
        for job in jobs:
            await job.result(10)

    assert gauge.most == concurrency
    assert gauge.entered == len(jobs)


@pytest.mark.requirement("U8")
async def test_short_jobs_keep_to_the_concurrency_too(queue: Queue) -> None:
    gauge = Gauge()
    gauge.open()

    @queue.task
    async def short() -> None:
        await gauge.pass_through()

    @queue.task
    def threaded() -> None:
        with gauge.inside():
            pass

    await queue.enqueue_many([task.bind() for _ in range(150) for task in (short, threaded)])
    await Worker(queue, concurrency=4).run(burst=True)

    assert gauge.entered == 300
    assert gauge.most <= 4
    assert (await queue.counts()).completed == 300


@pytest.mark.requirement("B26")
@pytest.mark.behaviour("T07")
async def test_a_raised_concurrency_applies_at_once(queue: Queue) -> None:
    gauge = Gauge()

    @queue.task
    async def held() -> None:
        await gauge.pass_through()

    await queue.enqueue_many([held.bind() for _ in range(12)])
    worker = Worker(queue, concurrency=2)
    async with worker:
        await wait_until(lambda: gauge.now == 2, "two to run")
        worker.concurrency = 8
        await wait_until(lambda: gauge.now == 8, "eight to run")
        assert worker.concurrency == 8
        gauge.open()
        await wait_until(lambda: gauge.entered == 12, "the others to run")

    assert gauge.most == 8


@pytest.mark.requirement("B26")
@pytest.mark.behaviour("T07")
async def test_a_lowered_concurrency_applies_to_the_next_claims(queue: Queue) -> None:
    first, later = Gauge(), Gauge()

    @queue.task
    async def held(number: int) -> None:
        await (first if number < 6 else later).pass_through()

    await queue.enqueue_many([held.bind(number) for number in range(16)])
    worker = Worker(queue, concurrency=6)
    async with worker:
        await wait_until(lambda: first.now == 6, "six to run")
        worker.concurrency = 2
        assert first.now == 6, "running jobs go on"
        first.open()
        await wait_until(lambda: later.now == 2, "two of the others to run")
        later.open()
        await wait_until(lambda: later.entered == 10, "all the others to run")

    assert later.most == 2


@pytest.mark.requirement("B26")
async def test_a_raised_concurrency_applies_to_threads(queue: Queue) -> None:
    gauge, opened = Gauge(), threading.Event()

    @queue.task
    def threaded() -> None:
        with gauge.inside():
            opened.wait(20)

    await queue.enqueue_many([threaded.bind() for _ in range(6)])
    worker = Worker(queue, concurrency=1)
    async with worker:
        await wait_until(lambda: gauge.now == 1, "one to run")
        worker.concurrency = 3
        await wait_until(lambda: gauge.now == 3, "three to run")
        opened.set()

    assert gauge.most == 3


@pytest.mark.behaviour("T06")
@pytest.mark.parametrize("value", REFUSED)
def test_a_wrong_concurrency_is_refused_at_construction(value: Any) -> None:
    queue = Queue("q", url="memory://refused")

    with pytest.raises(ConfigInvalid, match="concurrency must be a whole number from 1"):
        Worker(queue, concurrency=value)


@pytest.mark.behaviour("T06")
@pytest.mark.parametrize("value", REFUSED)
def test_a_wrong_concurrency_is_refused_later_and_changes_nothing(value: Any) -> None:
    worker = Worker(Queue("q", url="memory://refused"), concurrency=3)

    with pytest.raises(ConfigInvalid, match="concurrency must be a whole number from 1"):
        worker.concurrency = value

    assert worker.concurrency == 3


@pytest.mark.requirement("U13")
async def test_failures_never_shrink_the_capacity(queue: Queue) -> None:
    gauge = Gauge()

    @queue.task(attempts=1)
    async def failing() -> None:
        raise ValueError("as planned")

    @queue.task
    async def held() -> None:
        await gauge.pass_through()

    await queue.enqueue_many([failing.bind() for _ in range(1000)])
    async with Worker(queue, concurrency=5):
        await wait_until(
            lambda: _is_dead(queue, 1000), "a thousand jobs to have failed", timeout=30
        )
        await queue.enqueue_many([held.bind() for _ in range(10)])
        await wait_until(lambda: gauge.now == 5, "five good ones to run at once")
        gauge.open()
        await wait_until(lambda: gauge.entered == 10, "the others to run")

    assert gauge.most == 5


@pytest.mark.requirement("B32")
async def test_a_worker_claims_only_what_it_can_start(queue: Queue) -> None:
    gauge = Gauge()

    @queue.task
    async def held() -> None:
        await gauge.pass_through()

    await queue.enqueue_many([held.bind() for _ in range(20)])
    async with Worker(queue, concurrency=3):
        await wait_until(lambda: gauge.now == 3, "every slot to be taken")
        counts = await queue.counts()
        gauge.open()
        await wait_until(lambda: gauge.entered == 20, "the others to run")

    assert (counts.running, counts.queued) == (3, 17)


@pytest.mark.requirement("B32")
@pytest.mark.requirement("B26")
async def test_a_slow_worker_leaves_the_work_to_others(queue: Queue) -> None:
    gauge = Gauge()
    done: list[int] = []

    @queue.task
    async def held() -> None:
        await gauge.pass_through()

    @queue.task
    async def quick(number: int) -> None:
        done.append(number)

    async with Worker(queue, concurrency=2):
        await queue.enqueue_many([held.bind(), held.bind()])
        await wait_until(lambda: gauge.now == 2, "the first worker to be full")
        await queue.enqueue_many([quick.bind(number) for number in range(20)])
        async with Worker(queue, concurrency=1):
            await wait_until(lambda: len(done) == 20, "the second worker to do the rest")
        gauge.open()

    assert done == list(range(20))


@pytest.mark.behaviour("T08")
@pytest.mark.requirement("D9")
@pytest.mark.parametrize("concurrency", [1, 10])
async def test_there_are_no_more_claims_than_jobs(
    queue: Queue, monkeypatch: pytest.MonkeyPatch, concurrency: int
) -> None:
    claims: list[int] = []
    exchange = queue.store.exchange

    async def counting(link: Link, args: Any, **kind: Any) -> Exchange:
        reply = await exchange(link, args, **kind)
        if args[4]:
            claims.append(len(reply.claims))
        return reply

    @queue.task
    async def quick() -> None:
        pass

    monkeypatch.setattr(queue.store, "exchange", counting)
    jobs = await queue.enqueue_many([quick.bind() for _ in range(200)])
    async with Worker(queue, concurrency=concurrency):
        await jobs[-1].result(20)

    assert sum(claims) == 200
    assert len(claims) <= 202


async def _is_dead(queue: Queue, number: int) -> bool:
    return (await queue.counts()).dead == number
