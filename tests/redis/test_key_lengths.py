"""How many jobs of one key may wait for their first start, over all producers of a queue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from aiojobs_redis import (
    ConfigInvalid,
    Job,
    KeyFull,
    Queue,
    QueueFull,
    RateExceeded,
    Unique,
    Worker,
    group,
    join,
)
from tests.support.proxy import Proxy, runs_script
from tests.support.waiting import wait_until


@pytest.fixture
async def lined(server_url: str, queue_name: str) -> AsyncIterator[Queue]:
    """A queue in which each key may have three jobs that have not started."""
    queue = Queue(queue_name, server_url, namespace="test", max_length_per_key=3)
    yield queue
    await queue.close()


async def added(queue: Queue, count: int, **options: Any) -> int:
    """Return how many of some jobs are added, each by a call of its own."""
    calls = (queue.enqueue("work", **options) for _ in range(count))
    found = await asyncio.gather(*calls, return_exceptions=True)
    strange = [one for one in found if isinstance(one, BaseException)]
    assert all(isinstance(one, KeyFull) for one in strange), strange
    return count - len(strange)


async def test_a_key_that_has_its_number_is_refused_and_the_others_are_not(lined: Queue) -> None:
    assert await added(lined, 10, key="greedy") == 3
    assert await added(lined, 2, key="modest", delay=60) == 2
    assert await added(lined, 9) == 9, "jobs without a key are those of no key"
    with pytest.raises(KeyFull) as caught:
        await lined.enqueue("work", key="greedy", delay=60)

    assert (caught.value.key, caught.value.limit) == ("greedy", 3)
    assert isinstance(caught.value, QueueFull)
    for words in ("'greedy'", "3 waiting jobs", "1 over it was", "not written", "max_length_per_"):
        assert words in str(caught.value)
    counts = await lined.counts()
    assert (counts.queued, counts.scheduled) == (12, 2)


async def test_a_place_is_free_once_a_job_has_started_or_went_without(lined: Queue) -> None:
    started: list[str] = []
    going = asyncio.Event()

    @lined.task
    async def work() -> None:
        started.append("")
        await going.wait()

    jobs = [await work.options(key="k").enqueue() for _ in range(3)]
    await jobs[0].cancel()
    await jobs[1].remove()
    assert await added(lined, 9, key="k") == 2
    async with Worker(lined):
        await wait_until(lambda: len(started) == 3, "all three to start")
        assert await added(lined, 9, key="k") >= 3, "those that run do not count"
        going.set()


async def test_a_bulk_adds_what_has_room_and_says_which(lined: Queue) -> None:
    calls = [lined.bind("work", id=f"{n}", key="ab"[n % 2]) for n in range(9)]
    with pytest.raises(KeyFull, match="3 over it were refused") as caught:
        await lined.enqueue_many(calls)

    assert [job.id for job in caught.value.jobs] == [str(n) for n in range(6)]
    await lined.drain()
    assert [job.created for job in await lined.enqueue_many(calls[6:])] == [True] * 3


async def test_the_first_refusal_is_the_one_that_is_told(server_url: str, queue_name: str) -> None:
    strict: dict[str, Any] = {"max_length_per_key": 2, "enqueue_rate": (3, 60)}
    async with Queue(queue_name, server_url, namespace="test", **strict) as queue:
        keys = [None, None, None, "k", "k", "k", None]
        calls = [queue.bind("work", **({"key": key} if key else {})) for key in keys]
        with pytest.raises(KeyFull, match="2 over it were") as caught:
            await queue.enqueue_many(calls)
        assert len(caught.value.jobs) == 5
        with pytest.raises(RateExceeded):
            await queue.enqueue_many(calls)


async def test_callers_that_share_a_batch_are_judged_one_by_one(lined: Queue) -> None:
    greedy = asyncio.gather(*(added(lined, 1, key="greedy") for _ in range(60)))
    modest = asyncio.gather(*(added(lined, 1, key=f"tenant-{n}") for n in range(60)))

    assert sum(await greedy) == 3
    assert sum(await modest) == 60


@pytest.mark.parametrize(
    "key", ["a,b", "%2C", "100%", "two\nlines", ",b1", "é" * 128, "k-", "\x00"]
)
async def test_any_text_has_a_line_of_its_own(lined: Queue, key: str) -> None:
    near = key[:-1] or "other"
    assert await added(lined, 5, key=near) == 3
    assert await added(lined, 5, key=key) == 3
    await lined.drain()
    assert await added(lined, 5, key=key) == 3


async def test_a_flow_is_added_whole_or_not_at_all(lined: Queue) -> None:
    def flow(count: int) -> Any:
        calls = [lined.bind("work", key="k") for _ in range(count)]
        return join(group(*calls), lined.bind("work", key="k"))

    with pytest.raises(KeyFull, match="4 over it were refused"):
        await lined.enqueue_flow(flow(3))
    assert (await lined.counts()).queued == 0
    handles: list[Job[Any]] = await lined.enqueue_flow(flow(2))
    assert len(handles) == 3
    assert await added(lined, 1, key="k") == 0, "the one that waits for the others counts too"


async def test_who_takes_the_place_of_another_needs_none(lined: Queue) -> None:
    latest = Unique("latest", on_conflict="replace")
    await lined.enqueue("work", key="k", unique=latest)
    assert await added(lined, 5, key="k") == 2
    again = await lined.enqueue("work", key="k", unique=latest)
    assert not again.created
    await added(lined, 5, key="full")
    with pytest.raises(KeyFull, match="'full'"):
        await lined.enqueue("work", key="full", unique=latest)
    assert (await again.info()).key == "k"  # type: ignore[union-attr]


async def test_a_tick_whose_key_has_its_number_is_given_up(lined: Queue) -> None:
    ran: list[str] = []

    @lined.task
    async def often() -> None:
        ran.append("")

    await lined.schedule("s", lined.bind("often", key="k"), every=1)
    await lined.pause()
    assert [bool(await lined.trigger("s")) for _ in range(3)] == [True] * 3
    with pytest.raises(KeyFull):
        await lined.trigger("s")

    async def missed() -> bool:
        (schedule,) = await lined.schedules()
        return schedule.missed > 0 and schedule.runs == 0

    async with Worker(lined):
        await wait_until(missed, "a tick to be given up", 20)
        await lined.resume()
        await wait_until(lambda: len(ran) >= 4, "the next tick to make a job", 20)


async def test_producers_without_the_number_are_neither_counted_nor_refused(
    lined: Queue, server_url: str
) -> None:
    async with Queue(lined.name, server_url, namespace="test") as other:
        for _ in range(5):
            await other.enqueue("work", key="k")
        assert await added(lined, 9, key="k") == 3
        await other.enqueue("work", key="k")


async def test_a_lost_reply_takes_no_second_place(far_queue: Queue, proxy: Proxy) -> None:
    async with Queue(far_queue.name, proxy.url, namespace="test", max_length_per_key=2) as queue:
        for _ in range(2):
            proxy.drop_reply_of(runs_script("enqueue"))
            assert (await queue.enqueue("work", key="k")).created
        assert proxy.dropped()
        proxy.drop_reply_of(runs_script("enqueue"))
        assert await added(queue, 1, key="k") == 0
        assert (await queue.counts()).queued == 2


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "3"])
def test_a_number_that_cannot_be_is_refused(server_url: str, wrong: Any) -> None:
    with pytest.raises(ConfigInvalid, match="max_length_per_key must be a whole number from 1"):
        Queue("q", server_url, max_length_per_key=wrong)
