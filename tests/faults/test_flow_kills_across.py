"""A process with flows over two queues is killed at each of its Redis commands."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio

from aiojobs_redis import JobState, Worker, check_history
from tests.support import figures
from tests.support.deaths import WHOLE_LIFE, Place, in_lanes, live, places
from tests.support.doomed_across import FLOWS, NAMES, TOTAL, build, queue_of, unlike
from tests.support.invariants import faults
from tests.support.killpoint import KillPoint
from tests.support.nursery import Nursery
from tests.support.servers import ServerProcess
from tests.support.snapshots import snapshot, sync_client
from tests.support.tiers import sizes_over_servers
from tests.support.waiting import wait_until

LANES = 4
WAITING = ("ready", "suspects", "scheduled", "retrying", "leases", "blocked")


class Lane:
    """Lives and dies in a database of its own, so that several can at once."""

    def __init__(self, server: ServerProcess, db: int, nursery: Nursery, folder: Path) -> None:
        self.url = f"{server.url}?db={db}"
        self.raw: Any = redis.asyncio.Redis.from_url(self.url)
        self.recovery: list[float] = []
        self._nursery = nursery
        self._server = server
        self._db = db
        self._folder = folder
        self._lives = itertools.count()

    async def live(self, place: Place) -> tuple[KillPoint, Path]:
        """Start a process and kill it there, or let it end where it does not get there."""
        await self.raw.flushdb()
        folder = self._folder / f"{self._db}-{next(self._lives)}"
        folder.mkdir()
        return await live(self._server, self._nursery, place, folder, db=self._db), folder

    def look(self) -> list[str]:
        """Return what is wrong with the keys of the queues."""
        with contextlib.closing(sync_client(self.url)) as client:
            copies = [snapshot(client, "test", name) for name in NAMES]
        return [fault for copy in copies if copy is not None for fault in faults(copy)]

    async def ended(self) -> bool:
        """Whether all jobs of both queues have ended, and nobody is still to be told of it."""
        async with self.raw.pipeline(transaction=True) as batch:
            for name, index in itertools.product(NAMES, WAITING):
                batch.zcard(f"test:{{{name}}}:{index}")
            for name in NAMES:
                batch.zrange(f"test:{{{name}}}:edges", 0, -1)
            *waiting, first, second = await batch.execute()
        # One that is dead may run again of what is still to be told.
        return not any(waiting) and all(edge[:1] not in b"!+>" for edge in (*first, *second))

    async def let_time_pass(self) -> None:
        """Nobody leads any more, and what waits for others has done so for two minutes."""
        for name in NAMES:
            blocked = f"test:{{{name}}}:blocked"
            for job in await self.raw.zrange(blocked, 0, -1):
                await self.raw.zincrby(blocked, -120_000, job)
            await self.raw.hdel(f"test:{{{name}}}:meta", "leader", "leader_until")

    async def die(self, place: Place) -> tuple[bool, list[str]]:
        """Kill one there, let healthy workers go on, and say what is wrong with what is left."""
        point, folder = await self.live(place)
        wrong = self.look()
        await self.let_time_pass()
        queues = build(self.url, folder / "mended")
        recorders = [queue.record_history(folder / queue.name) for queue in queues]
        began = asyncio.get_running_loop().time()
        states: dict[str, JobState | None] = {}
        async with contextlib.AsyncExitStack() as stack:
            for queue in queues:
                await stack.enter_async_context(Worker(queue, concurrency=4))
            with contextlib.suppress(AssertionError):
                await wait_until(self.ended, "every job to end", 20)
            self.recovery.append(asyncio.get_running_loop().time() - began)
            for job in itertools.chain(*FLOWS.values()):
                states[job] = await queue_of(job, queues).job(job).state()
            for job in ("sum", "asks"):
                if states[job] is JobState.COMPLETED:
                    total = await queues[0].job(job).result(5)
                    wrong += [] if total == TOTAL else [f"what {job} returned is {total}"]
        for recorder, queue in zip(recorders, queues, strict=True):
            recorder.mark("drained")
            recorder.close()
            await queue.close()
            report = check_history(folder / queue.name)
            wrong += [str(one) for one in report.violations]
        return point.struck.is_set(), wrong + self.look() + unlike(states)


@pytest.mark.requirement("B14")
@pytest.mark.behaviour("T37", "F2")
@sizes_over_servers(ci={"step": 35}, whole={"step": 1})
async def test_a_process_with_flows_over_two_queues_may_be_killed_at_any_command(
    start_server: Callable[..., ServerProcess],
    tmp_path: Path,
    size: Mapping[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL)
    servers = [start_server(kind=name) for name in size["servers"]]
    async with contextlib.AsyncExitStack() as stack:
        lanes = []
        for db in range(LANES):
            nursery = Nursery("tests.support.doomed_across", tmp_path / f"log-{db}")
            server = servers[db % len(servers)]
            lane = Lane(server, db, await stack.enter_async_context(nursery), tmp_path)
            stack.push_async_callback(lane.raw.aclose)
            lanes.append(lane)
        point, folder = await lanes[0].live(WHOLE_LIFE)
        assert (folder / "mended").exists()
        todo = places(point.count, size["step"])
        deaths = await in_lanes(todo, [lane.die for lane in lanes], len(servers))

    assert {place: wrong for place, (_, wrong) in deaths.items() if wrong} == {}
    struck = sum(struck for struck, _ in deaths.values())
    # How many commands a life takes depends on when its loops wake, by a few.
    assert struck > 0.8 * len(todo)
    figures.record(
        "F2",
        n=struck,
        tier=size["tier"],
        recovery=[seconds for lane in lanes for seconds in lane.recovery],
        note=f"flows over two queues; {point.count} commands",
    )
