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
import redis.asyncio

from aiojobs_redis import Worker
from tests.support import figures
from tests.support.doomed_app import DEAD, NAME, ORPHAN, Journal, build, prepare
from tests.support.invariants import Snapshot, faults, snapshot, sync_client
from tests.support.killpoint import KillPoint, Moment
from tests.support.nursery import Nursery
from tests.support.proxy import Proxy
from tests.support.scripts import Scripts
from tests.support.servers import ServerProcess
from tests.support.tiers import sizes
from tests.support.waiting import wait_until

LANES = 4
ASKED = 12 + 6 + len(DEAD) + len([ORPHAN]) + len(["tick", "trigger"])
ENDS = {"c", "d", "x"}


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
        self.url = f"{server.url}?db={db}"
        self.nursery = nursery
        self._upstream = server.socket
        self._db = db
        self._folder = folder
        self._raw: Any = redis.asyncio.Redis.from_url(self.url)
        self._scripts = Scripts(self.url, NAME, self._raw)
        self._base: dict[bytes, bytes] = {}
        self._lives = itertools.count()

    async def prepare(self) -> None:
        """Build what each process finds, once."""
        queue = build(self.url, self._journal())
        await prepare(self._scripts, queue)
        await queue.close()
        self._base = {key: await self._raw.dump(key) for key in await self._raw.keys("*")}

    async def close(self) -> None:
        """Close the connections."""
        await self._scripts.close()
        await self._raw.aclose()

    async def live(self, number: int, moment: Moment) -> tuple[KillPoint, Path, int]:
        """Start a process and kill it there, or let it end where it does not get there."""
        await self._raw.flushdb()
        async with self._raw.pipeline(transaction=True) as batch:
            for key, value in self._base.items():
                batch.restore(key, 0, value)
            await batch.execute()
        await self._scripts.meta(beat=await self._scripts.now(), hold=0)
        journal = self._journal()
        async with Proxy(self._upstream) as proxy:
            point = KillPoint(proxy, number, moment)
            url = f"{proxy.url}?db={self._db}"
            point.pid.set_result(await self.nursery.bear(url, str(journal)))
            code = await asyncio.wait_for(self.nursery.ended(), 30)
        return point, journal, code

    async def die(self, number: int, moment: Moment) -> Death:
        """Kill one there, let a healthy worker go on, and look at all there is."""
        point, journal, code = await self.live(number, moment)
        if not point.struck.is_set():
            assert code == 0, f"it ended by itself, with {code}"
        wrong = faults(self._look())
        await self._let_time_pass()
        queue = build(self.url, journal)
        async with Worker(queue, concurrency=8):
            # A job of the tick may come when all others have ended; what does not end is reported.
            with contextlib.suppress(AssertionError):
                await wait_until(self._ended, "all to end", 20)
        await queue.close()
        book, left = Journal.read(journal), self._look()
        wrong += faults(left)
        wrong += whatever_is_wrong(left, book)
        attempts = Counter(start[:2] for start in book.starts.elements())
        return Death(
            number,
            moment,
            point.struck.is_set(),
            point.overlapped,
            sum(count - 1 for count in attempts.values()),
            wrong,
        )

    async def _let_time_pass(self) -> None:
        """Let every lease run out and everything fall due, on a queue that was never silent."""
        now = await self._scripts.now()
        for index in ("leases", "scheduled", "retrying", "ticks"):
            key = self._scripts.key(index)
            late = {
                member: now - 1000
                for member, score in await self._raw.zrange(key, 0, -1, withscores=True)
                # The tick after the one that is due is not to come as well.
                if index != "ticks" or score < now + 60_000
            }
            if late:
                await self._raw.zadd(key, late)
        await self._raw.hdel(self._scripts.key("meta"), "leader", "leader_until")
        await self._scripts.meta(beat=now, hold=0)

    async def _ended(self) -> bool:
        async with self._raw.pipeline(transaction=True) as batch:
            for name in ("ready", "suspects", "scheduled", "retrying", "leases", "blocked"):
                batch.zcard(self._scripts.key(name))
            batch.hkeys(self._scripts.key("jobs"))
            *waiting, ids = await batch.execute()
        return not any(waiting) and any(id.startswith(b"pulse:") for id in ids)

    def _look(self) -> Snapshot:
        with sync_client(self.url) as client:
            found = snapshot(client, "test", NAME)
        assert found is not None
        return found

    def _journal(self) -> Path:
        path = self._folder / f"{self._db}-{next(self._lives)}"
        path.touch()
        return path


def whatever_is_wrong(left: Snapshot, book: Journal) -> list[str]:
    """Return what a drained queue must not look like."""
    jobs = {id.decode(): left.state(id) for id in left.hashes["jobs"]}
    wrong = [f"{id} is lost" for id in {*book.told, *DEAD, ORPHAN} - jobs.keys()]
    wrong += [f"{id} is left in state {state}" for id, state in jobs.items() if state not in ENDS]
    wrong += [f"{id} ended in {jobs[id]}" for id in jobs if jobs[id] not in _may_end(id)]
    wrong += [f"start {start} came {n} times" for start, n in book.starts.items() if n > 1]
    if len(jobs) > ASKED:
        wrong.append(f"{len(jobs)} jobs were made of {ASKED}")
    ticks = [id for id in jobs if id.startswith("pulse:")]
    if len(ticks) != 1:
        wrong.append(f"one tick made {ticks}")
    return wrong


def _may_end(id: str) -> str:
    if id == "failing":
        return "d"
    if id == "late-0":
        return "xc"
    return "cd" if id in DEAD else "c"


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
            stack.push_async_callback(lane.close)
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
