"""The events of one job: from its enqueue to its end, whoever asks and whenever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from aiojobs_redis import (
    Cancel,
    ConfigInvalid,
    EmittedEvent,
    Event,
    EventStream,
    Fixed,
    JobFailed,
    JobNotFound,
    JobState,
    Queue,
    Worker,
    current_job,
)
from tests.support.gauge import Gauge
from tests.support.proxy import Proxy, runs_script
from tests.support.raw import raw
from tests.support.waiting import wait_until

LONG = 60.0
on_one_server = pytest.mark.parametrize("server_url", ["valkey"], indirect=True)


@pytest.fixture
async def elsewhere(queue: Queue, server_url: str) -> AsyncIterator[Queue]:
    """The same queue as another process has it."""
    elsewhere = Queue(queue.name, url=server_url, namespace="test")
    yield elsewhere
    await elsewhere.close()


async def collect(stream: EventStream) -> list[Event]:
    """Return all events of a stream that ends."""
    async with asyncio.timeout(LONG):
        return [event async for event in stream]


def values(events: list[Event]) -> list[Any]:
    """Return the data of what was emitted."""
    return [event.data for event in events if isinstance(event, EmittedEvent)]


def kinds(events: list[Event]) -> list[str]:
    return [event.type for event in events if event.type != "emitted"]


@pytest.mark.requirement("U12")
async def test_a_job_is_followed_while_it_runs_until_it_has_ended(
    queue: Queue, elsewhere: Queue
) -> None:
    gauge = Gauge()

    @queue.task
    async def count(up_to: int) -> int:
        job = current_job()
        for number in range(up_to):
            await job.emit("number", number)
            if number == 1:
                await gauge.pass_through()
        return up_to

    async with Worker(queue):
        job, _ = await queue.enqueue_many([count.bind(5), count.bind(2)])
        seen: list[Event] = []
        async with asyncio.timeout(LONG):
            async for event in elsewhere.job(job.id).events():
                seen.append(event)
                if isinstance(event, EmittedEvent) and event.data == 1:
                    assert await job.state() is JobState.RUNNING
                    gauge.open()

    assert kinds(seen) == ["enqueued", "started", "completed"]
    assert values(seen) == [0, 1, 2, 3, 4]
    emitted = cast("EmittedEvent", seen[2])
    assert (emitted.name, emitted.job, emitted.worker) == ("number", job.id, None)
    info = await emitted.info()
    assert info is not None
    assert info.id == job.id


async def test_a_job_that_has_ended_is_read_from_its_enqueue_on(queue: Queue) -> None:
    @queue.task(attempts=2, backoff=Fixed(0))
    async def work() -> None:
        await current_job().emit("attempt", current_job().attempt)
        raise ValueError("always")

    before = await work.enqueue()
    async with Worker(queue):
        with pytest.raises(JobFailed):
            await before.result(LONG)
        job = await work.enqueue()
        with pytest.raises(JobFailed):
            await job.result(LONG)
    events = await collect(job.events())

    assert {event.job for event in events} == {job.id}
    assert values(events) == [1, 2]
    assert [kind for kind in kinds(events) if kind not in ("retrying", "due")] == [
        *("enqueued", "started", "failed", "started", "failed", "dead")
    ]
    first = events[2]
    assert values([first]) == [1]
    assert await collect(job.events(first.id)) == events[3:]
    assert values(await collect(job.events(types=["emitted"]))) == [1, 2]
    assert kinds(await collect(job.events(types=["dead"]))) == ["dead"]


async def test_what_came_before_its_end_was_seen_is_delivered(
    far_queue: Queue, proxy: Proxy, real_url: str
) -> None:
    asks_for_state = runs_script("states")
    near = Queue(far_queue.name, url=real_url, namespace="test")

    @near.task
    async def work() -> None: ...

    job = await work.enqueue()
    (lease,) = await near.claim()

    async def end_it(words: list[bytes]) -> None:
        if asks_for_state(words) and await job.state() is JobState.RUNNING:
            # The events have been read, and the state has not.
            await lease.complete()

    proxy.before = end_it
    assert kinds(await collect(far_queue.job(job.id).events())) == [
        *("enqueued", "started", "completed")
    ]
    await near.close()


async def test_a_job_that_was_replayed_is_followed_to_its_next_end(queue: Queue) -> None:
    @queue.task(attempts=1)
    async def work() -> None:
        await current_job().emit("generation", current_job().generation)
        raise ValueError("always")

    job = await work.enqueue()
    async with Worker(queue):
        with pytest.raises(JobFailed):
            await job.result(LONG)
        await queue.replay(job.id)
        assert values(await collect(job.events())) == [1, 2]


async def test_whoever_follows_a_job_is_told_of_every_end(queue: Queue) -> None:
    @queue.task
    async def gives_up() -> None:
        raise Cancel("no need")

    @queue.task(keep_result=0)
    async def leaves_nothing() -> None:
        await current_job().emit("here")

    removed = await gives_up.options(delay=60).enqueue()
    following = asyncio.create_task(collect(removed.events()))
    await wait_until(lambda: not following.done(), "it to begin")
    await removed.remove()
    assert kinds(await following)[-1] == "removed"
    assert kinds(await collect(removed.events())) == ["enqueued", "scheduled", "removed"]
    job = await gives_up.enqueue()
    gone = await leaves_nothing.enqueue()
    async with Worker(queue):
        assert kinds(await collect(job.events()))[-1] == "cancelled"
        assert kinds(await collect(gone.events())) == ["enqueued", "started", "completed"]
    assert await gone.info() is None
    assert len(await collect(gone.events())) == 4


async def test_a_job_that_never_was_has_no_events(queue: Queue) -> None:
    @queue.task
    async def work() -> None: ...

    await work.enqueue()
    with pytest.raises(JobNotFound, match="no record of job nobody in queue"):
        await collect(queue.job("nobody").events())
    with pytest.raises(ConfigInvalid, match="no event type 'done'"):
        queue.job("nobody").events(types=["done"])  # type: ignore[list-item]
    assert "job nobody behind 5-6" in repr(queue.job("nobody").events("5-6"))


@on_one_server
async def test_a_follower_is_told_of_events_that_were_cut_off(queue: Queue) -> None:
    @queue.task
    async def work() -> None:
        await current_job().emit("here")

    job = await work.enqueue()
    async with Worker(queue):
        await job.result(LONG)
    first = (await collect(job.events()))[0]
    entries = await raw(queue, "XRANGE", queue.store.keys["events"], "-", "+")
    await raw(queue, "XDEL", queue.store.keys["events"], *[entry[0] for entry in entries[:-1]])

    assert kinds(await collect(job.events(first.id))) == ["gap", "completed"]
    assert kinds(await collect(job.events(first.id, types=["started"]))) == ["gap"]
    await raw(queue, "DEL", queue.store.keys["events"])
    assert await collect(job.events(first.id)) == []
