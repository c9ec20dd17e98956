"""A process that claims by hand is killed at each of its commands: nothing is lost or leaked."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from aiojobs_redis import Queue, check_history
from tests.support import figures
from tests.support.deaths import WHOLE_LIFE, Place, in_lanes, live, places
from tests.support.doomed_claimer import work_off
from tests.support.invariants import faults
from tests.support.killpoint import KillPoint
from tests.support.nursery import Nursery
from tests.support.raw import raw
from tests.support.servers import ServerProcess
from tests.support.snapshots import snapshot, sync_client
from tests.support.tiers import sizes_over_servers
from tests.support.waiting import wait_until

LANES = 4
KINDS = ("done", "again", "dead", "back", "done", "again")


class Life:
    """The queue of one process that is killed."""

    def __init__(self, server: ServerProcess, folder: Path, number: int) -> None:
        self.folder = folder / f"history-{number}"
        self.folder.mkdir()
        self.url = server.url
        self.queue = Queue(f"claimed-{number}", url=server.url, namespace="test")
        self.beside = Queue(f"beside-{number}", url=server.url, namespace="test")

    async def go(
        self, server: ServerProcess, nursery: Nursery, place: Place
    ) -> tuple[KillPoint, list[str]]:
        """Kill it there; let another one go on, and return what is wrong then."""
        queue = self.queue
        with queue.record_history(self.folder) as recorder:
            calls = [queue.bind("any", kind, backoff=[0]) for kind in KINDS]
            jobs = await queue.enqueue_many(calls)
            # Of whose ends another queue is told, in calls of their own.
            for parent in jobs[:3]:
                follower = self.beside.bind(
                    "any", "done", depends_on=[parent], on_parent_failure="run"
                )
                await self.beside.enqueue_many([follower])
            point = await live(server, nursery, place, queue.name, self.folder)
            await wait_until(self._all_ended, "all jobs to end", 20)
            await queue.states([job.id for job in jobs])
            recorder.mark("drained")
        wrong = list(map(str, check_history(self.folder).violations))
        for each, ends in ((queue, (len(KINDS) - 1, 1)), (self.beside, (3, 0))):
            with sync_client(self.url) as client:
                copy = snapshot(client, "test", each.name)
            assert copy is not None
            wrong += faults(copy)
            counts = await each.counts()
            await each.close()
            if (counts.completed, counts.dead) != ends:
                wrong.append(f"those of {each.name} ended as {counts}")
        return point, wrong

    async def _all_ended(self) -> bool:
        # Nobody beats here, and a silent queue would wait for workers that may come back.
        now = int((await raw(self.queue, "TIME"))[0]) * 1000
        await raw(self.queue, "HSET", self.queue.store.keys["meta"], "beat", now, "hold", 0)
        for queue in (self.queue, self.beside):
            await work_off(queue)
        both = [await queue.counts() for queue in (self.queue, self.beside)]
        return not any(counts.unfinished for counts in both)


@pytest.mark.requirement("D1")
@pytest.mark.behaviour("F2")
@sizes_over_servers(ci={"step": 3}, whole={"step": 1})
async def test_a_claimer_may_be_killed_at_any_command(
    start_server: Callable[..., ServerProcess], tmp_path: Path, size: Mapping[str, Any]
) -> None:
    servers = [start_server(kind=name) for name in size["servers"]]
    numbers = itertools.count()

    async def die(lane: int, nursery: Nursery, place: Place) -> tuple[KillPoint, list[str]]:
        server = servers[lane % len(servers)]
        return await Life(server, tmp_path, next(numbers)).go(server, nursery, place)

    async with contextlib.AsyncExitStack() as stack:
        lanes = []
        for lane in range(LANES):
            nursery = Nursery("tests.support.doomed_claimer", tmp_path / f"log-{lane}")
            lanes.append(partial(die, lane, await stack.enter_async_context(nursery)))
        # The first one on a server also loads the scripts.
        for first in (*lanes[: len(servers)], lanes[0]):
            point, wrong = await first(WHOLE_LIFE)
            assert wrong == []
        assert point.count > 10
        todo = places(point.count, size["step"])
        deaths = await in_lanes(todo, lanes, len(servers))
    assert {place: wrong for place, (_, wrong) in deaths.items() if wrong} == {}
    struck = sum(point.struck.is_set() for point, _ in deaths.values())
    assert struck > 0.85 * len(todo)
    figures.record("F2", n=struck, tier=size["tier"], note="claims by hand")
