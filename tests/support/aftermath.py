"""What is left of a queue of `tests.support.doomed_app`, and what a healthy worker makes of it.

Leases are not waited for: they are run out by hand, as time would, with everything that is due.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import redis.asyncio

from aiojobs_redis import Queue, Worker
from tests.support.doomed_app import ASKED, DEAD, NAME, Journal, build, lifespan
from tests.support.scripts import Scripts
from tests.support.snapshots import Snapshot, snapshot, sync_client
from tests.support.waiting import wait_until

__all__ = ["Aftermath", "faults_of_a_drained"]

_ENDS = {"c", "d", "x"}
_WAITING = ("ready", "suspects", "scheduled", "retrying", "leases", "blocked")


class Aftermath:
    """One doomed queue.

    Args:
        url: Its server.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.raw: Any = redis.asyncio.Redis.from_url(url)
        self.scripts = Scripts(url, NAME, self.raw)
        self._jobs = self.scripts.key("jobs")

    async def close(self) -> None:
        """Close the connections."""
        await self.scripts.close()
        await self.raw.aclose()

    async def take_over(self) -> None:
        """Let the queue have no leader, and not have been silent: leases run out by themselves."""
        if await self.raw.hexists(self.scripts.key("meta"), "schema"):
            await self.raw.hdel(self.scripts.key("meta"), "leader", "leader_until")
            await self.scripts.meta(beat=await self.scripts.now(), hold=0)

    def look(self) -> Snapshot:
        """Copy the queue."""
        with sync_client(self.url) as client:
            found = snapshot(client, "test", NAME)
        assert found is not None
        return found

    async def leap(self, history: Path) -> None:
        """Let time pass, and let the history say that no clock tells how long it took."""
        queue = Queue(NAME, self.url, namespace="test")
        with queue.record_history(history) as recorder, recorder.fault("clock"):
            await self.let_time_pass()

    async def let_time_pass(self) -> None:
        """Let every lease run out and everything fall due, on a queue that was never silent."""
        if not await self.raw.hexists(self.scripts.key("meta"), "schema"):
            return
        now = await self.scripts.now()
        for index in ("leases", "scheduled", "retrying", "ticks"):
            key = self.scripts.key(index)
            late = {
                member: now - 1000
                for member, score in await self.raw.zrange(key, 0, -1, withscores=True)
                # The tick after the one that is due is not to come as well.
                if index != "ticks" or score < now + 60_000
            }
            if late:
                await self.raw.zadd(key, late)
        await self.raw.hdel(self.scripts.key("meta"), "leader", "leader_until")
        await self.scripts.meta(beat=now, hold=0)

    async def drain(self, journal: Path, history: Path | None = None) -> Journal:
        """Let a worker run what there is, and return the journal that it goes on with."""
        queue = build(self.url, journal)
        recorder = None if history is None else queue.record_history(history)
        async with Worker(queue, concurrency=8, lifespan=lifespan):
            # A job of the tick may come when all others have ended. What does not end is reported
            # by who looks at what is left.
            with contextlib.suppress(AssertionError):
                await wait_until(self._ended, "all to end", 20)
        if recorder is not None:
            await queue.states([id.decode() for id in await self.raw.hkeys(self._jobs)])
            recorder.mark("drained")
            recorder.close()
        await queue.close()
        return Journal.read(journal)

    async def _ended(self) -> bool:
        async with self.raw.pipeline(transaction=True) as batch:
            for name in _WAITING:
                batch.zcard(self.scripts.key(name))
            batch.hkeys(self._jobs)
            batch.hlen(self.scripts.key("schedules"))
            *waiting, ids, schedules = await batch.execute()
        return not any(waiting) and (not schedules or any(map(_is_of_tick, ids)))


def faults_of_a_drained(left: Snapshot, book: Journal, needed: Collection[str]) -> list[str]:
    """Return what a drained queue must not look like.

    Args:
        left: What is left of it.
        book: What ran.
        needed: Ids of the jobs that have to be there.
    """
    jobs = {id.decode(): left.state(id) for id in left.hashes["jobs"]}
    wrong = [f"{id} is lost" for id in set(needed) - jobs.keys()]
    wrong += [f"{id} is left in state {state}" for id, state in jobs.items() if state not in _ENDS]
    wrong += [f"{id} ended in {jobs[id]}" for id in jobs if jobs[id] not in _may_end(id)]
    wrong += [
        f"start {start} came {n} times: {book.lines[start[0]]}"
        for start, n in book.starts.items()
        if n > 1
    ]
    if len(jobs) > ASKED:
        wrong.append(f"{len(jobs)} jobs were made of {ASKED}")
    ticks = [id for id in left.hashes["jobs"] if _is_of_tick(id)]
    if len(ticks) > 1:
        wrong.append(f"one tick made {ticks}")
    return wrong


def _is_of_tick(id: bytes) -> bool:
    return id.startswith(b"pulse:")


def _may_end(id: str) -> str:
    if id == "failing":
        return "d"
    if id == "late-0":
        return "xc"
    return "cd" if id in DEAD else "c"
