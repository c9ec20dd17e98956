"""Ticks that are overdue: found by the beat, and no reason to spin when they cannot be fired."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from aiojobs_redis import Queue, Worker, current_job
from aiojobs_redis._redis.planner import Due, Planner
from aiojobs_redis.worker.loop import Loop
from tests.support.ticks import Ticks
from tests.support.waiting import wait_until


@pytest.fixture
def ticks(queue: Queue, redis_client: Any) -> Ticks:
    return Ticks(queue, redis_client)


@pytest.fixture
def runs(queue: Queue) -> list[str]:
    """Ids of the runs of the task `note`, in their order."""
    found: list[str] = []

    @queue.task
    async def note() -> None:
        found.append(current_job().id)

    return found


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Times at which a leader asked for what is due."""
    found: list[float] = []
    due = Planner.due

    async def counted(self: Planner, link: Any) -> Due:
        found.append(time.monotonic())
        return await due(self, link)

    monkeypatch.setattr(Planner, "due", counted)
    return found


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """Messages about schedules, each as it is logged."""
    with caplog.at_level(logging.WARNING, "aiojobs_redis"):
        found: list[str] = []

        def keep(record: logging.LogRecord) -> bool:
            found.append(record.getMessage())
            return True

        caplog.handler.addFilter(keep)
        yield found


def note(queue: Queue) -> Any:
    return queue.tasks["note"].bind()


async def leads(queue: Queue, client: Any) -> bool:
    return bool(await client.hexists(queue.store.keys["meta"], "leader"))


async def put_unreadable(ticks: Ticks, name: str, *, definition: bytes = b"\xc1") -> None:
    """Write a schedule that is due, whose definition only a newer version can read."""
    record = b"ab,0,0,0,,1,\n" + definition
    await ticks.raw.hset(ticks.queue.store.keys["schedules"], name, record)
    await ticks.set(name, 5000)


async def test_a_tick_is_made_up_for_when_its_timer_is_late(
    queue: Queue, ticks: Ticks, runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = Loop.plan

    def late(self: Loop, seconds: float) -> None:
        plan(self, seconds + 3600 if seconds > 0 else seconds)

    monkeypatch.setattr(Loop, "plan", late)
    await queue.schedule("s", note(queue), every=3600)
    async with Worker(queue):
        await wait_until(lambda: leads(queue, ticks.raw), "the worker to lead", 10)
        # Near enough to wait for, and far enough that the leader hears of it before it is due.
        tick = await ticks.now() + 2500
        await ticks.set("s", tick)
        await wait_until(lambda: runs, "the tick to run", 15)

    assert runs == [f"s:{tick}"]


@pytest.mark.corrupts
@pytest.mark.parametrize("definition", [b"\xc1", b"", b"no cron"])
async def test_what_cannot_be_fired_keeps_no_busy_worker_looking(
    queue: Queue, ticks: Ticks, runs: list[str], looks: list[float], definition: bytes
) -> None:
    await queue.schedule("s", note(queue), every=3600)
    if definition == b"no cron":
        stored = await queue.planner().get("s")
        assert stored is not None
        definition = msgspec.structs.replace(stored.schedule, cron="99 * * * *").encode()
    await put_unreadable(ticks, "x", definition=definition)
    async with Worker(queue, concurrency=1):
        await wait_until(lambda: looks, "the leader to look", 10)
        began, before = time.monotonic(), len(looks)
        await queue.enqueue_many([note(queue)] * 400)
        await wait_until(lambda: len(runs) >= 400, "the jobs to run", 30)
        found = len(looks) - before
        seconds = time.monotonic() - began

    assert found <= 3 * seconds + 5


@pytest.mark.corrupts
async def test_a_tick_that_nobody_can_take_keeps_no_worker_looking(
    queue: Queue, ticks: Ticks, runs: list[str], looks: list[float]
) -> None:
    await queue.schedule("s", note(queue), every=3600)
    async with Worker(queue):
        await wait_until(lambda: leads(queue, ticks.raw), "the worker to lead", 10)
        await ticks.raw.zadd(queue.store.keys["ticks"], {"s": 5000.5})
        began, before = time.monotonic(), len(looks)
        await wait_until(lambda: len(looks) >= before + 3, "three looks", 15)
        seconds = time.monotonic() - began

    assert len(looks) - before <= 3 * seconds + 5
    assert runs == []


@pytest.mark.corrupts
async def test_a_schedule_of_a_newer_version_is_named_once_and_the_others_go_on(
    queue: Queue, ticks: Ticks, runs: list[str], looks: list[float], warnings: list[str]
) -> None:
    await put_unreadable(ticks, "newer")
    await queue.schedule("s", note(queue), every=3600)
    await ticks.make_due("s")
    async with Worker(queue):
        await wait_until(lambda: runs, "the tick to run", 15)
        await wait_until(lambda: len(looks) >= 4, "four looks", 15)

    assert len([text for text in warnings if "schedule newer is due" in text]) == 1
    assert not [text for text in warnings if "schedule s " in text]


@pytest.mark.requirement("D15")
async def test_a_long_downtime_of_a_cron_schedule_costs_one_warning_and_one_job(
    queue: Queue, ticks: Ticks, runs: list[str], looks: list[float], warnings: list[str]
) -> None:
    await queue.schedule("s", note(queue), cron="* * * * * *", missed_window=300)
    await ticks.set("s", (await ticks.now() // 1000 - 7 * 86_400) * 1000)
    async with Worker(queue):
        await wait_until(lambda: runs, "a tick to run", 30)
    given_up = [text for text in warnings if "given up" in text]

    assert len(given_up) == 1
    assert len(looks) < 30
    first = int(runs[0].removeprefix("s:"))
    assert await ticks.now() - first < 30_000


async def test_a_burst_fires_what_is_overdue(queue: Queue, ticks: Ticks, runs: list[str]) -> None:
    await queue.schedule("s", note(queue), every=3600)
    tick = await ticks.make_due("s")
    await Worker(queue).run(burst=True)

    assert runs == [f"s:{tick}"]


@pytest.mark.corrupts
async def test_a_burst_does_not_wait_for_what_cannot_be_fired(
    queue: Queue, ticks: Ticks, runs: list[str]
) -> None:
    await put_unreadable(ticks, "newer")
    async with asyncio.timeout(15):
        await Worker(queue).run(burst=True)

    assert runs == []
