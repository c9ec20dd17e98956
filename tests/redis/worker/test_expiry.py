"""A job that has not started by its expiry never runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from aiojobs_redis import Fixed, JobFailed, JobState, Queue, Worker, current_job
from tests.support.waiting import wait_until


@pytest.mark.parametrize("form", ["seconds", "instant"])
async def test_an_expired_job_is_dead_with_that_reason(queue: Queue, form: str) -> None:
    runs: list[str] = []

    @queue.task
    async def noted(name: str) -> None:
        runs.append(name)

    expires = 0.05 if form == "seconds" else datetime.now(UTC) + timedelta(seconds=0.05)
    late = await noted.options(expires=expires).enqueue("late")
    timely = await noted.options(expires=60).enqueue("timely")
    limit = datetime.now(UTC) + timedelta(seconds=0.1)
    await wait_until(lambda: datetime.now(UTC) > limit, "the expiry to have passed")
    await Worker(queue).run(burst=True)

    with pytest.raises(JobFailed) as caught:
        await late.result(5)
    assert caught.value.error_type == "expired"
    assert await timely.state() is JobState.COMPLETED
    assert runs == ["timely"]


async def test_a_job_that_has_started_does_not_expire(queue: Queue) -> None:
    @queue.task(attempts=2, backoff=Fixed(1.1))
    async def twice() -> int:
        if current_job().attempt == 1:
            raise ValueError("once")
        return current_job().attempt

    async with Worker(queue) as worker:
        # Its start is not to be among what takes the time of the job.
        await worker.wait_until_ready()
        job = await twice.options(expires=1).enqueue()
        assert await job.result(10) == 2


async def test_a_replayed_job_does_not_expire_again(queue: Queue) -> None:
    @queue.task
    async def quick() -> str:
        return "ran"

    job = await quick.options(expires=0.001).enqueue()
    limit = datetime.now(UTC) + timedelta(seconds=0.05)
    await wait_until(lambda: datetime.now(UTC) > limit, "the expiry to have passed")
    async with Worker(queue):
        with pytest.raises(JobFailed):
            await job.result(5)
        await queue.replay(job.id)
        assert await job.result(5) == "ran"
