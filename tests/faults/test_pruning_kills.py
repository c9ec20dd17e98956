"""Whoever cancels what only one job of two queues waits for is killed at any command."""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio

from aiojobs_redis import FlowTree, JobState, Worker, check_history
from tests.support import doomed_pruner, figures
from tests.support.deaths import WHOLE_LIFE, Place, live, places
from tests.support.doomed_pruner import (
    FLOW,
    LAST,
    NAMES,
    UNNEEDED,
    build,
    prepare,
    states,
)
from tests.support.invariants import faults
from tests.support.killpoint import KillPoint
from tests.support.nursery import Nursery
from tests.support.servers import ServerProcess
from tests.support.snapshots import snapshot, sync_client
from tests.support.tiers import sizes_over_servers

LIFE, PREPARED, AGAIN, AS_IT_IS = range(4)
KEPT = FLOW.keys() - UNNEEDED


class Deaths:
    """Lives on one server, one after the other, each on a copy of the same queues.

    Args:
        server: The server, with these queues in the database `PREPARED`.
        nursery: Where they come from.
        folder: For the histories of the lives.
    """

    def __init__(self, server: ServerProcess, nursery: Nursery, folder: Path) -> None:
        self._server, self._nursery, self._folder = server, nursery, folder
        self._lives = itertools.count()
        self._whole = ""

    async def places(self) -> list[Place]:
        """Let one live to its end: all that nobody else needs is cancelled."""
        # The first one has to load the scripts.
        await self._live(WHOLE_LIFE)
        point, _ = await self._live(WHOLE_LIFE)
        async with contextlib.AsyncExitStack() as stack:
            queues = [await stack.enter_async_context(queue) for queue in build(self._url(LIFE))]
            self._whole = str(await queues[0].job(LAST).tree())
            found = await states(queues)
        assert {job for job in FLOW if found[job] is JobState.CANCELLED} == UNNEEDED
        return places(point.count)

    async def die(self, place: Place) -> tuple[bool, list[str], int]:
        """Kill one there; whether it was killed, what is wrong, and how many run for nobody."""
        point, folder = await self._live(place)
        wrong = self._faults(LIFE)
        async with self._raw(LIFE) as raw:
            for db in (AGAIN, AS_IT_IS):
                await _copy(raw, self._raw(db), db)
        in_vain = 0
        for db in (AGAIN, AS_IT_IS):
            more, ran = await self._go_on(db, folder)
            wrong += more
            in_vain += ran
        return point.struck.is_set(), wrong, in_vain

    async def _go_on(self, db: int, life: Path) -> tuple[list[str], int]:
        """Let the call be made again, or not; and run what is left."""
        wrong, folder = list[str](), life / str(db)
        folder.mkdir()
        async with contextlib.AsyncExitStack() as stack:
            queues = [await stack.enter_async_context(queue) for queue in build(self._url(db))]
            recorders = [queue.record_history(folder / queue.name) for queue in queues]
            last = queues[0].job(LAST)
            if db == AGAIN:
                await last.remove_waiting_parents()
                tree = str(await last.tree())
                wrong += [] if tree == self._whole else [f"it was not made whole: {tree}"]
                wrong += self._faults(db)
            waited_for = _above(await last.tree())
            await Worker(queues).run(burst=True)
            found = await states(queues)
            for recorder in recorders:
                recorder.mark("drained")
                recorder.close()
        wrong += [f"{job} is {found[job]}" for job in KEPT if found[job] is not JobState.COMPLETED]
        ends = (JobState.COMPLETED, JobState.CANCELLED)
        wrong += [f"{job} is {found[job]}" for job in UNNEEDED if found[job] not in ends]
        ran = {job for job in UNNEEDED if found[job] is JobState.COMPLETED}
        for name in NAMES:
            report = check_history(self._folder / name, life / name, folder / name)
            wrong += [str(each) for each in report.violations]
        return wrong + self._faults(db), len(ran - waited_for)

    async def _live(self, place: Place) -> tuple[KillPoint, Path]:
        """Start one on a copy, and kill it there."""
        async with self._raw(PREPARED) as raw:
            await _copy(raw, self._raw(LIFE), LIFE)
        folder = self._folder / f"life-{next(self._lives)}"
        folder.mkdir()
        return await live(self._server, self._nursery, place, folder), folder

    def _url(self, db: int) -> str:
        return f"{self._server.url}?db={db}"

    def _raw(self, db: int) -> Any:
        return redis.asyncio.Redis.from_url(self._url(db))

    def _faults(self, db: int) -> list[str]:
        with contextlib.closing(sync_client(self._url(db))) as client:
            copies = [snapshot(client, "test", name) for name in NAMES]
        return [fault for copy in copies for fault in (faults(copy) if copy else ["too large"])]


def _above(tree: FlowTree) -> set[str]:
    return {tree.id}.union(*map(_above, tree.parents))


async def _copy(source: Any, target: Any, db: int) -> None:
    async with target:
        await target.flushdb()
    for key in await source.keys():
        await source.copy(key, key, db)


@pytest.mark.requirement("B13", "B14", "T63")
@pytest.mark.behaviour("F2")
@sizes_over_servers(ci={"step": 9}, whole={"step": 1})
async def test_who_cancels_what_is_waited_for_in_two_queues_may_be_killed_at_any_command(
    start_server: Callable[..., ServerProcess],
    tmp_path: Path,
    size: Mapping[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL)
    found: dict[tuple[str, Place], tuple[bool, list[str], int]] = {}
    for at, name in enumerate(size["servers"]):
        server, folder = start_server(kind=name), tmp_path / name
        folder.mkdir()
        await prepare(f"{server.url}?db={PREPARED}", folder)
        async with Nursery(doomed_pruner.__name__, tmp_path / "log") as nursery:
            deaths = Deaths(server, nursery, folder)
            every = await deaths.places()
            for place in every[at :: size["step"] * len(size["servers"])]:
                found[name, place] = await deaths.die(place)

    assert {each: wrong for each, (_, wrong, _) in found.items() if wrong} == {}
    assert all(struck for struck, _, _ in found.values())
    in_vain = sum(count > 0 for _, _, count in found.values())
    note = f"waiting parents in two queues; {in_vain} kills left jobs that ran for nobody"
    figures.record("F2", n=len(found), tier=size["tier"], note=note)
