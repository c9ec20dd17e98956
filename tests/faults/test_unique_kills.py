"""A process is killed at its Redis commands in turn: no unique key is stuck or held twice."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio

from aiojobs_redis import check_history
from tests.support import deduped_app, figures
from tests.support.deaths import WHOLE_LIFE, Place, in_lanes, live, places
from tests.support.invariants import faults
from tests.support.killpoint import KillPoint
from tests.support.nursery import Nursery
from tests.support.scripts import Scripts
from tests.support.servers import ServerProcess
from tests.support.snapshots import Snapshot, snapshot, sync_client
from tests.support.tiers import sizes_over_servers


class Deaths:
    """Lives on one server, one after the other, each with a folder of its own."""

    def __init__(self, server: ServerProcess, nursery: Nursery, folder: Path) -> None:
        self.server, self._nursery, self._folder = server, nursery, folder
        self.raw: Any = redis.asyncio.Redis.from_url(server.url)
        self.scripts = Scripts(server.url, deduped_app.NAME, self.raw)

    async def live(self, place: Place) -> tuple[KillPoint, Path]:
        """Start a process and kill it at that command, or let it end where it has fewer."""
        await self.raw.flushdb()
        folder = self._folder / f"{place[0]}-{place[1].name}"
        folder.mkdir(parents=True)
        return await live(self.server, self._nursery, place, folder), folder

    def look(self) -> Snapshot:
        with sync_client(self.server.url) as client:
            found = snapshot(client, "test", deduped_app.NAME)
        assert found is not None
        return found

    async def die(self, place: Place) -> tuple[bool, list[str]]:
        """Kill one there and let another go on; whether it was killed, and what is wrong."""
        point, folder = await self.live(place)
        wrong = faults(self.look())
        await self.take_over()
        later = await deduped_app.work_off(self.server.url, folder)
        left = self.look()
        ended = {job.decode() for job in left.hashes["jobs"] if left.state(job) in "cdx"}
        needed = deduped_app.told(folder) | {job.id for job in later}
        wrong += faults(left) + [f"{job} is not there, or has not ended" for job in needed - ended]
        report = check_history(folder, drained=True)
        return point.struck.is_set(), wrong + [str(each) for each in report.violations]

    async def take_over(self) -> None:
        """Let the queue have no leader, and not have been silent: leases run out by themselves."""
        if await self.raw.hexists(self.scripts.key("meta"), "schema"):
            await self.raw.hdel(self.scripts.key("meta"), "leader", "leader_until")
            await self.scripts.meta(beat=await self.scripts.now(), hold=0)


@pytest.mark.behaviour("F2", "T28")
@sizes_over_servers(ci={"step": 31}, whole={"step": 1})
async def test_a_unique_key_is_neither_stuck_nor_held_twice_wherever_a_process_dies(
    start_server: Callable[..., ServerProcess],
    tmp_path: Path,
    size: Mapping[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL)
    async with contextlib.AsyncExitStack() as stack:
        lanes = []
        for name in size["servers"]:
            nursery = Nursery(deduped_app.__name__, tmp_path / f"log-{name}")
            await stack.enter_async_context(nursery)
            lane = Deaths(start_server(kind=name), nursery, tmp_path / name)
            stack.push_async_callback(lane.raw.aclose)
            stack.push_async_callback(lane.scripts.close)
            lanes.append(lane)
        point, folder = await lanes[0].live(WHOLE_LIFE)
        assert len(deduped_app.told(folder)) > 5
        todo = places(point.count, size["step"])
        found = await in_lanes(todo, [lane.die for lane in lanes], len(lanes))

    assert {each: wrong for each, (_, wrong) in found.items() if wrong} == {}
    # How many commands a life takes depends on when its loops wake, by many on a busy machine.
    struck = sum(struck for struck, _ in found.values())
    assert struck > 0.6 * len(found)
    note = f"unique keys; {point.count} commands"
    figures.record("F2", n=struck, tier=size["tier"], note=note)
