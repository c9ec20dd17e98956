"""Jobs claimed by hand in flows over several queues: the others are told, with no worker there."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aiojobs_redis import Fail, FromParents, JobState, Queue, QueueUnavailable, chain
from aiojobs_redis._redis import abroad, courier
from tests.redis.test_claim import one
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requirement("D1")


async def test_flows_go_on_between_queues_of_which_only_claimers_are_there(
    queue: Queue, server_url: str
) -> None:
    async with Queue(f"{queue.name}-2", server_url, namespace="test") as other:

        @queue.task
        async def start() -> int:
            return 1

        @other.task
        async def total(before: FromParents[int] = ()) -> int:
            return sum(before)

        first, second = await queue.enqueue_flow(chain(start.bind(), total.bind()))
        await (await one(queue)).complete(1)
        # Told by then: no claim of either queue comes in between.
        assert await second.state() is JobState.QUEUED
        await (await one(other)).fail(Fail("no"))
        assert await second.state() is JobState.DEAD
        assert await first.state() is JobState.COMPLETED
        await other.destroy()


async def test_a_queue_that_cannot_be_told_fails_no_end_and_is_told_later(
    queue: Queue,
    server_url: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(courier, "_PATIENCE", 0.05)
    away, tell = True, abroad.hand_over

    async def told(*args: Any) -> None:
        if away:
            raise QueueUnavailable("away")
        await tell(*args)

    monkeypatch.setattr(courier, "hand_over", told)
    async with Queue(f"{queue.name}-2", server_url, namespace="test") as other:
        calls = (queue.bind("start"), other.bind("total"))
        first, second = await queue.enqueue_flow(chain(*calls))
        await (await one(queue)).complete(1)
        assert await first.state() is JobState.COMPLETED
        assert await second.state() is JobState.BLOCKED
        assert [each.getMessage() for each in caplog.records if "cannot tell" in each.message]

        away = False

        async def is_told() -> bool:
            await queue.claim()
            return await second.state() is JobState.QUEUED

        await wait_until(is_told, "the next claim to tell", 10)
        await other.destroy(force=True)


async def test_an_end_does_not_wait_long_for_a_queue_that_does_not_answer(
    queue: Queue, server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier, "_PATIENCE", 0.05)
    go_on, tell = asyncio.Event(), abroad.hand_over

    async def told(*args: Any) -> None:
        await go_on.wait()
        await tell(*args)

    monkeypatch.setattr(courier, "hand_over", told)
    async with Queue(f"{queue.name}-2", server_url, namespace="test") as other:
        calls = (queue.bind("start"), other.bind("total"))
        _, second = await queue.enqueue_flow(chain(*calls))
        await (await one(queue)).complete(1)
        assert await second.state() is JobState.BLOCKED
        go_on.set()

        async def is_told() -> bool:
            return await second.state() is JobState.QUEUED

        await wait_until(is_told, "the call that was under way to tell", 10)
        await other.destroy(force=True)
