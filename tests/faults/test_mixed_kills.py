"""A process is killed at its commands while it uses what else changes how jobs run and end."""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from aiojobs_redis import check_history
from tests.support import doomed_mix, figures
from tests.support.aftermath import Aftermath
from tests.support.deaths import WHOLE_LIFE, Place, in_lanes, live, places
from tests.support.doomed_mix import KEPT, Events, work_off
from tests.support.invariants import faults
from tests.support.killpoint import KillPoint
from tests.support.nursery import Nursery
from tests.support.servers import ServerProcess
from tests.support.tiers import sizes_over_servers

LANES = 4


class Lane:
    """Lives and dies in a database of its own, so that several can at once."""

    def __init__(self, server: ServerProcess, db: int, nursery: Nursery, folder: Path) -> None:
        self.left = Aftermath(f"{server.url}?db={db}")
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

    async def events(self) -> Events:
        """Read what has happened in the queue."""
        return Events(await self.left.raw.xrange(self.left.scripts.key("events")))

    async def die(self, place: Place) -> tuple[bool, list[str]]:
        """Kill one there, let a healthy worker go on, and say what is wrong."""
        point, folder = await self.live(place)
        wrong = faults(self.left.look())
        await self.left.take_over()
        try:
            await work_off(self.left.url, folder)
        except AssertionError as error:
            wrong.append(str(error))
        await self.left.take_over()
        await self.left.scripts.beat()
        await self.left.scripts.run("sweep", 100, 0, 0, 0, 0, 0)
        left, events = self.left.look(), await self.events()
        wrong += faults(left) + list(events.wrong())
        kept = Counter(left.state(job) for job in left.hashes["jobs"])
        wrong += [
            f"{kept[letter]} {name} jobs are kept"
            for letter, name in (("c", "completed"), ("d", "dead"), ("x", "cancelled"))
            if kept[letter] > KEPT[name]
        ]
        # What ended in a call whose reply its worker did not read, and was not kept, has left
        # nothing but its event.
        wrong += [
            str(each)
            for each in check_history(folder, drained=True).violations
            if each.rule != "lost" or each.job not in events.ended
        ]
        return point.struck.is_set(), wrong


@pytest.mark.requirement("P10")
@pytest.mark.behaviour("F2", "T31", "T66")
@sizes_over_servers(ci={"step": 29}, whole={"step": 1})
async def test_cancellations_threads_batches_and_pauses_outlive_whoever_dies(
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
            nursery = Nursery(doomed_mix.__name__, tmp_path / f"log-{db}")
            server = servers[db % len(servers)]
            lane = Lane(server, db, await stack.enter_async_context(nursery), tmp_path)
            stack.push_async_callback(lane.left.close)
            lanes.append(lane)
        point, _ = await lanes[0].live(WHOLE_LIFE)
        events = await lanes[0].events()
        assert list(events.wrong()) == []
        assert {kind for kind, _ in events.seen} >= {"paused", "dead", "cancelled", "completed"}
        todo = places(point.count, size["step"])
        deaths = await in_lanes(todo, [lane.die for lane in lanes], len(servers))

    assert {place: wrong for place, (_, wrong) in deaths.items() if wrong} == {}
    struck = sum(struck for struck, _ in deaths.values())
    # How many commands a life takes depends on when its loops wake, by many on a busy machine.
    assert struck > 0.6 * len(todo)
    note = f"cancellations, threads, batches, pauses, ageing, weights; {point.count} commands"
    figures.record("F2", n=struck, tier=size["tier"], note=note)
