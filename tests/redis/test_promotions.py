"""All jobs that wait for their time run now: by task and key, up to a number, while others work."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from aiojobs_redis import ConfigInvalid, Fixed, JobState, Queue, Worker
from aiojobs_redis._redis.inspector import Inspector, Walked
from tests.support.proxy import Proxy, runs_script
from tests.support.waiting import wait_until


async def waiting(queue: Queue) -> tuple[int, int, int]:
    counts = await queue.counts()
    return counts.queued, counts.scheduled, counts.retrying


@pytest.mark.behaviour("T22")
async def test_what_waits_for_its_time_is_promoted_page_by_page(queue: Queue) -> None:
    ran: list[int] = []

    @queue.task
    async def work(number: int) -> None:
        ran.append(number)

    @queue.task(attempts=2, backoff=Fixed(3600))
    async def flaky() -> None:
        ran.append(-1)
        if len(ran) == 1:
            raise ValueError("not yet")

    job = await flaky.enqueue()
    async with Worker(queue):

        async def retrying() -> bool:
            return await job.state() is JobState.RETRYING

        await wait_until(retrying, "the first attempt to fail")
    await work.enqueue(300)
    await queue.enqueue_many([work.options(delay=3600).bind(number) for number in range(300)])
    assert await queue.promote_all() == 301
    assert await waiting(queue) == (302, 0, 0)
    assert await queue.promote_all() == 0
    await Worker(queue, concurrency=1).run(burst=True)

    assert ran == [-1, 300, *range(300), -1]


async def test_only_jobs_of_a_task_and_of_a_key_are_promoted(queue: Queue) -> None:
    names = [(task, key) for task in ("one", "two") for key in ("a,%", "b", None)]
    for task, key in names:
        await queue.enqueue(task, delay=3600, id=f"{task}-{key}", **({"key": key} if key else {}))

    assert await queue.promote_all(task="three") == 0
    assert await queue.promote_all(task="one", key="a,%") == 1
    assert [info.id for info in await queue.jobs("queued")] == ["one-a,%"]
    assert await queue.promote_all(key="b") == 2
    assert await queue.promote_all("two") == 2
    assert await waiting(queue) == (5, 1, 0)


async def test_no_more_than_the_limit_are_promoted_the_next_due_first(queue: Queue) -> None:
    for number in range(5):
        await queue.enqueue("work", delay=3600 + number, id=f"j{number}")

    assert await queue.promote_all(limit=2) == 2
    assert [info.id for info in await queue.jobs("queued")] == ["j0", "j1"]
    assert await queue.promote_all(limit=10) == 3
    for wrong in (0, -1, True, "2"):
        with pytest.raises(ConfigInvalid, match="limit must be a whole number from 1 or None"):
            await queue.promote_all(limit=wrong)  # type: ignore[arg-type]


async def test_what_came_due_meanwhile_and_waits_again_is_left_alone(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[int] = []
    walk = Inspector.walk

    @queue.task(attempts=2, backoff=Fixed(3600))
    async def failing() -> None:
        runs.append(1)
        raise ValueError("as planned")

    job = await failing.options(delay=3600).enqueue()

    async def read_late(self: Inspector, state: JobState, moment: int) -> AsyncIterator[Walked]:
        async for walked in walk(self, state, moment):
            if state is JobState.SCHEDULED:
                await job.promote()
                async with Worker(queue):
                    await wait_until(failed, "its first attempt to have failed")
            yield walked

    async def failed() -> bool:
        return await job.state() is JobState.RETRYING

    monkeypatch.setattr(Inspector, "walk", read_late)
    assert await queue.promote_all() == 0
    assert runs == [1]
    assert await job.state() is JobState.RETRYING


async def test_the_number_is_right_where_a_reply_is_lost(far_queue: Queue, proxy: Proxy) -> None:
    await far_queue.enqueue_many([far_queue.bind("work", delay=3600) for _ in range(300)])
    proxy.drop_reply_of(runs_script("promote"))
    assert await far_queue.promote_all() == 300
    assert proxy.dropped()
    assert await waiting(far_queue) == (300, 0, 0)
