"""Jobs of a low priority under a load of higher ones that never ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from aiojobs_redis import ConfigInvalid, Queue, Worker, check_history
from tests.support.other_clock import shift, shifted_queue
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


@pytest.fixture
async def shifted(server_url: str, queue_name: str) -> AsyncIterator[Queue]:
    """A queue with a clock that tests move."""
    async with shifted_queue(server_url, queue_name) as queue:
        yield queue


async def test_all_jobs_of_a_key_rise_when_they_have_waited_and_not_one_by_one(
    shifted: Queue,
) -> None:
    """A wait of ten minutes makes up for the ten levels between them and those of a high one."""

    @shifted.task
    async def work(name: str) -> None: ...

    names = [f"tenant-{n}" for n in range(6)]
    await shifted.age(60)
    await shifted.enqueue_many([work.options(key="tenant").bind(name) for name in names])
    await shift(shifted, 300)
    # They stand before the third and all others of the tenant: each is the first of its key.
    for n in range(40):
        await work.options(key=f"other-{n}").enqueue("later")
    await shifted.enqueue_many([work.options(priority=10).bind("high") for _ in range(80)])
    await shift(shifted, 600)

    started: list[str] = []
    for _ in range(30):
        for lease in await shifted.claim(2):
            started.append(lease.args[0])
            await lease.complete()
    assert [name for name in started if name != "high"] == names


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), "60"])
async def test_an_age_that_cannot_be_is_refused(queue: Queue, seconds: Any) -> None:
    with pytest.raises(ConfigInvalid, match="seconds must be"):
        await queue.age(seconds)
