"""A process with flows is killed at each of its Redis commands: nothing waits for ever."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from aiojobs_redis import JobState, Worker, check_history
from tests.support import figures
from tests.support.aftermath import Aftermath
from tests.support.deaths import WHOLE_LIFE, Place, in_lanes, live, places
from tests.support.doomed_flows import FLOWS, build
from tests.support.invariants import faults
from tests.support.killpoint import KillPoint
from tests.support.nursery import Nursery
from tests.support.servers import ServerProcess
from tests.support.tiers import sizes_over_servers
from tests.support.waiting import wait_until

LANES = 4
ENDED = (JobState.COMPLETED, JobState.DEAD, JobState.CANCELLED)


class Lane:
    """Lives and dies in a database of its own, so that several can at once."""

    def __init__(self, server: ServerProcess, db: int, nursery: Nursery, folder: Path) -> None:
        self.left = Aftermath(f"{server.url}?db={db}")
        self.recovery: list[float] = []
        self._nursery = nursery
        self._server = server
        self._db = db
        self._folder = folder
        self._lives = itertools.count()

    async def live(self, place: Place) -> tuple[KillPoint, Path]:
        """Start a process and kill it there, or let it end where it does not get there."""
        await self.left.raw.flushdb()
        folder = self._folder / f"{self._db}-{next(self._lives)}"
        folder.mkdir()
        return await live(self._server, self._nursery, place, folder, db=self._db), folder

    async def die(self, place: Place) -> tuple[bool, list[str]]:
        """Kill one there, let a healthy worker go on, and say what is wrong with what is left."""
        point, folder = await self.live(place)
        wrong = faults(self.left.look())
        queue = build(self.left.url, folder / "mended")
        began = asyncio.get_running_loop().time()
        with queue.record_history(folder / "history") as recorder:
            async with Worker(queue, concurrency=4):

                async def all_ended() -> bool:
                    counts = await queue.counts()
                    going = counts.queued + counts.running + counts.retrying + counts.scheduled
                    return not going + counts.blocked

                with contextlib.suppress(AssertionError):
                    await wait_until(all_ended, "every job to end", 20)
                self.recovery.append(asyncio.get_running_loop().time() - began)
                states = await queue.states([job for flow in FLOWS.values() for job in flow])
                for job, right in (("sum", 33), ("asks", 3)):
                    if states[job] is JobState.COMPLETED:
                        total = await queue.job(job).result(5)
                        wrong += [] if total == right else [f"what {job} returned is {total}"]
            recorder.mark("drained")
        await queue.close()
        wrong += faults(self.left.look()) + list(unlike_flows(states))
        report = check_history(folder / "history")
        return point.struck.is_set(), wrong + [str(one) for one in report.violations]


def unlike_flows(states: Mapping[str, JobState | None]) -> list[str]:
    """Return what cannot be of flows that were each added whole, and have ended."""
    wrong = [f"{job} is {state}" for job, state in states.items() if state not in (None, *ENDED)]
    for flow in FLOWS.values():
        there = [job for job in flow if states[job] is not None]
        if there and len(there) < len(flow):
            wrong.append(f"only {there} of {flow} were added")
    if {states[job] for job in (*FLOWS["sum"], *FLOWS["asks"])} - {None, JobState.COMPLETED}:
        wrong.append("a job of the join, or of the one that asks for others, has not completed")
    end = states["broken"]
    if states["beside"] not in (None, JobState.COMPLETED):
        wrong.append(f"the job that runs all the same is {states['beside']}")
    if {states["after-0"], states["after-1"]} != {end}:
        wrong.append(f"broken is {end}, and what waited for it {states}")
    swept = {None: None, JobState.DEAD: JobState.CANCELLED}.get(end, end)
    if {states["swept-0"], states["swept-1"]} != {swept}:
        wrong.append(f"broken is {end}, and what is cancelled with it {states}")
    ends = [states[job] for job in FLOWS["off"]]
    for first, second in itertools.pairwise(ends):
        if first is JobState.CANCELLED and second is JobState.COMPLETED:
            wrong.append(f"a job ran after the one that it waited for was cancelled: {ends}")
    return wrong


@pytest.mark.requirement("B14")
@pytest.mark.behaviour("T37", "F2")
@sizes_over_servers(ci={"step": 13}, whole={"step": 1})
async def test_a_process_with_flows_may_be_killed_at_any_command(
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
            nursery = Nursery("tests.support.doomed_flows", tmp_path / f"log-{db}")
            server = servers[db % len(servers)]
            lane = Lane(server, db, await stack.enter_async_context(nursery), tmp_path)
            stack.push_async_callback(lane.left.close)
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
        note=f"flows; {point.count} commands",
    )
