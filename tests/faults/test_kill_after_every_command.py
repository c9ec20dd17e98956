"""A process is killed at each of its Redis commands in turn: nothing is lost, whatever it did."""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from aiojobs_redis import check_history
from tests.support import figures
from tests.support.aftermath import Aftermath, faults_of_a_drained
from tests.support.deaths import WHOLE_LIFE, Place, in_lanes, live, places
from tests.support.doomed_app import DEAD, ORPHAN, Journal, build, prepare
from tests.support.invariants import faults
from tests.support.killpoint import KillPoint, Moment
from tests.support.nursery import Nursery
from tests.support.servers import ServerProcess
from tests.support.tiers import sizes_over_servers

LANES = 4


@dataclass
class Death:
    """One life that was cut short, and what a healthy worker made of what it left."""

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
        self._server = server
        self._db = db
        self._folder = folder
        self._base: dict[bytes, bytes] = {}
        self._lives = itertools.count()
        self._before = folder

    async def prepare(self) -> None:
        """Build what each process finds, once."""
        journal = self._journal()
        queue = build(self.left.url, journal)
        with queue.record_history(history_beside(journal)):
            await prepare(self.left.scripts, queue)
        await queue.close()
        self._before = history_beside(journal)
        raw = self.left.raw
        self._base = {key: await raw.dump(key) for key in await raw.keys("*")}

    async def live(self, place: Place) -> tuple[KillPoint, Path]:
        """Start a process and kill it there, or let it end where it does not get there."""
        await self.left.raw.flushdb()
        async with self.left.raw.pipeline(transaction=True) as batch:
            for key, value in self._base.items():
                batch.restore(key, 0, value)
            await batch.execute()
        await self.left.scripts.meta(beat=await self.left.scripts.now(), hold=0)
        journal = self._journal()
        arguments = (journal, history_beside(journal))
        return await live(self._server, self._nursery, place, *arguments, db=self._db), journal

    async def die(self, place: Place) -> Death:
        """Kill one there, let a healthy worker go on, and look at all there is."""
        point, journal = await self.live(place)
        wrong = faults(self.left.look())
        history = history_beside(journal)
        await self.left.leap(history)
        book = await self.left.drain(journal, history)
        left = self.left.look()
        wrong += faults(left) + faults_of_a_drained(left, book, {*book.told, *DEAD, ORPHAN})
        wrong += map(str, check_history(self._before, history).violations)
        attempts = Counter(start[:2] for start in book.starts.elements())
        return Death(
            place[1],
            point.struck.is_set(),
            point.overlapped,
            sum(count - 1 for count in attempts.values()),
            wrong,
        )

    def _journal(self) -> Path:
        path = self._folder / f"{self._db}-{next(self._lives)}"
        path.touch()
        return path


def history_beside(journal: Path) -> Path:
    """Return the folder of the history that belongs to a journal."""
    return journal.with_name(f"{journal.name}-history")


def with_a_second(exchanges: Sequence[int], step: int) -> list[Place]:
    """Return each exchange with a second one on its way."""
    twice = [(n, at) for n in exchanges for at in (Moment.SECOND, Moment.OVERTAKEN)]
    return twice[:: max(1, step // 2)]


@pytest.mark.behaviour("F2")
@sizes_over_servers(ci={"step": 12}, whole={"step": 1})
async def test_a_process_may_be_killed_at_any_command(
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
            nursery = Nursery("tests.support.doomed_app", tmp_path / f"log-{db}")
            server = servers[db % len(servers)]
            lane = Lane(server, db, await stack.enter_async_context(nursery), tmp_path)
            stack.push_async_callback(lane.left.close)
            await lane.prepare()
            lanes.append(lane)
        point, journal = await lanes[0].live(WHOLE_LIFE)
        assert len(Journal.read(journal).starts) > 20
        step = size["step"]
        todo = places(point.count, step) + with_a_second(point.exchanges, step)
        deaths = await in_lanes(todo, [lane.die for lane in lanes], len(servers))

    assert {place: death.wrong for place, death in deaths.items() if death.wrong} == {}
    struck = [death for death in deaths.values() if death.struck]
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
