"""Questions about what there is not: a clear answer, and no trace in Redis."""

from __future__ import annotations

import pytest
import redis.asyncio

from aiojobs_redis import ConfigInvalid, JobNotFound, Queue


async def test_a_state_that_does_not_exist_is_refused_with_those_that_do(queue: Queue) -> None:
    with pytest.raises(ConfigInvalid, match=r"'done'.*queued.*completed"):
        await queue.jobs("done")


async def test_asking_a_queue_that_does_not_exist_creates_no_key(
    real_queue: Queue, redis_client: redis.asyncio.Redis
) -> None:
    job = real_queue.job("nobody")
    with pytest.raises(JobNotFound):
        await job.retry()
    with pytest.raises(JobNotFound):
        await job.result(timeout=5)

    assert await job.cancel() is False
    assert await job.state() is None
    assert (await real_queue.counts()).unfinished == 0
    assert await real_queue.replay_all() == 0
    assert await real_queue.unschedule("nothing") is False
    assert await redis_client.keys(f"*{{{real_queue.name}}}*") == []
