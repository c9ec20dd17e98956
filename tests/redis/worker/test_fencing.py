"""Whoever lost a lease changes nothing any more, and is told."""

from __future__ import annotations

import asyncio
import secrets

import pytest
import redis.asyncio

from aiojobs_redis import Fixed, JobState, Queue, Worker, current_job
from tests.support.gauge import Gauge
from tests.support.raw import dump
from tests.support.scripts import Member, Scripts
from tests.support.stealing import steal
from tests.support.waiting import wait_until


@pytest.mark.requirement("P7")
@pytest.mark.requirement("D30")
@pytest.mark.behaviour("T39")
async def test_a_stolen_job_is_told_and_its_result_is_dropped(
    queue: Queue, other: Scripts, caplog: pytest.LogCaptureFixture
) -> None:
    gauge, told = Gauge(), list[bool]()

    @queue.task(lease=1.5)
    async def held() -> str:
        job = current_job()
        try:
            await gauge.pass_through()
        except asyncio.CancelledError:
            told.append(job.lease_lost.is_set())
            return "of the stale worker"
        return "in time"

    job = await held.enqueue()
    worker = Worker(queue, concurrency=1)
    async with worker:
        await wait_until(lambda: gauge.now == 1, "the job to run")
        worker.pause()
        await steal(other, job.id)
        await wait_until(lambda: told, "the task to be told", timeout=10)
        await wait_until(lambda: not worker.runs(), "the run to end")
        info = await job.info()

    assert info is not None
    assert told == [True]
    assert info.state is JobState.RUNNING, "it is the other worker's"
    assert info.lost_deliveries == 1
    assert any("the lease is lost" in record.message for record in caplog.records)


@pytest.mark.requirement("P7")
@pytest.mark.behaviour("T39")
@pytest.mark.parametrize("code", ["c", "t", "d", "z", "x", "r", "b"])
async def test_a_stale_token_writes_nothing(queue: Queue, other: Scripts, code: str) -> None:
    @queue.task
    async def quick() -> None:
        pass

    job = await quick.enqueue()
    (claim,) = await other.claim()
    stale, nonce = claim.fence, other.nonce
    await other.expire_lease(job.id)
    await other.beat()
    (claim,) = await other.claim()
    assert claim.fence > stale
    before = await dump(queue)

    tokens = [
        f"{stale},{nonce}",
        f"{claim.fence},{nonce}",
        f"{stale},{other.nonce}",
        f"{claim.fence},{secrets.token_hex(16)}",
        f"{claim.fence}",
        f"{claim.fence},",
        ",",
        "",
    ]
    for token in tokens:
        # Another incarnation each time: what it remembers of its operations is not the job's.
        reply = await other.exchange(
            Member(job.id, token, f"{code} 5 1", value=b"stale"),
            incarnation=secrets.token_hex(16),
            nonce=other.nonce,
        )
        assert reply.lost == [job.id.encode()]

    after = await dump(queue)
    unlike = {key for key in before | after if before.get(key) != after.get(key)}
    assert unlike <= {queue.store.keys["ops"]}


@pytest.mark.requirement("D30")
async def test_the_fencing_token_only_grows(queue: Queue, second_queue: Queue) -> None:
    tokens: list[int] = []

    @queue.task(attempts=2, backoff=Fixed(0))
    async def noted() -> None:
        tokens.append(current_job().fencing_token)
        if current_job().attempt == 1:
            raise ValueError("once")

    await queue.enqueue_many([noted.bind() for _ in range(50)])
    await Worker(queue, concurrency=1).run(burst=True)

    assert len(tokens) == 100
    assert tokens == sorted(set(tokens))


@pytest.mark.behaviour("T39")
async def test_a_destroyed_queue_stays_destroyed_by_its_workers(
    queue: Queue, redis_client: redis.asyncio.Redis
) -> None:
    gauge, ends = Gauge(), list[str]()

    @queue.task(lease=0.6)
    async def held(number: int) -> None:
        try:
            await gauge.pass_through()
        finally:
            ends.append("lost" if current_job().lease_lost.is_set() else "finished")

    await queue.enqueue_many([held.bind(number) for number in range(4)])
    async with Worker(queue, concurrency=2) as worker:
        await wait_until(lambda: gauge.now == 2, "two to run")
        await queue.destroy(force=True)
        await wait_until(lambda: len(ends) == 2, "the jobs to be interrupted", timeout=10)
        await wait_until(lambda: not worker.runs(), "the runs to end")
        assert await redis_client.keys(f"*{{{queue.name}}}*") == []

    assert ends == ["lost", "lost"]
    assert await redis_client.keys(f"*{{{queue.name}}}*") == []
    gauge.open()


@pytest.mark.behaviour("T39")
async def test_a_queue_that_was_destroyed_serves_again(queue: Queue) -> None:
    @queue.task
    async def quick() -> str:
        return "ran"

    async with Worker(queue):
        assert await (await quick.enqueue()).result(10) == "ran"
        await queue.destroy(force=True)
        assert await (await quick.enqueue()).result(10) == "ran"
