"""Whoever operates a queue is killed at any command: the call was made whole, or not at all."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio

from aiojobs_redis import JobState, check_history
from aiojobs_redis.testing import run_until_idle
from tests.support import doomed_operator, figures
from tests.support.deaths import WHOLE_LIFE, Place, live, places
from tests.support.doomed_operator import ACTS, JOBS, NAME, build, prepare
from tests.support.invariants import faults
from tests.support.killpoint import KillPoint
from tests.support.nursery import Nursery
from tests.support.scripts import dump
from tests.support.servers import ServerProcess
from tests.support.snapshots import snapshot, sync_client
from tests.support.tiers import sizes_over_servers

PREPARED = 1
READING = {"metrics"}


class Deaths:
    """Lives on one server, one after the other, each on a copy of the same queue.

    Args:
        server: The server, with that queue in the database `PREPARED`.
        nursery: Where they come from.
        act: What each does.
        folder: For the histories of the lives.
    """

    def __init__(self, server: ServerProcess, nursery: Nursery, act: str, folder: Path) -> None:
        self.raw: Any = redis.asyncio.Redis.from_url(server.url)
        self._server, self._nursery, self._act = server, nursery, act
        self._folder = folder
        self._lives = itertools.count()
        self._before: tuple[object, object] = (None, None)
        self._after: object = None

    async def places(self) -> list[Place]:
        """Let one live to its end: what it does is what all are to do."""
        await self._copy()
        self._before = await self._seen(), await dump(self.raw, "*")
        # The first one has to load the script.
        await self._live(WHOLE_LIFE)
        await self._copy()
        point, _ = await self._live(WHOLE_LIFE)
        self._after = await self._seen()
        assert (self._after != self._before[0]) is (self._act not in READING)
        return places(point.count)

    async def die(self, place: Place) -> tuple[bool, list[str]]:
        """Kill one there, and let another one go on; whether it was killed, and what is wrong."""
        await self._copy()
        point, history = await self._live(place)
        wrong = self._faults()
        seen, keys = await self._seen(), await dump(self.raw, "*")
        made = seen == self._after and self._act not in READING
        if not made and (seen, keys) != self._before:
            wrong.append(f"it was made by half: {seen}")
        queue = build(self._server.url)
        act = ACTS[self._act]
        with queue.record_history(history) as recorder:
            await act.do(queue)
            if await act.seen(queue) != self._after:
                wrong.append("it could not be made again")
            wrong += self._faults()
            await queue.resume()
            await queue.limit_for(0)
            await run_until_idle(queue, scheduled=True)
            states = await queue.states(JOBS)
            recorder.mark("drained")
        ends = dict.fromkeys(act.left, JobState.COMPLETED) | {"dead": JobState.DEAD}
        if states != {id: ends[id] if id in act.left else None for id in JOBS}:
            wrong.append(f"at the end they are {states}")
        await queue.close()
        report = check_history(history, history_of(self._server))
        wrong += [str(each) for each in report.violations]
        return point.struck.is_set(), wrong + self._faults()

    async def _live(self, place: Place) -> tuple[KillPoint, Path]:
        history = self._folder / f"{self._act}-{next(self._lives)}"
        point = await live(self._server, self._nursery, place, self._act, history)
        return point, history

    async def _copy(self) -> None:
        await self.raw.flushdb()
        prepared: Any = redis.asyncio.Redis.from_url(f"{self._server.url}?db={PREPARED}")
        for key in await prepared.keys():
            await prepared.copy(key, key, 0)
        await prepared.aclose()

    async def _seen(self) -> object:
        queue = build(self._server.url)
        seen = await ACTS[self._act].seen(queue)
        await queue.close()
        return seen

    def _faults(self) -> list[str]:
        with sync_client(self._server.url) as client:
            found = snapshot(client, "test", NAME)
        assert found is not None
        return list(faults(found))


def history_of(server: ServerProcess) -> Path:
    """Return where the history of the queue itself is, up to each of the lives."""
    return server.folder / "history"


@pytest.mark.behaviour("F2")
@sizes_over_servers(ci={"step": 17}, whole={"step": 1})
async def test_an_operator_may_be_killed_at_any_command(
    start_server: Callable[..., ServerProcess],
    tmp_path: Path,
    size: Mapping[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL)
    servers = [start_server(kind=name) for name in size["servers"]]
    for server in servers:
        await prepare(f"{server.url}?db={PREPARED}", history_of(server))
    found: dict[tuple[str, Place], tuple[bool, list[str]]] = {}
    async with Nursery(doomed_operator.__name__, tmp_path / "log") as nursery:
        for turn, act in enumerate(ACTS):
            deaths = Deaths(servers[turn % len(servers)], nursery, act, tmp_path)
            every = await deaths.places()
            # From the end: there the call is made.
            for place in every[:: -size["step"]]:
                found[act, place] = await deaths.die(place)
            await deaths.raw.aclose()

    assert {each: wrong for each, (_, wrong) in found.items() if wrong} == {}
    assert all(struck for struck, _ in found.values())
    note = f"operators; {len(ACTS)} calls"
    figures.record("F2", n=len(found), tier=size["tier"], note=note)
