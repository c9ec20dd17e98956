"""Calls about all jobs of a state hold a page of them in memory, and are right while jobs move."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from aiojobs_redis import Fixed, JobState, Queue, Worker
from tests.support.proxy import Proxy, runs_script
from tests.support.raw import raw
from tests.support.tiers import sizes
from tests.support.waiting import wait_until

# Indexes, with their records, as a script makes them in no time.
FILL = """
local blob = ARGV[4]
for n = tonumber(ARGV[1]), tonumber(ARGV[2]) do
    local id = string.format('%s%08d', ARGV[3], n)
    redis.call('HSET', KEYS[1], id, blob)
    redis.call('HSET', KEYS[2], id, ARGV[3] .. ',,,0,1,0,0,,,' .. ARGV[5] .. ARGV[6])
    redis.call('ZADD', KEYS[3], 4000000000000 + math.floor(n / 1000), id)
end
"""
# Bytes: what a page takes is a third to a half of it, and 10,000 ids take more.
MOST = 1_000_000


async def fill(queue: Queue, many: int, letter: str, index: str) -> None:
    keys = queue.store.keys
    await queue.enqueue("some", id="template")
    blob = await raw(queue, "HGET", keys["jobs"], "template")
    header = blob.partition(b"\n")[0]
    await queue.job("template").remove()
    names = (keys["jobs"], keys["runs"], keys[index])
    ended = "1" if letter == "d" else ""
    for first in range(0, many, 5_000):
        last = first + 5_000 - 1
        await raw(queue, "EVAL", FILL, 3, *names, first, last, letter, blob, ended, header)


CALLS: dict[str, tuple[str, str, Callable[[Queue], Awaitable[int]], bool]] = {
    "replay": ("d", "dead", lambda queue: queue.replay_all(), True),
    "replay some": ("d", "dead", lambda queue: queue.replay_all(task="none"), False),
    "promote": ("s", "scheduled", lambda queue: queue.promote_all(), True),
    "promote some": ("s", "scheduled", lambda queue: queue.promote_all(task="none"), False),
    "retrying": ("t", "retrying", lambda queue: queue.promote_all(), True),
    "clean": ("d", "dead", lambda queue: queue.clean("dead"), True),
    "drain": ("s", "scheduled", lambda queue: queue.drain(scheduled=True), True),
}


@pytest.mark.corrupts
@pytest.mark.parametrize("call", CALLS)
@sizes(ci={"many": 10_000}, whole={"many": 50_000})
async def test_a_page_of_the_jobs_is_held_in_memory(
    real_queue: Queue, call: str, size: Mapping[str, Any]
) -> None:
    letter, index, do, takes_all = CALLS[call]
    assert await do(real_queue) == 0, "what is imported for it is not counted"
    await fill(real_queue, size["many"], letter, index)
    tracemalloc.start()
    try:
        count = await do(real_queue)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert count == (size["many"] if takes_all else 0)
    assert most < MOST
    assert getattr(await real_queue.counts(), index) == size["many"] - count


async def test_what_dies_again_meanwhile_is_not_replayed_again(real_queue: Queue) -> None:
    ran: Counter[int] = Counter()

    @real_queue.task(attempts=1)
    async def failing(number: int) -> None:
        ran[number] += 1
        raise ValueError("as ever")

    await real_queue.enqueue_many([failing.bind(number) for number in range(600)])
    await Worker(real_queue, concurrency=50).run(burst=True)
    async with Worker(real_queue, concurrency=50):
        replayed = await real_queue.replay_all()

        async def settled() -> bool:
            return ran.total() >= 1_200

        await wait_until(settled, "all to have died again", 30)

    assert replayed == 600
    assert set(ran.values()) == {2}


async def test_what_waits_again_meanwhile_is_not_promoted_again(real_queue: Queue) -> None:
    ran: Counter[int] = Counter()

    @real_queue.task(attempts=9, backoff=Fixed(3600))
    async def failing(number: int) -> None:
        ran[number] += 1
        raise ValueError("as ever")

    later = failing.options(delay=3600)
    await real_queue.enqueue_many([later.bind(number) for number in range(600)])
    async with Worker(real_queue, concurrency=50):
        promoted = await real_queue.promote_all()

        async def settled() -> bool:
            return (await real_queue.counts()).retrying == 600

        await wait_until(settled, "all to have failed", 30)

    assert promoted == 600
    assert set(ran.values()) == {1}


async def test_what_is_there_for_the_whole_time_is_not_passed_over(real_queue: Queue) -> None:
    @real_queue.task(attempts=1)
    async def failing() -> None:
        raise ValueError("as ever")

    ids = [f"j{number:04}" for number in range(1_500)]
    await real_queue.enqueue_many([failing.options(id=id).bind() for id in ids])
    await Worker(real_queue, concurrency=50).run(burst=True)
    leaving = ids[::10]

    async with asyncio.TaskGroup() as group:
        group.create_task(removing(real_queue, leaving))
        call = group.create_task(real_queue.replay_all())

    states = await real_queue.states([id for id in ids if id not in set(leaving)])
    assert set(states.values()) == {JobState.QUEUED}
    assert call.result() >= len(states)


async def removing(queue: Queue, ids: list[str]) -> None:
    """Remove jobs as an operator may, one by one; what has been replayed goes too."""
    for id in ids:
        await queue.job(id).remove()


async def test_a_reply_that_is_lost_neither_skips_nor_repeats(
    far_queue: Queue, proxy: Proxy
) -> None:
    await far_queue.enqueue_many([far_queue.bind("work", delay=3600) for _ in range(600)])
    proxy.drop_reply_of(runs_script("walk"))

    assert await far_queue.promote_all() == 600
    assert proxy.dropped()
