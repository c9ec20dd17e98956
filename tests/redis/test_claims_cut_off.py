"""Claims by hand that were cancelled or not answered: what they had claimed is handed back."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import Any

import pytest

from aiojobs_redis import Job, JobState, Queue, QueueUnavailable
from aiojobs_redis._redis import store
from aiojobs_redis.lease import Lease
from tests.redis.test_claim import one
from tests.redis.worker.test_bad_specs import replace_spec
from tests.support.proxy import Proxy, runs_script
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requirement("D1")


@pytest.mark.parametrize("how", ["cancelled", "unanswered"])
async def test_what_was_claimed_for_nobody_is_handed_back(
    far_queue: Queue, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    await far_queue.enqueue("any", id="job")
    if how == "cancelled":
        proxy.passing.clear()
        claim = asyncio.create_task(far_queue.claim(1))
        await wait_until(lambda: _sent(proxy), "the claim to be carried out")
        claim.cancel()
        with pytest.raises(asyncio.CancelledError):
            await claim
        proxy.passing.set()
    else:
        monkeypatch.setattr(store, "PATIENCE", 0.1)
        with proxy.losing_replies_of(runs_script("exchange")), pytest.raises(QueueUnavailable):
            await far_queue.claim(1)
    claimed: list[Lease] = []

    async def again() -> bool:
        claimed.extend(await far_queue.claim(1))
        return bool(claimed)

    await wait_until(again, "the job to be handed back")
    [lease] = claimed
    assert (lease.job.id, lease.attempt, lease.lost_deliveries) == ("job", 1, 0)


async def test_a_claim_that_is_cancelled_while_it_buries_a_job_keeps_no_other(
    far_queue: Queue, proxy: Proxy
) -> None:
    bad = await far_queue.enqueue("any", id="bad", lease=600)
    await replace_spec(far_queue, bad.id, b"\xc1")
    good = await far_queue.enqueue("any", id="good", lease=600)
    burying, going_on = asyncio.Event(), asyncio.Event()

    async def hold(words: list[bytes]) -> None:
        if runs_script("exchange")(words) and b"bad" in words:
            burying.set()
            await going_on.wait()

    proxy.before = hold
    claim = asyncio.create_task(far_queue.claim(2))
    await asyncio.wait_for(burying.wait(), 10)
    claim.cancel()
    with pytest.raises(asyncio.CancelledError):
        await claim
    going_on.set()

    await wait_until(lambda: _is(good, JobState.QUEUED), "the good job to be handed back")
    await wait_until(lambda: _is(bad, JobState.DEAD), "the other one to be dead")
    lease = await one(far_queue)
    assert (lease.job.id, lease.attempt, lease.lost_deliveries) == ("good", 1, 0)


@pytest.mark.parametrize("server_url", ["memory"], indirect=True)
async def test_a_claim_may_be_cancelled_at_any_time(queue: Queue) -> None:
    turns, done = 0, False
    while not done:
        bad = await queue.enqueue("any", lease=600)
        await replace_spec(queue, bad.id, b"\xc1")
        good = await queue.enqueue("any", lease=600)
        claim = asyncio.create_task(queue.claim(2))
        for _ in range(turns):
            await asyncio.sleep(0)
        turns, done = turns + 1, claim.done()
        claim.cancel()
        if done:
            await claim.result()[0].release()
        with contextlib.suppress(asyncio.CancelledError):
            await claim
        for job, states in (
            (good, {JobState.QUEUED}),
            # What was not claimed is as it was.
            (bad, {JobState.QUEUED, JobState.DEAD}),
        ):
            await wait_until(partial(_is, job, *states), f"{job.id} to be {states}", 10)
        await good.cancel()
        await bad.cancel()

    assert turns > 2


async def _is(job: Job[Any], *states: JobState) -> bool:
    return await job.state() in states


def _sent(proxy: Proxy) -> bool:
    return any(map(runs_script("exchange"), proxy.seen))
