"""A key of a foreign type: every script refuses it before its first write, so nothing is halved."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from aiojobs_redis import AiojobsError, Queue, QueueUnavailable, Worker
from aiojobs_redis._redis.scripts import SCRIPTS
from tests.support.raw import dump, raw
from tests.support.waiting import wait_until

SPOIL = """
if redis.call('EXISTS', KEYS[1]) == 1 then
    redis.call('RENAME', KEYS[1], KEYS[2])
end
redis.call('SET', KEYS[1], 'foreign')
"""
MEND = """
redis.call('DEL', KEYS[1])
if redis.call('EXISTS', KEYS[2]) == 1 then
    redis.call('RENAME', KEYS[2], KEYS[1])
end
"""


# Looked at only for jobs, or in queues, that use what they are for; each script meets each of its
# keys in tests/lua/test_wrong_types.py.
ONLY_WHERE_USED = {
    "enqueue_plain": {"blocked", "retrying"},
    "cancel": {"flows", "unique"},
    "replay": {"flows"},
    "exchange": {
        *(
            "blocked",
            "cancelled",
            "due",
            "flows",
            "limits",
            "opens",
            "slots",
            "starts",
            "unique",
            "unknown",
        ),
    },
}


def keys_of(script: str) -> list[str]:
    return [key for key in SCRIPTS[script].keys if key not in ONLY_WHERE_USED.get(script, ())]


@contextlib.asynccontextmanager
async def foreign(queue: Queue, short: str) -> AsyncIterator[None]:
    """Replace a key by a string, and put it back at the end."""
    key = queue.store.keys[short]
    await raw(queue, "EVAL", SPOIL, 2, key, b"saved:" + key)
    yield
    await raw(queue, "EVAL", MEND, 2, key, b"saved:" + key)


async def refused(queue: Queue, short: str, use: Callable[[], Awaitable[Any]]) -> None:
    """Check that the use is refused and changes nothing while that key is of a foreign type."""
    async with foreign(queue, short):
        before = await dump(queue)
        with pytest.raises(AiojobsError, match="WRONGTYPE") as caught:
            await use()
        assert not isinstance(caught.value, QueueUnavailable)
        assert await dump(queue) == before


@pytest.mark.requirement("R15")
@pytest.mark.parametrize("short", keys_of("enqueue_plain"))
async def test_an_enqueue_is_refused_before_the_first_write(queue: Queue, short: str) -> None:
    async def add() -> None:
        await queue.enqueue_many([queue.bind("work", 1), queue.bind("work", 2, delay=60)])

    await refused(queue, short, add)
    await add()
    await refused(queue, short, add)
    counts = await queue.counts()
    assert (counts.queued, counts.scheduled) == (1, 1)


@pytest.mark.requirement("R15")
@pytest.mark.parametrize("short", keys_of("enqueue_one"))
async def test_a_lone_enqueue_that_is_refused_leaves_nothing_behind(
    queue: Queue, short: str
) -> None:
    await queue.enqueue("work")
    await queue.enqueue("work")
    await refused(queue, short, lambda: queue.enqueue("work"))
    assert (await queue.enqueue("work")).created
    assert (await queue.counts()).queued == 3


@pytest.mark.parametrize("short", keys_of("cancel"))
async def test_a_cancel_is_refused_before_the_first_write(queue: Queue, short: str) -> None:
    job = await queue.enqueue("work")
    later = await queue.enqueue("work", delay=60)
    await refused(queue, short, job.cancel)
    await refused(queue, short, later.cancel)
    assert await job.cancel()
    assert await later.cancel()


@pytest.mark.parametrize("short", keys_of("replay"))
async def test_a_replay_is_refused_before_the_first_write(queue: Queue, short: str) -> None:
    job = await queue.enqueue("work")
    await job.cancel()
    await refused(queue, short, job.retry)
    await job.retry()


@pytest.mark.requirement("P7")
@pytest.mark.parametrize("short", keys_of("exchange"))
async def test_a_worker_neither_claims_nor_completes_by_halves(
    queue: Queue, short: str, caplog: pytest.LogCaptureFixture
) -> None:
    started, go = asyncio.Event(), asyncio.Event()

    @queue.task
    async def work(number: int) -> int:
        started.set()
        await go.wait()
        return number

    first = await work.enqueue(1)
    async with Worker(queue):
        await asyncio.wait_for(started.wait(), 10)
        second, later = await work.enqueue(2), await work.options(delay=0.01).enqueue(3)
        go.clear()
        with caplog.at_level(logging.WARNING, "aiojobs_redis"):
            async with foreign(queue, short):
                go.set()
                await wait_until(lambda: "exchange" in caplog.text, "the worker to meet it", 10)
        done = await asyncio.gather(*(job.result(20) for job in (first, second, later)))
        assert done == [1, 2, 3]
