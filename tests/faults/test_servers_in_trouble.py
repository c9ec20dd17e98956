"""What operators do to a server while a worker is at it: forget scripts, flush, let it pile up."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from aiojobs_redis import LeaseLost, Queue, Task, Worker, current_job
from aiojobs_redis._redis.scripts import SCRIPTS
from aiojobs_redis.worker import janitor
from tests.support import figures
from tests.support.gauge import Gauge
from tests.support.other_clock import other_release
from tests.support.raw import raw
from tests.support.servers import ServerProcess
from tests.support.tiers import SLACK, sizes
from tests.support.waiting import wait_until


@pytest.mark.behaviour("F20")
@sizes(ci={"jobs": 2000}, whole={"jobs": 20_000})
async def test_scripts_that_are_flushed_all_the_time_are_nobodys_error(
    start_server: Callable[..., ServerProcess],
    size: Mapping[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    url, number = start_server().url, size["jobs"]
    older = Queue("flushed", url=url, namespace="test")
    with other_release():
        newer = Queue("flushed", url=url, namespace="test")
        newer.store.scripts = dict(SCRIPTS)
    scripts = [queue.store.scripts["exchange"].sha for queue in (older, newer)]
    assert scripts[0] != scripts[1]
    runs, by, flushes = Counter[int](), Counter[str](), 0

    def add_task(queue: Queue, release: str) -> Task[[int], None]:
        @queue.task(lease=2)
        async def work(number: int) -> None:
            runs[number] += 1
            by[release] += 1
            await asyncio.sleep(0.02)

        return work

    tasks = [add_task(older, "older"), add_task(newer, "newer")]

    async def flush() -> None:
        nonlocal flushes
        while len(runs) < number:
            await raw(older, "SCRIPT", "FLUSH")
            flushes += 1
            await asyncio.sleep(0.05)

    async def enqueue(first: int) -> None:
        for n in range(first, number, 10):
            await tasks[n % 2].enqueue(n)

    async with Worker(older, concurrency=10), Worker(newer, concurrency=10):
        await asyncio.gather(flush(), *(enqueue(first) for first in range(10)))

        async def all_completed() -> bool:
            return bool((await older.counts()).completed == number)

        await wait_until(all_completed, "all to complete", 30)
    await older.close()
    await newer.close()
    assert flushes > 10
    assert set(runs.values()) == {1}
    assert min(by["older"], by["newer"]) > number / 10, "both releases worked"
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING] == []
    note = f"{flushes} flushes, 0 errors; two releases with scripts of their own"
    figures.record("F20", n=number, tier=size["tier"], note=note)


@pytest.mark.behaviour("F18")
async def test_a_policy_that_evicts_is_warned_of_while_it_lasts(
    start_server: Callable[..., ServerProcess],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert janitor._ROUND < janitor._REMIND == 60, "a change is seen within 60 s"
    monkeypatch.setattr(janitor, "_ROUND", 0.1)
    monkeypatch.setattr(janitor, "_REMIND", 0.5)
    queue = Queue("evicting", url=start_server().url, namespace="test")

    def warnings() -> int:
        return caplog.text.count("'allkeys-lru': jobs can be evicted")

    async with Worker(queue) as worker:
        await queue.enqueue("unknown", delay=3600)
        assert warnings() == 0
        (lane,) = worker._lanes
        await wait_until(lambda: lane.leads, "it to lead, and to have looked at the policy")
        began = time.monotonic()
        await raw(queue, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        await wait_until(lambda: warnings() >= 1, "the warning")
        first = time.monotonic() - began
        await wait_until(lambda: warnings() >= 3, "two more")
        spent = time.monotonic() - began
        await raw(queue, "CONFIG", "SET", "maxmemory-policy", "noeviction")
    await queue.close()
    assert "CONFIG SET maxmemory-policy noeviction" in caplog.text
    assert first < 0.5 + SLACK["ci"]
    assert spent >= 0.9, "not more often than asked for"
    figures.record("F18", n=1, note="warned on a change and every 60 s")


@pytest.mark.behaviour("F24")
async def test_a_flushed_server_ends_no_worker_and_takes_new_jobs(
    start_server: Callable[..., ServerProcess],
) -> None:
    queue = Queue("wiped", url=start_server().url, namespace="test")
    gauge, told = Gauge(), Counter[str]()

    @queue.task(lease=1)
    async def held() -> None:
        job = current_job()
        try:
            await gauge.pass_through()
        except asyncio.CancelledError:
            try:
                await job.extend(1)
            except LeaseLost:
                told["lost"] += 1
            raise

    @queue.task
    async def quick() -> str:
        return "ran"

    async with Worker(queue, concurrency=60) as worker:
        await queue.enqueue_many([held.bind() for _ in range(50)])
        await wait_until(lambda: gauge.now == 50, "all to run")
        await raw(queue, "FLUSHALL")
        began = time.monotonic()
        assert await (await quick.enqueue()).result(10) == "ran"
        spent = time.monotonic() - began
        await wait_until(lambda: gauge.now == 0, "all to be given up", 10)
        await wait_until(lambda: not worker.runs(), "the worker to let go of them")
        assert await (await quick.enqueue()).result(10) == "ran"
    await queue.close()
    assert told == {"lost": 50}
    assert spent <= 1 + SLACK["ci"]
    figures.record("F24", n=50, recovery=[spent], note="50 leases lost, 0 exits")


@pytest.mark.behaviour("F8")
async def test_jobs_of_a_newer_version_wait_for_it(
    start_server: Callable[..., ServerProcess],
) -> None:
    url = start_server().url
    old, new = (Queue("rolling", url=url, namespace="test") for _ in range(2))
    ran = Counter[int]()

    @new.task
    async def added_in_2(number: int) -> None:
        ran[number] += 1

    async with Worker(old):
        jobs = await old.enqueue_many([old.bind("added_in_2", n) for n in range(500)])

        async def all_parked() -> bool:
            return bool((await old.counts()).blocked == 500)

        await wait_until(all_parked, "all to be parked", 20)
        began = time.monotonic()
        async with Worker(new):
            await wait_until(lambda: len(ran) == 500, "all to run", 20)
            spent = time.monotonic() - began
    infos = await new.infos([job.id for job in jobs])
    await old.close()
    await new.close()
    assert spent <= 5 + SLACK["ci"]
    assert set(ran.values()) == {1}
    assert {(info.attempt, info.lost_deliveries) for info in infos} == {(1, 0)}
    figures.record("F8", n=500, recovery=[spent])


REGISTRY = ("meta", "producers", "stats", "workers", "wake", "due")
UNEVEN = {"events", "stats"}
FIELD = 64
"""Bytes that one more field of a small hash may take."""


@pytest.mark.behaviour("F25")
@sizes(
    ci={"jobs": 5_000, "keep": 0},
    whole={"jobs": 50_000, "keep": 5},
    soak={"jobs": 1_000_000, "keep": 5},
)
async def test_nothing_is_left_of_jobs_when_their_retention_ends(
    start_server: Callable[..., ServerProcess], size: Mapping[str, Any]
) -> None:
    queue, number = Queue("leaking", url=start_server().url, namespace="test"), size["jobs"]

    @queue.task(keep_result=size["keep"])
    async def work() -> None:
        pass

    async def none_is_left() -> bool:
        # As the janitor does every ten seconds.
        await queue.store.ask("sweep", 250, "0", "0", "0", "0", "0", 0)
        return not await raw(queue, "HLEN", queue.store.keys["jobs"])

    async def drain(jobs: int) -> dict[str, int]:
        """Return the bytes of each key but the log of events, which has a length of its own."""
        for at in range(0, jobs, 10_000):
            await queue.enqueue_many([work.bind() for _ in range(at, min(jobs, at + 10_000))])
            await Worker(queue, concurrency=100).run(burst=True)
        await wait_until(none_is_left, "the last retention to end", size["keep"] + 60)
        # What the last exchange of each worker answered stays until the janitor's round.
        await raw(queue, "DEL", queue.store.keys["ops"])
        return {
            name: int(taken)
            for name, key in queue.store.keys.items()
            if (taken := await raw(queue, "MEMORY", "USAGE", key, "SAMPLES", 0)) is not None
        }

    before = await drain(1000)
    after = await drain(number)
    events = await raw(queue, "XLEN", queue.store.keys["events"])
    counts = await queue.counts()
    await queue.close()
    assert (counts.queued, counts.running, counts.completed) == (0, 0, 0)
    assert after.keys() == before.keys() <= {"events", *REGISTRY}
    assert events <= 2200
    # A minute that has passed since adds its counters, and a silence adds a field to meta.
    sizes_of = {name: (before[name], after[name]) for name in after.keys() - UNEVEN}
    assert all(later <= 1.02 * first + FIELD for first, later in sizes_of.values()), sizes_of
    figures.record("F25", n=number, tier=size["tier"], note=f"{sorted(after)} are left")
