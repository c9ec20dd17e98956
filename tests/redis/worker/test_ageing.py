"""Jobs of a low priority under a load of higher ones that never ends."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from aiojobs_redis import ConfigInvalid, Queue, Worker, check_history
from tests.support.waiting import wait_until

FLOOD = 12


async def test_a_low_priority_does_not_starve_where_jobs_age(queue: Queue, tmp_path: Path) -> None:
    stopped = False

    # Each job brings the next one, so that there are always more than there is room for.
    @queue.task(priority=5)
    async def high() -> None:
        if not stopped:
            await high.enqueue()

    @queue.task(priority=3)
    async def low() -> None: ...

    async def ended() -> bool:
        return not (await queue.counts()).unfinished

    with queue.record_history(tmp_path) as recorder:
        assert await queue.age(0.1)
        await queue.enqueue_many([high.bind() for _ in range(FLOOD)])
        jobs = [await low.enqueue() for _ in range(3)]
        async with Worker(queue, concurrency=2):
            for job in jobs:
                await job.result(20)
            stopped = True
            infos = [await job.info() for job in jobs]
            await wait_until(ended, "the rest to end")
        recorder.mark("drained")

    assert check_history(tmp_path).violations == []
    for info in infos:
        assert info is not None
        assert info.started_at is not None
        assert info.started_at - info.enqueued_at >= timedelta(milliseconds=200)
    assert not await queue.age(0.1), "it is of the queue, and stays"
    assert await queue.age(None)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), "60"])
async def test_an_age_that_cannot_be_is_refused(queue: Queue, seconds: Any) -> None:
    with pytest.raises(ConfigInvalid, match="seconds must be"):
        await queue.age(seconds)
