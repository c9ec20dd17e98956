"""A process is killed at each of its Redis commands in turn: nothing is lost, whatever it did."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support import figures
from tests.support.aftermath import Aftermath, faults_of_a_drained
from tests.support.doomed_app import DEAD, ORPHAN, Journal, build, prepare
from tests.support.invariants import faults
from tests.support.killpoint import KillPoint, Moment
from tests.support.nursery import Nursery
from tests.support.proxy import Proxy
from tests.support.servers import ServerProcess
from tests.support.tiers import sizes

LANES = 4


@dataclass
class Death:
    """One life that was cut short, and what a healthy worker made of what it left."""

    number: int
    moment: Moment
    struck: bool
    overlapped: bool
    doubled: int
    wrong: list[str]


class Lane:
    """Lives and dies in a database of its own, so that several can at once.

    Args:
        server: The server.
        db: Number of the database.
        nursery: Where its processes come from.
        folder: For journals.
    """

    def __init__(self, server: ServerProcess, db: int, nursery: Nursery, folder: Path) -> None:
        self.left = Aftermath(f"{server.url}?db={db}")
        self._nursery = nursery
        self._upstream = server.socket
        self._db = db
        self._folder = folder
        self._base: dict[bytes, bytes] = {}
        self._lives = itertools.count()

    async def prepare(self) -> None:
        """Build what each process finds, once."""
        queue = build(self.left.url, self._journal())
        await prepare(self.left.scripts, queue)
        await queue.close()
        raw = self.left.raw
        self._base = {key: await raw.dump(key) for key in await raw.keys("*")}

    async def live(self, number: int, moment: Moment) -> tuple[KillPoint, Path, int]:
        """Start a process and kill it there, or let it end where it does not get there."""
        await self.left.raw.flushdb()
        async with self.left.raw.pipeline(transaction=True) as batch:
            for key, value in self._base.items():
                batch.restore(key, 0, value)
            await batch.execute()
        await self.left.scripts.meta(beat=await self.left.scripts.now(), hold=0)
        journal = self._journal()
        async with Proxy(self._upstream) as proxy:
            point = KillPoint(proxy, number, moment)
            url = f"{proxy.url}?db={self._db}"
            point.pid.set_result(await self._nursery.bear(url, str(journal)))
            code = await asyncio.wait_for(self._nursery.ended(), 30)
        return point, journal, code

    async def die(self, number: int, moment: Moment) -> Death:
        """Kill one there, let a healthy worker go on, and look at all there is."""
        point, journal, code = await self.live(number, moment)
        if not point.struck.is_set():
            assert code == 0, f"it ended by itself, with {code}"
        wrong = faults(self.left.look())
        await self.left.let_time_pass()
        book = await self.left.drain(journal)
        left = self.left.look()
        wrong += faults(left) + faults_of_a_drained(left, book, {*book.told, *DEAD, ORPHAN})
        attempts = Counter(start[:2] for start in book.starts.elements())
        return Death(
            number,
            moment,
            point.struck.is_set(),
            point.overlapped,
            sum(count - 1 for count in attempts.values()),
            wrong,
        )

    def _journal(self) -> Path:
        path = self._folder / f"{self._db}-{next(self._lives)}"
        path.touch()
        return path


def points(commands: int, exchanges: Sequence[int], step: int) -> list[tuple[int, Moment]]:
    """Return each command before and after, and each exchange with a second one on its way."""
    every = [(n, at) for n in range(1, commands + 1) for at in (Moment.BEFORE, Moment.AFTER)]
    twice = [(n, at) for n in exchanges for at in (Moment.SECOND, Moment.OVERTAKEN)]
    return [*every[::step], *twice[:: max(1, step // 2)]]


@pytest.mark.behaviour("F2")
@sizes(ci={"step": 12}, whole={"step": 1})
async def test_a_process_may_be_killed_at_any_command(
    start_server: Callable[..., ServerProcess],
    tmp_path: Path,
    size: Mapping[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL)
    server = start_server()
    todo: list[tuple[int, Moment]] = []
    deaths: list[Death] = []

    async def work(lane: Lane) -> None:
        while todo:
            deaths.append(await lane.die(*todo.pop()))

    async with contextlib.AsyncExitStack() as stack:
        lanes = []
        for db in range(LANES):
            nursery = Nursery("tests.support.doomed_app", tmp_path / f"log-{db}")
            lane = Lane(server, db, await stack.enter_async_context(nursery), tmp_path)
            stack.push_async_callback(lane.left.close)
            await lane.prepare()
            lanes.append(lane)
        point, journal, code = await lanes[0].live(0, Moment.AFTER)
        assert code == 0
        assert len(Journal.read(journal).starts) > 20
        todo += points(point.count, point.exchanges, size["step"])
        await asyncio.gather(*map(work, lanes))

    assert {(d.number, d.moment): d.wrong for d in deaths if d.wrong} == {}
    struck = [death for death in deaths if death.struck]
    # How many commands a life takes depends on when its loops wake, by a few.
    assert len(struck) > 0.85 * len(deaths)
    both = [death for death in struck if death.overlapped and death.moment is not Moment.AFTER]
    assert both, "two exchanges were on their way at once"
    assert any(death.doubled for death in struck), "some were killed while a job ran"
    figures.record(
        "F2",
        n=len(struck),
        caused=sum(death.doubled for death in struck),
        tier=size["tier"],
        note=f"{point.count} commands; {len(both)} kills with two exchanges on their way",
    )
