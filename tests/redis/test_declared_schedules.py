"""Schedules that stand in the code: declared by workers, removed by newer versions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aiojobs_redis import ConfigInvalid, JobOptions, Queue, Worker, current_job
from tests.support.ticks import Ticks
from tests.support.waiting import wait_until

DAY = 86_400_000


@pytest.fixture
def ticks(queue: Queue, redis_client: Any) -> Ticks:
    return Ticks(queue, redis_client)


@pytest.fixture
def version(queue: Queue, server_url: str) -> Callable[..., Queue]:
    """Makes the queue object of another version of the application."""

    def make(*schedules: str, expression: str = "0 0 1 1 *") -> Queue:
        other = Queue(queue.name, url=server_url, namespace="test")
        for name in schedules:
            other.cron(expression, id=name, name=name.replace(" ", "-"))(_nothing)
        return other

    return make


async def _nothing() -> None: ...


async def ids(queue: Queue) -> list[str]:
    return [info.id for info in await queue.schedules()]


async def work(queue: Queue, present: list[str], **options: Any) -> None:
    """Run a worker until these schedules are there."""

    async def there() -> bool:
        return await ids(queue) == present

    async with Worker(queue, **options):
        await wait_until(there, f"the schedules to be {present}", 10)
    await queue.close()


async def age(ticks: Ticks, schedule: str, ms: int) -> None:
    key = ticks.queue.store.keys["schedules"]
    line, _, rest = (await ticks.raw.hget(key, schedule)).partition(b"\n")
    fields = line.split(b",")
    fields[6] = b"%d" % (await ticks.now() - ms)
    await ticks.raw.hset(key, schedule, b",".join(fields) + b"\n" + rest)


@pytest.mark.requirement("B16")
async def test_a_decorated_task_runs_on_its_ticks(queue: Queue, ticks: Ticks) -> None:
    found: list[str] = []

    @queue.cron("* * * * * *", tz="Europe/Berlin", options=JobOptions(priority=5))
    async def cleanup() -> None:
        found.append(current_job().scheduled_for.isoformat())

    assert await ids(queue) == []
    async with Worker(queue):
        await wait_until(lambda: found, "a tick", 15)
    info = await ticks.info("cleanup")

    assert info.declared
    assert (info.expression, info.tz, info.task) == ("* * * * * *", "Europe/Berlin", "cleanup")
    assert found[0].endswith("+00:00")
    assert (await ticks.jobs())[0].priority == 5


async def test_the_declaration_is_checked_where_it_stands(queue: Queue) -> None:
    with pytest.raises(ConfigInvalid, match="minute '99'"):
        queue.cron("99 * * * *")(_nothing)
    with pytest.raises(ConfigInvalid, match="Nowhere"):
        queue.cron("* * * * *", tz="Nowhere/At_All")(_nothing)
    queue.cron("* * * * *", id="twice", name="one")(_nothing)
    with pytest.raises(ConfigInvalid, match="twice"):
        queue.cron("* * * * *", id="twice", name="two")(_nothing)


async def test_tick_and_pause_survive_another_registration(
    ticks: Ticks, version: Callable[..., Queue]
) -> None:
    await work(version("a", "b"), ["a", "b"], app="shop", version="1")
    moved = (await ticks.get("a") or 0) - 5
    await ticks.set("a", moved)
    await ticks.queue.pause_schedule("b")
    await work(version("a", "b", "c"), ["a", "b", "c"], app="shop", version="2")

    assert await ticks.get("a") == moved
    assert not (await ticks.info("b")).enabled


async def test_a_declaration_with_another_expression_replaces_the_old_one(
    ticks: Ticks, version: Callable[..., Queue]
) -> None:
    await work(version("a"), ["a"])
    before = await ticks.get("a")
    await work(version("a", "b", expression="0 0 2 1 *"), ["a", "b"])

    assert (await ticks.info("a")).expression == "0 0 2 1 *"
    assert await ticks.get("a") == (before or 0) + DAY


@pytest.mark.parametrize(
    ("app", "newer", "gone"),
    [
        ("shop", "1.10", True),
        ("shop", "1.9", False),
        ("shop", "1.8", False),
        ("shop", "", False),
        ("stock", "2.0", False),
    ],
)
async def test_only_a_newer_version_of_the_application_removes_what_it_does_not_declare(
    ticks: Ticks, version: Callable[..., Queue], app: str, newer: str, gone: bool
) -> None:
    await work(version("old"), ["old"], app="shop", version="1.9")
    await ticks.queue.schedule("by call", ticks.queue.bind("work"), every=3600)
    left = ["by call", "new"] if gone else ["by call", "new", "old"]
    await work(version("new"), left, app=app, version=newer)
    # Its end comes after the declarations, so nothing is removed later.
    assert await ids(ticks.queue) == left


async def test_applications_without_a_version_leave_each_others_schedules(
    ticks: Ticks, version: Callable[..., Queue]
) -> None:
    await work(version("old"), ["old"])
    key = ticks.queue.store.keys["schedules"]
    record = await ticks.raw.hget(key, "old")
    await work(version("new"), ["new", "old"])

    assert b"app" not in record.partition(b"\n")[2]
    assert await ids(ticks.queue) == ["new", "old"]


async def test_what_nobody_declared_for_a_day_is_removed(
    ticks: Ticks, version: Callable[..., Queue]
) -> None:
    await work(version("long", "short", "mine"), ["long", "mine", "short"], app="shop")
    await ticks.queue.schedule("by call", ticks.queue.bind("work"), every=3600)
    await age(ticks, "long", DAY + 1000)
    await age(ticks, "short", DAY - 60_000)
    await age(ticks, "mine", 2 * DAY)
    await work(version("mine"), ["by call", "mine", "short"], app="other")

    assert await ticks.raw.zscore(ticks.queue.store.keys["ticks"], "long") is None


async def test_a_call_takes_a_schedule_over_from_the_code(
    ticks: Ticks, version: Callable[..., Queue]
) -> None:
    await work(version("a"), ["a"], app="shop", version="1")
    await ticks.queue.schedule("a", ticks.queue.bind("work"), every=3600)
    await work(version("b"), ["a", "b"], app="shop", version="2")

    assert not (await ticks.info("a")).declared
