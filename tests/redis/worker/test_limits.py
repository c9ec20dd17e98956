"""Limits of a queue, a task and a key, as workers meet them."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aiojobs_redis import (
    Backlog,
    ConfigInvalid,
    Job,
    JobState,
    Limit,
    Queue,
    SignedCodec,
    Snooze,
    Throttle,
    Worker,
    current_job,
)
from tests.support.gauge import Gauge
from tests.support.waiting import wait_until


@pytest.fixture
async def sealed(server_url: str, queue_name: str) -> AsyncIterator[Queue]:
    """A queue of which Redis cannot read the specs."""
    async with Queue(
        queue_name, server_url, namespace="test", codec=SignedCodec({"one": b"k" * 32})
    ) as queue:
        yield queue


async def starts_of(queue: Queue, ids: list[str]) -> list[datetime]:
    infos = await queue.infos(ids)
    return sorted(info.started_at for info in infos if info.started_at is not None)


@pytest.mark.requirement("B31")
@pytest.mark.behaviour("T32")
@pytest.mark.parametrize("scope", ["queue", "task", "key", "each key"])
async def test_no_window_has_more_starts_than_the_rate_over_several_workers(
    queue: Queue, scope: str
) -> None:
    @queue.task
    async def call(number: int) -> int:
        return number

    only: dict[str, dict[str, Any]] = {
        "queue": {},
        "task": {"task": "call"},
        "key": {"key": "a"},
        "each key": {"key": "*"},
    }
    await queue.limit(rate=(5, 0.6), **only[scope])
    jobs = await queue.enqueue_many([call.options(key="a").bind(n) for n in range(20)])
    workers = [Worker(queue, concurrency=4) for _ in range(4)]
    async with workers[0], workers[1], workers[2], workers[3]:
        for job in jobs:
            await job.result(20)
    starts = [at.timestamp() for at in await starts_of(queue, [job.id for job in jobs])]

    assert max(sum(at <= other < at + 0.6 for other in starts) for at in starts) <= 5
    assert 1.8 <= starts[-1] - starts[0] < 4, "the windows follow each other"


@pytest.mark.behaviour("T32")
async def test_a_limit_that_is_taken_away_frees_at_once(queue: Queue) -> None:
    @queue.task
    async def call() -> None: ...

    await queue.limit(rate=(1, 3600), concurrency=1, key="a")
    jobs = await queue.enqueue_many([call.options(key="a").bind() for _ in range(300)])
    async with Worker(queue, concurrency=5):
        await jobs[0].result(10)
        await wait_until(lambda: _blocked(queue, 299), "the others to be parked")
        loop = asyncio.get_running_loop()
        began = loop.time()
        await queue.limit(key="a")
        for job in jobs:
            await job.result(10)
        assert loop.time() - began < 5

    assert await queue.limits() == []


async def _blocked(queue: Queue, count: int) -> bool:
    return (await queue.counts()).blocked == count


@pytest.mark.behaviour("T35")
@pytest.mark.requirement("D27")
async def test_each_key_by_itself_runs_one_job_at_a_time_in_order(queue: Queue) -> None:
    running: Counter[str] = Counter()
    most: Counter[str] = Counter()
    order: dict[str, list[int]] = {"a": [], "b": [], "c": []}
    together = 0

    @queue.task(attempts=3, backoff=[0.01])
    async def work(key: str, number: int) -> None:
        nonlocal together
        running[key] += 1
        most[key] = max(most[key], running[key])
        together = max(together, running.total())
        await asyncio.sleep(0.005)
        running[key] -= 1
        if number % 4 == 0 and current_job().attempt == 1:
            raise OSError("once")
        order[key].append(number)

    await queue.limit(concurrency=1, key="*")
    calls = [work.options(key=key).bind(key, number) for number in range(20) for key in order]
    jobs = await queue.enqueue_many(calls)
    async with Worker(queue, concurrency=5), Worker(queue, concurrency=5):
        for job in jobs:
            await job.result(20)

    assert order == {key: list(range(20)) for key in order}
    assert set(most.values()) == {1}
    assert together > 1, "keys do not wait for each other"


@pytest.mark.behaviour("T35")
async def test_limits_of_keys_tasks_and_both_hold_together_and_nobody_waits_for_ever(
    queue: Queue,
) -> None:
    gauges = {name: Gauge() for name in ("a", "b", "call", "call a", "call b")}
    for gauge in gauges.values():
        gauge.open()

    async def work(task: str, key: str, number: int) -> None:
        with contextlib.ExitStack() as stack:
            for name in {task, key, f"{task} {key}"} & gauges.keys():
                stack.enter_context(gauges[name].inside())
            await asyncio.sleep(0.004)
        if number % 4 == 3 and current_job().attempt == 1:
            raise OSError("once")

    tasks = [queue.task(name=name, attempts=2, backoff=[0.01])(work) for name in ("call", "note")]
    await queue.limit(concurrency=3, key="*")
    await queue.limit(concurrency=2, task="call", key="*")
    await queue.limit(concurrency=1, task="call", key="b")
    await queue.limit(concurrency=2, task="call")
    calls = [
        task.options(key=key).bind(task.name, key, number)
        for number in range(12)
        for key in "ab"
        for task in tasks
    ]
    jobs = await queue.enqueue_many(calls)
    async with Worker(queue, concurrency=8), Worker(queue, concurrency=8):
        for job in jobs:
            await job.result(20)

    most = {name: gauge.most for name, gauge in gauges.items()}
    assert most["a"] <= 3
    assert most["b"] <= 3
    assert most["call"] == 2
    assert most["call a"] <= 2
    assert most["call b"] == 1


@pytest.mark.behaviour("T35")
@pytest.mark.parametrize("scope", ["queue", "task"])
async def test_a_cap_over_workers_is_not_leaked_by_what_ends_jobs(queue: Queue, scope: str) -> None:
    gauge = Gauge()
    gauge.open()

    @queue.task(attempts=2, backoff=[0.01])
    async def work(number: int) -> None:
        with gauge.inside():
            await asyncio.sleep(0.003)
        if number % 5 == 1:
            raise OSError("always")
        if number % 5 == 2 and number not in snoozed:
            snoozed.add(number)
            raise Snooze(0.02)

    snoozed: set[int] = set()
    await queue.limit(concurrency=2, task="work" if scope == "task" else None)
    jobs = await queue.enqueue_many([work.bind(number) for number in range(40)])
    for job in jobs[3::5]:
        await job.cancel()
    async with Worker(queue, concurrency=10), Worker(queue, concurrency=10):
        await wait_until(lambda: _finished(queue, 40), "all to end", 20)

    assert gauge.most == 2
    assert len(snoozed) == 8
    assert (await queue.counts()).unfinished == 0


async def _finished(queue: Queue, count: int) -> bool:
    counts = await queue.counts()
    return counts.completed + counts.dead + counts.cancelled == count


@pytest.mark.behaviour("T34")
async def test_a_job_that_hangs_does_not_keep_its_slot_for_ever(queue: Queue) -> None:
    @queue.task(attempts=1)
    async def work(hangs: bool) -> None:
        if hangs:
            await asyncio.Event().wait()

    await queue.limit(concurrency=1, key="a")
    hung = await work.options(key="a", timeout=0.2).enqueue(True)
    after = await work.options(key="a").enqueue(False)
    async with Worker(queue):
        await after.result(10)
        assert await hung.state() is JobState.DEAD


@pytest.mark.behaviour("T34")
async def test_a_worker_stops_at_once_while_all_is_limited(queue: Queue) -> None:
    @queue.task
    async def work() -> None: ...

    await queue.limit(rate=(1, 3600))
    await queue.limit(rate=(1, 3600), key="a")
    jobs = await queue.enqueue_many([work.options(key="a").bind() for _ in range(5)])
    loop = asyncio.get_running_loop()
    async with Worker(queue):
        await jobs[0].result(10)
        began = loop.time()
    assert loop.time() - began < 2, "no wait for the end of the window"


async def test_a_task_is_limited_where_redis_cannot_read_its_name(sealed: Queue) -> None:
    gauge = Gauge()

    @sealed.task
    async def work() -> None:
        with gauge.inside():
            await asyncio.sleep(0.005)

    await sealed.limit(concurrency=1, task="work")
    jobs = [await work.enqueue() for _ in range(6)]
    async with Worker(sealed, concurrency=5):
        for job in jobs:
            await job.result(10)
    assert gauge.most == 1


async def test_limits_are_listed_as_they_were_set(queue: Queue) -> None:
    await queue.limit(concurrency=3)
    await queue.limit(rate=(10, 1.5), task="send")
    await queue.limit(rate=(1, 60), concurrency=1, key="a, %\n")
    await queue.limit(concurrency=1, key="*")
    await queue.limit(concurrency=2, task="send", key="a/b, %")
    await queue.limit(rate=(4, 1), task="send", key="*")
    await queue.weigh("a", 2)

    assert await queue.limits() == [
        Limit(task="send", key="*", rate=(4, 1.0)),
        Limit(task="send", key="a/b, %", concurrency=2),
        Limit(key="*", concurrency=1),
        Limit(key="a, %\n", concurrency=1, rate=(1, 60.0)),
        Limit(concurrency=3),
        Limit(task="send", rate=(10, 1.5)),
    ]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"concurrency": 0}, ("concurrency", "1 to 1000000", "0", "pause")),
        ({"concurrency": True}, ("concurrency", "True")),
        ({"rate": (0, 1)}, ("rate", "whole number", "0")),
        ({"rate": 5}, ("rate", "(100, 60)", "5")),
        ({"concurrency": 1, "task": "no spaces", "key": "b"}, ("task", "'no spaces'")),
        ({"concurrency": 1, "key": ""}, ("key", "1 to 256 bytes")),
        ({"concurrency": 1, "task": "no spaces"}, ("task", "'no spaces'")),
    ],
)
async def test_a_limit_that_cannot_be_is_refused(
    queue: Queue, options: dict[str, object], words: tuple[str, ...]
) -> None:
    limit = getattr(queue, "limit")  # noqa: B009 - wrong types on purpose
    with pytest.raises(ConfigInvalid) as caught:
        await limit(**options)
    for word in words:
        assert word in str(caught.value)


async def test_weights_that_do_not_go_together_are_refused(queue: Queue) -> None:
    await queue.weigh("a", 97)
    with pytest.raises(ConfigInvalid, match="multiple would be 8633, the limit is 1000"):
        await queue.weigh("b", 89)
    with pytest.raises(ConfigInvalid, match="weight must be a whole number from 1 to 100"):
        await queue.weigh("b", 0)


@pytest.mark.parametrize(
    ("scope", "waits"),
    [("queue", {"same", "task", "other"}), ("task", {"same", "task"}), ("key", {"same"})],
)
async def test_a_job_may_ask_that_its_queue_task_or_key_waits(
    queue: Queue, scope: Any, waits: set[str]
) -> None:
    started: list[str] = []
    asked = asyncio.Event()

    @queue.task
    async def call(name: str) -> int:
        if name == "asks" and not asked.is_set():
            asked.set()
            raise Throttle(1.5, scope=scope)
        started.append(name)
        return current_job().attempt

    @queue.task
    async def other() -> None:
        started.append("other")

    async with Worker(queue, concurrency=1):
        job = await call.options(key="a").enqueue("asks")
        await asked.wait()
        rest: list[Job[Any]] = [
            await call.options(key="a").enqueue("same"),
            await call.options(key="b").enqueue("task"),
            await other.options(key="b").enqueue(),
        ]
        assert await job.result(10) == 1, "no attempt was spent"
        for each in rest:
            await each.result(10)

    # It keeps its place, so that it is the first of those that waited.
    assert set(started[started.index("asks") + 1 :]) == waits


async def test_a_job_without_a_key_waits_alone(queue: Queue) -> None:
    asked: list[str] = []

    @queue.task
    async def call(name: str) -> None:
        if name == "asks" and not asked:
            asked.append(name)
            raise Throttle(0.3, scope="key")
        asked.append(name)

    jobs = await queue.enqueue_many([call.bind("asks"), call.bind("after")])
    async with Worker(queue, concurrency=1):
        for job in jobs:
            await job.result(10)
    assert asked == ["asks", "after", "asks"]


async def test_a_queue_may_be_limited_for_a_while_and_opened_before(queue: Queue) -> None:
    @queue.task
    async def call() -> None: ...

    await queue.limit_for(3600)
    await queue.limit_for(3600, key="a")
    await queue.limit_for(3600, task="call", key="a")
    job = await call.options(key="a").enqueue()
    async with Worker(queue):
        await queue.limit_for(0)
        await wait_until(lambda: _blocked(queue, 1), "the key to hold it back")
        await queue.limit_for(0, key="a")
        await wait_until(lambda: _blocked(queue, 1), "its task to hold it back with its key")
        await queue.limit_for(0, task="call", key="a")
        await job.result(10)
    assert await queue.limits() == []


@pytest.mark.parametrize("scope", [{"key": "a"}, {"task": "call"}, {"task": "call", "key": "a"}])
async def test_a_key_or_a_task_may_be_paused_and_resumed(
    queue: Queue, scope: dict[str, str]
) -> None:
    @queue.task
    async def call() -> None: ...

    @queue.task
    async def other() -> None: ...

    assert await queue.pause(**scope)
    assert not await queue.pause(**scope)
    (limit,) = await queue.limits()
    assert (limit.task, limit.key) == (scope.get("task"), scope.get("key"))
    assert limit.closed_until is not None
    assert limit.closed_until.year > 2100
    paused = [await call.options(key="a").enqueue() for _ in range(3)]
    goes_on = await other.options(key="b").enqueue()
    async with Worker(queue):
        await goes_on.result(10)
        await wait_until(lambda: _blocked(queue, 3), "those that are paused to be held back")
        assert await queue.resume(**scope)
        assert not await queue.resume(**scope)
        for job in paused:
            await job.result(10)
    assert await queue.limits() == []


async def test_backlogs_tell_where_jobs_are_held_back_and_how_many(queue: Queue) -> None:
    @queue.task
    async def call() -> None:
        await asyncio.sleep(30)

    await queue.limit(concurrency=1, key="*")
    await queue.limit(concurrency=2, task="call", key="b, %")
    await queue.pause(key="c")
    for key, number in (("a", 4), ("b, %", 1), ("c", 3)):
        await queue.enqueue_many([call.options(key=key).bind() for _ in range(number)])
    await queue.enqueue_many(
        [call.options(key=f"once-{n}").bind() for n in range(300) for _ in range(2)]
    )
    async with Worker(queue, concurrency=400, grace=0):
        await wait_until(lambda: _blocked(queue, 3 + 3 + 300), "the others to be held back")
        found = await queue.backlogs()
        assert found[:2] == [
            Backlog(key="a", holding=1, blocked=3),
            # The first of them has its slot, for when it may go on.
            Backlog(key="c", holding=1, blocked=3),
        ]
        assert len(found) == 302
        assert {(each.holding, each.blocked) for each in found[2:]} == {(1, 1)}
        assert await queue.backlogs(1) == found[:1]
        assert await queue.backlogs(251) == found[:251]
    with pytest.raises(ConfigInvalid, match="limit must be a whole number from 1 to 100000"):
        await queue.backlogs(0)


async def test_what_is_closed_is_listed_with_its_limit(queue: Queue) -> None:
    await queue.limit(concurrency=2, key="a")
    await queue.pause(key="a")
    await queue.limit_for(60)
    first, second = await queue.limits()

    assert (first.key, first.concurrency) == ("a", 2)
    assert first.closed_until is not None
    assert (second.key, second.task, second.concurrency) == (None, None, None)
    assert second.closed_until is not None
    wait = second.closed_until - datetime.now(UTC)
    assert timedelta(seconds=50) < wait <= timedelta(seconds=61)


async def test_what_cannot_be_throttled_is_refused(queue: Queue) -> None:
    with pytest.raises(ConfigInvalid, match="scope must be queue, task or key, got 'world'"):
        Throttle(1, scope="world")  # type: ignore[arg-type]
    with pytest.raises(ConfigInvalid, match="one key can be closed"):
        await queue.limit_for(1, key="*")
    with pytest.raises(ConfigInvalid, match="one key can be closed"):
        await queue.pause(key="*")
