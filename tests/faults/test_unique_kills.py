"""A process is killed at its Redis commands in turn: no unique key is stuck or held twice."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio

from aiojobs_redis import check_history
from tests.support import deduped_app
from tests.support.invariants import Snapshot, faults, snapshot, sync_client
from tests.support.killpoint import KillPoint, Moment
from tests.support.nursery import Nursery
from tests.support.proxy import Proxy
from tests.support.scripts import Scripts
from tests.support.servers import ServerProcess
from tests.support.tiers import sizes


class Deaths:
    """Lives on one server, one after the other, each with a folder of its own."""

    def __init__(self, server: ServerProcess, nursery: Nursery, folder: Path) -> None:
        self.server, self._nursery, self._folder = server, nursery, folder
        self.raw: Any = redis.asyncio.Redis.from_url(server.url)
        self.scripts = Scripts(server.url, deduped_app.NAME, self.raw)

    async def live(self, number: int, moment: Moment) -> tuple[KillPoint, Path, int]:
        """Start a process and kill it at that command, or let it end where it has fewer."""
        await self.raw.flushdb()
        folder = self._folder / f"{number}-{moment.name}"
        folder.mkdir()
        async with Proxy(self.server.socket) as proxy:
            point = KillPoint(proxy, number, moment)
            point.pid.set_result(await self._nursery.bear(proxy.url, str(folder)))
            code = await asyncio.wait_for(self._nursery.ended(), 30)
        return point, folder, code

    def look(self) -> Snapshot:
        with sync_client(self.server.url) as client:
            found = snapshot(client, "test", deduped_app.NAME)
        assert found is not None
        return found

    async def die(self, number: int, moment: Moment) -> tuple[bool, list[str]]:
        """Kill one there and let another go on; whether it was killed, and what is wrong."""
        point, folder, code = await self.live(number, moment)
        assert point.struck.is_set() or code == 0
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
@sizes(ci={"step": 13}, whole={"step": 1})
async def test_a_unique_key_is_neither_stuck_nor_held_twice_wherever_a_process_dies(
    start_server: Callable[..., ServerProcess],
    tmp_path: Path,
    size: Mapping[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL)
    async with Nursery("tests.support.deduped_app", tmp_path / "log") as nursery:
        deaths = Deaths(start_server(), nursery, tmp_path)
        point, folder, code = await deaths.live(0, Moment.AFTER)
        assert code == 0
        assert len(deduped_app.told(folder)) > 5
        every = [(n, at) for n in range(1, point.count) for at in (Moment.BEFORE, Moment.AFTER)]
        found = {each: await deaths.die(*each) for each in every[:: size["step"]]}
        await deaths.scripts.close()
        await deaths.raw.aclose()

    assert {each: wrong for each, (_, wrong) in found.items() if wrong} == {}
    # How many commands a life takes depends on when its loops wake, by many on a busy machine.
    assert sum(struck for struck, _ in found.values()) > 0.6 * len(found)
