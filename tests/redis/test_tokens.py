"""Leases by hand: one holder at a time, and only its token completes or fails the job."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

import pytest

from aiojobs_redis import JobFailed, JobState, Queue, Worker
from aiojobs_redis._redis.inspector import error_line
from aiojobs_redis._redis.store import Claim, Exchange
from tests.support.raw import dump, raw
from tests.support.waiting import wait_until


class Holder:
    """Sends exchanges as a worker does, without a heartbeat."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.incarnation = secrets.token_hex(16)
        self.nonce = ""
        self.sent: tuple[Any, ...] = ()
        self.counter = 0

    async def claim(self, limit: int = 1) -> Exchange:
        return await self._send(limit, [])

    async def complete(
        self, claim: Claim, code: str, value: bytes, *, argument: str = "", token: str = ""
    ) -> Exchange:
        token = token or f"{claim.fence},{self.nonce}"
        return await self._send(0, [claim.id, token, f"{code} {argument} 1", "7", value])

    async def again(self) -> Exchange:
        """Send the last exchange once more, as after a lost reply."""
        async with self.queue.store.server.borrow() as link:
            return await self.queue.store.exchange(link, self.sent)

    async def _send(self, limit: int, completions: list[bytes | str]) -> Exchange:
        self.counter += 1
        nonce = secrets.token_hex(16)
        if limit:
            self.nonce = nonce
        head = (self.incarnation, self.counter, nonce, "by-hand", limit, 1)
        tasks = ["work"] if completions else []
        self.sent = (*head, 0, len(completions) // 5, len(tasks), *tasks, *completions)
        return await self.again()


@pytest.fixture
def holder(queue: Queue) -> Holder:
    return Holder(queue)


async def reclaim(holder: Holder) -> Claim:
    """Claim a job whose lease is about to run out."""
    found: list[Claim] = []

    async def claimed() -> bool:
        found.extend((await holder.claim()).claims)
        return bool(found)

    await wait_until(claimed, "the lease to run out", 15)
    return found[0]


@pytest.mark.requirement("P7")
@pytest.mark.requirement("D9")
async def test_a_claim_and_a_completion_by_hand(queue: Queue, holder: Holder) -> None:
    job = await queue.enqueue("work", 5)
    [claim] = (await holder.claim(10)).claims
    assert (claim.id.decode(), claim.generation, claim.failures, claim.lost) == (job.id, 1, 0, 0)
    assert await job.state() is JobState.RUNNING
    assert (await Holder(queue).claim(10)).claims == []
    wait = asyncio.create_task(job.result(10))
    reply = await holder.complete(claim, "c", b"\x07")
    assert reply.lost == []
    assert await wait == 7
    assert await job.state() is JobState.COMPLETED
    assert await raw(queue, "ZCARD", queue.store.keys["leases"]) == 0


@pytest.mark.requirement("P7")
@pytest.mark.requirement("P8")
@pytest.mark.parametrize("code", ["c", "t", "d", "z", "x", "r"])
async def test_only_the_token_of_the_current_lease_changes_the_job(
    queue: Queue, holder: Holder, code: str
) -> None:
    job = await queue.enqueue("work")
    [claim] = (await holder.claim()).claims
    argument = "0" if code in "tz" else ""
    fence, nonce = claim.fence, holder.nonce
    wrong = [
        f"{fence},{secrets.token_hex(16)}",
        f"{fence + 1},{nonce}",
        f"{fence},{nonce[:-1]}",
        f"{fence},{nonce}0",
        f"{fence},",
        ",",
        "",
        f"0,{nonce}",
    ]
    before = await raw(queue, "HGET", queue.store.keys["runs"], job.id)
    for token in wrong:
        value = error_line("ValueError", "stale") if code != "c" else b"\x01"
        thief = Holder(queue)
        reply = await thief.complete(claim, code, value, argument=argument, token=token or " ")
        assert reply.lost == [claim.id]
        assert await raw(queue, "HGET", queue.store.keys["runs"], job.id) == before
    assert await job.state() is JobState.RUNNING
    assert (await holder.complete(claim, "c", b"\x09")).lost == []
    assert await job.result(5) == 9


@pytest.mark.requirement("D12")
@pytest.mark.requirement("P7")
@pytest.mark.requirement("P8")
@pytest.mark.parametrize("code", ["c", "t", "d"])
async def test_a_job_is_invisible_for_its_lease_and_a_late_holder_is_refused(
    queue: Queue, holder: Holder, code: str
) -> None:
    job = await queue.enqueue("work", lease=1)
    first_reply = await holder.claim()
    [first] = first_reply.claims
    second_holder = Holder(queue)
    # A queue at which nobody beats looks as if everybody had been away; a worker would beat.
    await raw(queue, "HSET", queue.store.keys["meta"], "beat", first_reply.now + 60_000)
    second = await reclaim(second_holder)
    info = await job.info()
    assert info is not None
    assert info.started_at is not None
    assert info.started_at.timestamp() * 1000 >= first_reply.now + 1000
    assert (second.id, second.lost, second.failures) == (first.id, 1, 0)
    assert second.fence > first.fence
    late = await holder.complete(first, code, error_line("ValueError", "late"), argument="0")
    assert late.lost == [first.id]
    assert await job.state() is JobState.RUNNING
    assert (await second_holder.complete(second, "c", b"\x03")).lost == []
    assert await job.result(5) == 3
    final = await job.info()
    assert final is not None
    assert final.errors == []


@pytest.mark.requirement("P8")
@pytest.mark.requirement("R11")
async def test_a_failure_is_one_step_with_its_error(queue: Queue, holder: Holder) -> None:
    job = await queue.enqueue("work")
    [claim] = (await holder.claim()).claims
    await holder.complete(claim, "t", error_line("ValueError", "first"), argument="60000")
    info = await job.info()
    assert info is not None
    assert (info.state, info.attempt) == (JobState.RETRYING, 2)
    assert [error.message for error in info.errors] == ["first"]
    later = await queue.enqueue("work")
    [claim] = (await holder.claim()).claims
    assert claim.id.decode() == later.id
    await holder.complete(claim, "d", error_line("Fail", "for good"))
    with pytest.raises(JobFailed, match="Fail: for good"):
        await later.result(5)


@pytest.mark.requirement("P7")
async def test_an_exchange_sent_twice_claims_and_completes_once(
    queue: Queue, holder: Holder
) -> None:
    jobs = [await queue.enqueue("work", n) for n in range(5)]
    first = await holder.claim(2)
    again = await holder.again()
    assert again.claims == first.claims
    assert (await queue.counts()).running == 2
    await holder.complete(first.claims[0], "c", b"\x01")
    before = await dump(queue)
    assert (await holder.again()).lost == []
    assert await dump(queue) == before
    counts = await queue.counts()
    assert (counts.completed, counts.running, counts.queued) == (1, 1, 3)
    assert await jobs[0].result(5) == 1


@pytest.mark.requirement("D9")
@pytest.mark.requirement("R8")
async def test_eight_workers_run_each_of_ten_thousand_jobs_once(real_queue: Queue) -> None:
    runs: list[int] = []

    @real_queue.task
    async def work(number: int) -> None:
        runs.append(number)

    await real_queue.enqueue_many([work.bind(n) for n in range(10_000)])
    workers = [Worker(real_queue, concurrency=20) for _ in range(8)]
    assert len({worker.id for worker in workers}) == 8
    await asyncio.wait_for(asyncio.gather(*(worker.run(burst=True) for worker in workers)), 60)
    assert sorted(runs) == list(range(10_000))
    counts = await real_queue.counts()
    assert (counts.completed, counts.unfinished) == (10_000, 0)
