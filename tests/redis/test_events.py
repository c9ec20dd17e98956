"""Events of a queue: one a job and occurrence, resumable, and a gap is said."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from aiojobs_redis import (
    Cancel,
    ConfigInvalid,
    Event,
    EventStream,
    Fixed,
    Queue,
    QueueUnavailable,
    Snooze,
    Worker,
    current_job,
)
from aiojobs_redis.events import EVENT_TYPES
from tests.support.proxy import Proxy
from tests.support.raw import raw
from tests.support.waiting import wait_until

ALL = "0-0"


async def read(stream: EventStream, count: int) -> list[Event]:
    """Return the next so many events."""
    found: list[Event] = []
    async with asyncio.timeout(30):
        async for event in stream:
            found.append(event)
            if len(found) == count:
                break
    return found


def kinds(events: Iterable[Event]) -> list[str]:
    return [event.type for event in events]


@pytest.mark.requirement("U12")
@pytest.mark.requirement("P9")
@pytest.mark.requirement("P12")
async def test_each_step_of_a_job_is_one_event_in_order(queue: Queue) -> None:
    @queue.task(attempts=2, backoff=Fixed(0.01))
    async def flaky() -> str:
        if current_job().attempt == 1:
            raise ValueError("once")
        return "done"

    before = datetime.now(UTC) - timedelta(seconds=5)
    job = await flaky.enqueue()
    worker = Worker(queue)
    async with worker:
        await job.result(10)
        # When nothing runs any more has a test of its own.
        wanted = EVENT_TYPES - {"drained"}
        events = await read(queue.events(since=ALL, types=cast("Any", wanted)), 7)

    names = "enqueued", "started", "failed", "retrying", "due", "started", "completed"
    assert kinds(events) == list(names)
    assert {event.job for event in events} == {job.id}
    told = {event.type: (event.task, event.worker) for event in events}
    assert told == {
        "enqueued": ("flaky", None),
        "started": (None, worker.id),
        "failed": ("flaky", worker.id),
        "retrying": ("flaky", worker.id),
        "due": (None, None),
        "completed": ("flaky", worker.id),
    }
    assert all(before < event.at < before + timedelta(seconds=60) for event in events)
    assert len({event.id for event in events}) == 7
    info = await events[0].info()
    assert info is not None
    assert (info.id, info.task) == (job.id, "flaky")


@pytest.mark.requirement("U12")
@pytest.mark.requirement("D19")
async def test_dead_and_cancelled_jobs_and_what_befalls_the_queue_are_told_once(
    queue: Queue,
) -> None:
    @queue.task(attempts=1)
    async def fails() -> None:
        raise ValueError("always")

    @queue.task
    async def gives_up() -> None:
        raise Cancel("no need")

    dead, cancelled = await fails.enqueue(), await gives_up.enqueue()
    waiting = await fails.options(delay=60).enqueue()
    await waiting.cancel()
    await queue.pause()
    await queue.resume()
    async with Worker(queue) as worker:

        async def all_ended() -> bool:
            return (await queue.counts()).unfinished == 0

        await wait_until(all_ended, "both jobs to end", 10)
        await queue.schedule("pulse", fails.bind(), every=1, limit=1)
        events = await read(queue.events(ALL, types=["schedule"]), 1)
        assert (events[0].job, events[0].data) == (None, {"schedule": "pulse"})
        await wait_until(all_ended, "the job of the schedule to end", 10)

    found: dict[str, list[Event]] = {}
    await queue.pause()
    async for event in queue.events(ALL):
        found.setdefault(event.type, []).append(event)
        if event.type == "paused" and len(found["paused"]) == 2:
            break
    assert [event.job for event in found["cancelled"]].count(cancelled.id) == 1
    assert [event.job for event in found["cancelled"]].count(waiting.id) == 1
    assert [event.job for event in found["dead"]].count(dead.id) == 1
    assert [event.job for event in found["failed"]].count(dead.id) == 1
    assert len(found["dead"]) == 2
    by_worker = {event.job: event.worker for event in found["cancelled"]}
    assert by_worker == {cancelled.id: worker.id, waiting.id: None}
    assert [(event.job, event.task) for event in found["resumed"]] == [(None, None)]
    assert "completed" not in found


@pytest.mark.behaviour("T60")
async def test_every_kind_of_thing_is_told_once(queue: Queue) -> None:
    @queue.task(attempts=2, backoff=Fixed(0.01))
    async def work(what: str) -> None:
        if what == "retry" and current_job().attempt == 1:
            raise ValueError(what)
        if what == "snooze" and not current_job().state:
            current_job().state["been"] = True
            raise Snooze(0.01)
        if what == "report":
            await current_job().progress(1, 2)

    await work.options(id="stalled").enqueue("plain")
    assert len(await queue.claim(lease=0.5)) == 1, "and nobody renews it"
    for what in ("plain", "retry", "snooze", "report"):
        await work.options(id=what).enqueue(what)
    await work.options(id="delayed", delay=0.05).enqueue("plain")
    await work.options(id="plain").enqueue("again")
    await queue.enqueue_many([work.options(id="plain", priority=3).bind("again")])
    await work.options(id="unique", unique="key", delay=3600).enqueue("plain")
    assert (await work.options(unique="key").enqueue("other")).id == "unique"
    await work.options(id="gone", delay=3600).enqueue("plain")
    await queue.job("gone").remove()
    await queue.job("unique").remove()
    async with Worker(queue, concurrency=20):
        await wait_until(lambda: ended(queue), "all jobs to end", 20)
        # What was reported last may be told with the next call.
        await work.options(id="last").enqueue("plain")
        await wait_until(lambda: ended(queue), "the last job to end", 20)
    await queue.pause()
    await queue.resume()

    found: dict[str | None, list[str]] = {}
    async for event in queue.events(since=ALL):
        found.setdefault(event.job, []).append(event.type)
        if event.type == "resumed":
            break

    run = ["started", "completed"]
    assert found == {
        "plain": ["enqueued", "duplicated", "duplicated", *run],
        "retry": ["enqueued", "started", "failed", "retrying", "due", *run],
        "snooze": ["enqueued", "started", "scheduled", "due", *run],
        "report": ["enqueued", "started", "progress", "completed"],
        "delayed": ["enqueued", "scheduled", "due", *run],
        "stalled": ["enqueued", "started", "recovered", *run],
        "unique": ["enqueued", "scheduled", "duplicated", "removed"],
        "gone": ["enqueued", "scheduled", "removed"],
        "last": ["enqueued", *run],
        None: [*["drained"] * found[None].count("drained"), "paused", "resumed"],
    }
    assert 2 <= found[None].count("drained") <= 7


async def ended(queue: Queue) -> bool:
    return (await queue.counts()).unfinished == 0


@pytest.mark.behaviour("T60")
async def test_a_queue_is_drained_once_however_many_jobs_it_had(queue: Queue) -> None:
    @queue.task
    async def work() -> None: ...

    for _ in range(2):
        await queue.enqueue_many([work.bind() for _ in range(400)])
        await Worker(queue, concurrency=50).run(burst=True)
    await queue.pause()

    kinds: Counter[str] = Counter()
    stream = queue.events(since=ALL)
    async for event in stream:
        kinds[event.type] += 1
        if event.type == "paused":
            break
    # The end of a burst reports in two halves, of which only the second leaves nothing.
    assert kinds["completed"] == 800
    assert kinds["drained"] == 2


@pytest.mark.requirement("P12")
async def test_progress_is_told_while_the_job_runs(queue: Queue) -> None:
    gate = asyncio.Event()

    @queue.task
    async def work() -> None:
        await current_job().progress(1, 2)
        await gate.wait()

    async with Worker(queue):
        job = await work.enqueue()
        [event] = await read(queue.events(ALL, types=["progress"]), 1)
        info = await event.info()
        gate.set()
        await job.result(10)

    assert event.job == job.id
    assert info is not None
    assert info.progress is not None
    assert (info.progress.done, info.progress.total) == (1, 2)


@pytest.mark.requirement("U12")
async def test_a_misspelt_type_or_place_is_an_error_at_once(queue: Queue) -> None:
    with pytest.raises(ConfigInvalid, match="no event type 'done'; the types are enqueued"):
        queue.events(types=["done"])  # type: ignore[list-item]
    with pytest.raises(ConfigInvalid, match="no event type is given"):
        queue.events(types=[])
    for bad in ("yesterday", "12", "1-2.x", 17, b"1-2"):
        with pytest.raises(ConfigInvalid, match="since must be the id of an event"):
            queue.events(since=bad)  # type: ignore[arg-type]
    with pytest.raises(ConfigInvalid, match="naive"):
        queue.events(since=datetime(2030, 1, 1))
    assert "behind 5-6.7" in repr(queue.events(since="5-6.7"))


async def test_a_reader_goes_on_in_the_middle_of_an_entry(queue: Queue) -> None:
    names = [f"job-{number:03}" for number in range(150)]
    await queue.enqueue_many([queue.bind("work", id=name) for name in names])
    assert await raw(queue, "XLEN", queue.store.keys["events"]) == 3
    events = await read(queue.events(ALL), 150)
    assert [event.job for event in events] == names

    # By another reader, from each place on, and by the same one after it has left the loop.
    for at in (0, 62, 63, 64, 100):
        [following] = await read(queue.events(events[at].id), 1)
        assert following == events[at + 1]
    stream = queue.events(ALL)
    pieces = [await read(stream, size) for size in (10, 60, 80)]
    assert [event for piece in pieces for event in piece] == events


async def test_only_the_wanted_types_are_delivered(queue: Queue) -> None:
    for number in range(3):
        await queue.enqueue("work", id=f"a{number}")
        await queue.job(f"a{number}").cancel()

    events = await read(queue.events(ALL, types=["cancelled"]), 3)

    assert [(event.type, event.job) for event in events] == [
        ("cancelled", f"a{number}") for number in range(3)
    ]


async def test_without_a_place_only_what_happens_from_now_on_is_told(queue: Queue) -> None:
    # Also where nothing has ever happened.
    async with queue.events() as empty:
        await queue.enqueue("work", id="old")
    async with queue.events() as stream:
        await queue.enqueue("work", id="new")
        assert [event.job for event in await read(stream, 1)] == ["new"]
    assert [event.job for event in await read(empty, 2)] == ["old", "new"]

    waiting = asyncio.create_task(read(queue.events(), 1))

    async def later() -> bool:
        await queue.enqueue("work")
        return waiting.done()

    await wait_until(later, "the reader to see one")
    [seen] = await waiting
    assert seen.job not in {"old", "new"}


async def test_an_instant_is_a_place_too(queue: Queue) -> None:
    await queue.enqueue("work", id="first")
    [first] = await read(queue.events(ALL), 1)

    async def a_millisecond_later() -> bool:
        seconds, micros = await raw(queue, "TIME")
        return int(seconds) * 1000 + int(micros) // 1000 > first.at.timestamp() * 1000

    await wait_until(a_millisecond_later, "the clock of the server to go on")
    await queue.enqueue("work", id="second")
    second = (await read(queue.events(ALL), 2))[1]
    assert (await read(queue.events(first.at), 2)) == [first, second]
    assert (await read(queue.events(second.at), 1)) == [second]
    assert (await read(queue.events(datetime(2001, 1, 1, tzinfo=UTC)), 1))[0] == first


async def test_a_gap_is_said_once_and_only_where_there_is_one(queue: Queue) -> None:
    await queue.enqueue("work", id="first")
    [first] = await read(queue.events(ALL), 1)
    stream = queue.events(first.id)
    key = queue.store.keys["events"]
    # What the reader has read is cut off, and nothing that it has not: that cannot be told apart.
    await queue.enqueue_many([queue.bind("work", id=f"n{number}") for number in range(500)])
    assert len(await read(stream, 300)) == 300

    for number in range(30):
        await queue.enqueue("work", id=f"m{number}")
    await raw(queue, "XTRIM", key, "MAXLEN", 5)
    events = await read(stream, 6)
    assert kinds(events) == ["gap", *["enqueued"] * 5]
    assert [event.job for event in events] == [None, *(f"m{number}" for number in range(25, 30))]
    # The id of a gap is a place as any other: it is told again, since it is there again.
    assert kinds(await read(queue.events(events[0].id), 2)) == ["gap", "enqueued"]
    assert kinds(await read(queue.events(events[1].id), 4)) == ["enqueued"] * 4


async def test_a_queue_that_is_destroyed_leaves_a_gap(queue: Queue) -> None:
    await queue.enqueue("work", id="first")
    stream = queue.events(ALL)
    assert kinds(await read(stream, 1)) == ["enqueued"]
    await queue.destroy(force=True)
    reading = asyncio.create_task(read(stream, 2))
    await asyncio.sleep(0)
    await queue.enqueue("work", id="second")
    assert kinds(await reading) == ["gap", "enqueued"]


async def test_a_reader_who_comes_after_the_stream_was_cut_is_told(real_queue: Queue) -> None:
    enqueue = real_queue.enqueue
    for number in range(2300):
        await enqueue("work", id=f"{number}", expires=600)
    length = await raw(real_queue, "XLEN", real_queue.store.keys["events"])
    assert 2000 <= length <= 2200

    for since in (ALL, datetime(2001, 1, 1, tzinfo=UTC)):
        events = await read(real_queue.events(since), 3)
        assert kinds(events) == ["gap", "enqueued", "enqueued"]
    whole = await read(real_queue.events(events[1].id), length - 1)
    assert [event.job for event in whole] == [str(n) for n in range(2301 - length, 2300)]
    # An instant that is not cut off yet.
    assert kinds(await read(real_queue.events(whole[100].at), 1)) == ["enqueued"]


@pytest.mark.requirement("P12")
async def test_lost_connections_cost_no_event_and_double_none(
    real_queue: Queue, real_url: str
) -> None:
    @real_queue.task
    async def work(number: int) -> int:
        return number

    seen: list[Event] = []

    async def listen(stream: EventStream) -> None:
        async for event in stream:
            seen.append(event)  # noqa: PERF401 - each is looked at while others are to come

    async with (
        Proxy(real_url.removeprefix("unix://")) as proxy,
        Queue(real_queue.name, url=proxy.url, namespace="test") as far,
        Worker(real_queue),
    ):
        await work.enqueue(0)
        listening = asyncio.create_task(
            listen(far.events(ALL, types=["enqueued", "started", "completed"]))
        )
        await wait_until(lambda: len(seen) == 3, "the first job to be seen")
        for number in range(1, 60):
            job = await work.enqueue(number)
            await job.result(10)
            if number % 10 == 0:
                proxy.cut()
            if number % 25 == 0:
                proxy.refusing = not proxy.refusing
        await wait_until(lambda: len(seen) >= 180, "all events", 20)
        listening.cancel()
    assert len({event.id for event in seen}) == len(seen) == 180
    assert Counter(kinds(seen)) == {"enqueued": 60, "started": 60, "completed": 60}


async def test_a_reader_that_is_cancelled_or_left_closes_its_connection(
    real_queue: Queue,
) -> None:
    async def blocked() -> bool:
        clients = (await raw(real_queue, "CLIENT", "LIST")).decode()
        return "cmd=xread" in clients

    reading = asyncio.create_task(read(real_queue.events(), 1))
    await wait_until(blocked, "the reader to wait")
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading

    async def gone() -> bool:
        return not await blocked()

    await wait_until(gone, "its connection to be closed")


async def test_a_damaged_entry_hides_no_other(queue: Queue) -> None:
    await queue.enqueue("work", id="first")
    key = queue.store.keys["events"]
    await raw(queue, "XADD", key, "*", "completed", "no netstring", "later", "1:a", "dead", "9:ab")
    await queue.enqueue("work", id="last")

    events = await read(queue.events(ALL), 3)

    assert [event.job for event in events] == ["first", "ab", "last"]


async def test_events_of_a_server_that_is_away_cannot_be_read(queue_name: str) -> None:
    queue = Queue(queue_name, url="redis://127.0.0.1:1")
    with pytest.raises(QueueUnavailable, match=r"127\.0\.0\.1:1"):
        await read(queue.events(), 1)
    with pytest.raises(QueueUnavailable):
        async with queue.events():
            pass
    await queue.close()


async def test_two_readers_see_the_same(queue: Queue) -> None:
    streams: list[AsyncIterator[Event]] = []
    async with queue.events() as one, queue.events() as other:
        await queue.enqueue_many([queue.bind("work") for _ in range(70)])
        streams = [aiter(one), aiter(other)]
        first = [await anext(streams[0]) for _ in range(70)]
        second = [await anext(streams[1]) for _ in range(70)]
    assert first == second
