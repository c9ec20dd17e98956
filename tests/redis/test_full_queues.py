"""A queue at its `max_length` takes what does not make it longer, and all of a call or nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Literal

import pytest

from aiojobs_redis import Queue, QueueFull, Unique, chain
from tests.support.raw import raw


@pytest.fixture
async def full(server_url: str, queue_name: str) -> AsyncIterator[Queue]:
    """A queue with the two jobs that it may have, "first" of the key "k", and "second"."""
    queue = Queue(queue_name, server_url, namespace="test", max_length=2)
    await queue.enqueue("work", 1, id="first", delay=60, unique=Unique("k"))
    await queue.enqueue("work", 2, id="second", delay=60)
    yield queue
    await queue.close()


async def arguments(queue: Queue, id: str) -> Any:
    """Return what a job was given."""
    info = await queue.job(id).info()
    assert info is not None
    return info.args


@pytest.mark.parametrize("conflict", ["keep", "replace", "follow"])
async def test_a_job_in_the_place_of_another_is_no_job_more(
    full: Queue, conflict: Literal["keep", "replace", "follow"]
) -> None:
    unique = Unique("k", on_conflict=conflict)
    job = await full.enqueue("work", 3, delay=60, unique=unique)
    assert (job.id, job.created) == ("first", False)
    # The last arguments win, under a load as ever.
    assert await arguments(full, "first") == ([1] if conflict == "keep" else [3])


async def test_an_id_that_is_taken_is_no_job_more(full: Queue) -> None:
    assert not (await full.enqueue("work", 3, id="second")).created
    flow = chain(full.bind("work", 1, id="first"), full.bind("work", 2, id="second"))
    assert [job.created for job in await full.enqueue_flow(flow)] == [False, False]


async def test_what_would_follow_is_a_job_more(full: Queue) -> None:
    latest = Unique("k", on_conflict="follow")
    await full.job("first").promote()
    [lease] = await full.claim()
    # What runs does not count.
    third = await full.enqueue("work", 3, delay=60)
    with pytest.raises(QueueFull):
        await full.enqueue("work", 3, unique=latest)

    await third.remove()
    follower = await full.enqueue("work", 3, unique=latest)
    assert follower.created
    again = await full.enqueue("work", 4, unique=latest)
    assert (again.id, await arguments(full, follower.id)) == (follower.id, [4])
    await lease.complete()


async def test_of_a_call_only_what_is_added_counts(server_url: str, queue_name: str) -> None:
    async with Queue(queue_name, server_url, namespace="test", max_length=2) as queue:
        same = [queue.bind("work", n, unique="k") for n in range(3)]
        assert [job.created for job in await queue.enqueue_many(same)] == [True, False, False]
        twice = [queue.bind("work", n, id="one") for n in range(3)]
        assert [job.created for job in await queue.enqueue_many(twice)] == [True, False, False]
        mixed = [queue.bind("work", 1, id="one"), queue.bind("work", 2)]
        with pytest.raises(QueueFull) as refused:
            await queue.enqueue_many(mixed)
        assert (await queue.counts()).queued == 2
    assert "2" in str(refused.value)


async def test_a_call_for_which_no_queue_is_long_enough_leaves_nothing(
    server_url: str, queue_name: str
) -> None:
    async with Queue(queue_name, server_url, namespace="test", max_length=2) as queue:
        with pytest.raises(QueueFull):
            await queue.enqueue_many([queue.bind("work", n) for n in range(3)])
        assert await raw(queue, "KEYS", f"*{queue_name}*") == []


async def test_a_new_job_is_refused(full: Queue) -> None:
    for options in ({}, {"unique": "other"}, {"id": "third"}):
        with pytest.raises(QueueFull):
            await full.enqueue("work", **options)
    with pytest.raises(QueueFull):
        await full.enqueue_flow(chain(full.bind("work", 1, id="first"), full.bind("work")))
    assert (await full.counts()).scheduled == 2
