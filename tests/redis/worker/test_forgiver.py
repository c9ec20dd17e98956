"""The worker that leads lets a key whose backlog was removed begin at the head again."""

from __future__ import annotations

import pytest

from aiojobs_redis import Queue, Worker
from aiojobs_redis.worker import forgiver
from tests.support.waiting import wait_until


async def test_a_key_does_not_owe_the_turns_of_a_backlog_that_was_removed(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgiver, "_ROUND", 0.05)
    monkeypatch.setattr(forgiver, "_MOST", 7)
    order: list[str] = []

    @queue.task
    async def note(key: str) -> None:
        order.append(key)

    backlog = await queue.enqueue_many([note.options(key="a").bind("old") for _ in range(30)])
    await queue.enqueue_many([note.options(key="b").bind("b") for _ in range(30)])
    for job in backlog:
        await job.remove()
    await queue.pause()

    async def forgiven() -> bool:
        async with queue.store.server.borrow() as link:
            return await link.call("HGET", queue.store.keys["tags"], "0,a") is None

    async with Worker(queue, concurrency=1):
        await wait_until(forgiven, "the worker to look", 15)
        await note.options(key="a").enqueue("new")
        await queue.resume()
        await wait_until(lambda: len(order) == 31, "all to run")

    assert order.index("new") < 3
