"""A worker is killed at each of its Redis commands while jobs take steps and save their state."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio

from aiojobs_redis import Event, Job, Worker, check_history
from tests.support import figures
from tests.support.deaths import WHOLE_LIFE, Place, in_lanes, live, places
from tests.support.invariants import faults
from tests.support.killpoint import KillPoint
from tests.support.nursery import Nursery
from tests.support.scripts import Scripts
from tests.support.servers import ServerProcess
from tests.support.snapshots import snapshot, sync_client
from tests.support.stepping_app import (
    JOBS,
    NAME,
    STEPS,
    build,
    faults_of_emitted,
    faults_of_events,
    faults_of_journal,
)
from tests.support.tiers import sizes_over_servers


class Life:
    """One life that is cut short, and what a healthy worker makes of what it left.

    Args:
        server: The server.
        nursery: Where its process comes from.
        folder: For its journal and its history.
        executor: Where its jobs run.
    """

    def __init__(
        self, server: ServerProcess, nursery: Nursery, folder: Path, executor: str
    ) -> None:
        self.url = server.url
        self.executor = executor
        self.server = server
        self.nursery = nursery
        self.journal, self.history = folder / "journal", folder / "history"
        self.history.mkdir(parents=True)
        self.raw: Any = redis.asyncio.Redis.from_url(server.url)
        self.queue = build(self.url, self.executor)
        self.reading: list[asyncio.Task[list[Event]]] = []

    async def live(self, place: Place) -> KillPoint:
        """Let a process run the jobs, and kill it there; others read what the jobs say."""
        await self.raw.flushdb()
        queue = self.queue
        with queue.record_history(self.history):
            path = str(self.journal)
            await queue.enqueue_many([queue.bind("stepping", path, id=name) for name in JOBS])
        self.reading = [asyncio.create_task(read(queue.job(name))) for name in JOBS]
        return await live(self.server, self.nursery, place, self.history, self.executor)

    async def go_on(self) -> list[str]:
        """Let a healthy worker finish them; return what is wrong then."""
        scripts = Scripts(self.url, NAME, self.raw)
        # The leases run out by themselves; the lead of the one that was killed need not.
        await self.raw.hdel(scripts.key("meta"), "leader", "leader_until")
        queue = self.queue
        results, logs, progress = [], [], []
        with queue.record_history(self.history) as recorder:
            async with Worker(queue, concurrency=len(JOBS), processes=1):
                for job in map(queue.job, JOBS):
                    results.append(await job.result(20))
                    logs.append([line.text for line in await job.logs()])
                    progress.append(await job.progress())
            recorder.mark("drained")
        wrong = faults_of_emitted(self.journal, await queue.recent_events(1000, types=["emitted"]))
        for name, reader in zip(JOBS, self.reading, strict=True):
            events = await asyncio.wait_for(reader, 20)
            wrong += faults_of_events(self.journal, name, events, self.executor)
        copy = snapshot(sync_client(self.url), "test", NAME)
        await queue.close()
        await scripts.close()
        await self.raw.aclose()
        assert copy is not None
        report = check_history(self.history)
        wrong += [*faults(copy), *map(str, report.violations), *faults_of_journal(self.journal)]
        expected = ["SHARED", "ONE", "TWO", "THREE"]
        wrong += [f"a result is {found}" for found in results if found != expected]
        wrong += [f"progress is {found}" for found in progress if not found or found.done != 3]
        # The last attempt ended well, so whatever it said was written, and each line once.
        wrong += [f"a log is {log}" for log in logs if len(set(log)) != len(log) or len(log) < 3]
        return wrong


async def read(job: Job[Any]) -> list[Event]:
    """Return all that happens to a job until it has ended."""
    return [event async for event in job.events()]


@pytest.mark.behaviour("F2", "T63")
@pytest.mark.requirement("D20")
@pytest.mark.parametrize("executor", ["async", "process"])
@sizes_over_servers(ci={"async": 23, "process": 61}, whole={"async": 1, "process": 3})
async def test_a_worker_may_be_killed_between_steps(
    start_server: Callable[..., ServerProcess],
    tmp_path: Path,
    size: Mapping[str, Any],
    executor: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL)
    async with contextlib.AsyncExitStack() as stack:
        lanes = []
        for name in size["servers"]:
            nursery = Nursery("tests.support.stepping_app", tmp_path / f"log-{name}")
            await stack.enter_async_context(nursery)
            lanes.append(partial(Life, start_server(kind=name), nursery))
        whole = lanes[0](tmp_path / "whole", executor)
        point = await whole.live(WHOLE_LIFE)
        assert await whole.go_on() == []

        async def die(
            lives: Callable[[Path, str], Life], place: Place
        ) -> tuple[bool, int, list[str]]:
            life = lives(tmp_path / f"{place[0]}-{place[1].name}", executor)
            point = await life.live(place)
            wrong = await life.go_on()
            again = life.journal.read_text().count("did\t") - 1 - len(JOBS) * len(STEPS)
            return point.struck.is_set(), again, wrong

        todo = places(point.count, size[executor])
        found = await in_lanes(todo, [partial(die, lives) for lives in lanes], len(lanes))

    assert {place: wrong for place, (_, _, wrong) in found.items() if wrong} == {}
    # Those that wait for the shared call ask as often as it takes, so lives differ in length.
    assert sum(struck for struck, _, _ in found.values()) > 0.5 * len(todo)
    again = sum(again for _, again, _ in found.values())
    figures.record(
        "F2",
        n=sum(struck for struck, _, _ in found.values()),
        caused=again,
        tier=size["tier"],
        note=f"{point.count} commands of jobs that take steps ({executor}); {again} ran twice",
    )
