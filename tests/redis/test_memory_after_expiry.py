"""Finished jobs go and leave nothing, whatever they used: memory is what it was before them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from aiojobs_redis import (
    Cancel,
    Fail,
    Job,
    JobOptions,
    Once,
    Queue,
    Unique,
    Worker,
    chain,
    current_job,
    group,
)
from aiojobs_redis._redis.keys import KEY_NAMES
from tests.conftest import _REAL
from tests.support import figures
from tests.support.raw import raw
from tests.support.servers import ServerProcess, find_servers
from tests.support.tiers import sizes
from tests.support.waiting import wait_until

BOUNDED = {"events", "stats"}
"""Keys that grow to a bound of their own: some entries, a field a task and minute of two days."""
KEPT = 100
WINDOW = 0.5
REST = ("waiters", "unique", "followers", "once", "once_ends", "slots", "starts")


class Load:
    """Jobs that leave all that a job can, and end in every way.

    Args:
        queue: Their queue.
        seconds: How long a step of theirs may take.
        kept: How many of each outcome are left at the end.
    """

    def __init__(self, queue: Queue, seconds: float, kept: int) -> None:
        self.queue, self.seconds, self.kept = queue, seconds, kept

        @queue.task(attempts=1)
        async def plain(number: int, data: bytes) -> bytes:
            return end(number, data)

        @queue.task(attempts=1)
        async def busy(number: int, data: bytes) -> bytes:
            job = current_job()
            _ = job.progress(number, None, "a note")
            _ = job.log(f"number {number}")
            job.state["number"] = number
            await job.step("one", str, number)
            await job.once(Once(f"once {number % 50}", keep=WINDOW), str, number)
            return end(number, data)

        self.plain, self.busy = plain, busy

    async def run(self, number: int) -> None:
        """Let so many jobs end and go; a tenth of them uses everything."""
        for at in range(0, number, 1000):
            for job in await self._enqueue(at, min(1000, number - at)):
                await job.cancel("before it ran")
        await wait_until(self._ended, "every job to end", self.seconds)
        await self._let_an_hour_pass()
        await wait_until(self._gone, "every job to go", self.seconds)

    async def _enqueue(self, at: int, number: int) -> list[Job[Any]]:
        busy = [
            self.busy.options(
                key=f"tenant {n // 5}",
                unique=Unique(f"unique {n}", window=WINDOW if n % 2 else None, until="done"),
            ).bind(n, bytes(100))
            for n in range(at, at + number // 10)
        ]
        plain = [self.plain.bind(n, bytes(100)) for n in range(at + number // 10, at + number - 50)]
        waiting = await self.queue.enqueue_many([*busy, *plain])
        for n in range(at, at + 50, 5):
            calls = [self.busy.bind(n + part, bytes(100)) for part in range(5)]
            await self.queue.enqueue_flow(chain(group(*calls[:2]), calls[2], group(*calls[3:])))
        return waiting[::20]

    async def _ended(self) -> bool:
        return not (await self.queue.counts()).unfinished

    async def _let_an_hour_pass(self) -> None:
        """So long a result may stay that another job was to read."""
        key = self.queue.store.keys["kept"]
        found = await raw(self.queue, "ZRANGE", key, 0, -1, "WITHSCORES")
        for id, score in zip(found[::2], found[1::2], strict=True):
            await raw(self.queue, "ZADD", key, "XX", int(float(score)) - 3_600_000, id)

    async def _gone(self) -> bool:
        counts = await self.queue.counts()
        left = [counts.completed, counts.cancelled, counts.dead]
        if max(left) > self.kept:
            return False
        # What names no job goes by its window, with the rounds of the janitor.
        return not any([await self._members(name) for name in REST])

    async def _members(self, name: str) -> int:
        key = self.queue.store.keys[name]
        command = {b"hash": "HLEN", b"zset": "ZCARD"}.get(await raw(self.queue, "TYPE", key))
        return int(await raw(self.queue, command, key)) if command else 0

    async def measure(self) -> tuple[int, dict[str, int]]:
        """Return the memory that Redis uses, and that of each key, in bytes."""
        keys = self.queue.store.keys
        await raw(self.queue, "XTRIM", keys["events"], "MAXLEN", 0)
        used = {
            name: await raw(self.queue, "MEMORY", "USAGE", keys[name], "SAMPLES", 0) or 0
            for name in KEY_NAMES
        }
        await raw(self.queue, "MEMORY", "PURGE")
        text = (await raw(self.queue, "INFO", "memory")).decode()
        return int(text.partition("used_memory:")[2].split()[0]), used


def end(number: int, data: bytes) -> bytes:
    if number % 3 == 1:
        raise Fail("a third is dead")
    if number % 3 == 2:
        raise Cancel("a third is cancelled")
    return data


@pytest.mark.slow
@pytest.mark.requirement("U11")
@pytest.mark.parametrize("by", ["age", "number"])
@pytest.mark.parametrize("kind", _REAL)
@sizes(ci={"jobs": 2_000, "seconds": 60}, whole={"jobs": 100_000, "seconds": 400})
async def test_memory_returns_to_its_base_after_expiry(
    tmp_path: Path, kind: str, by: str, size: Mapping[str, Any]
) -> None:
    server = ServerProcess(find_servers()[kind], tmp_path / "server")
    server.start()
    short = JobOptions(keep_result=0.001, keep_dead=0.001, keep_cancelled=0.001)
    queue = Queue("expiry", url=server.url, defaults=short if by == "age" else None)
    load = Load(queue, size["seconds"], KEPT if by == "number" else 0)
    if by == "number":
        await queue.keep(completed=KEPT, cancelled=KEPT, dead=KEPT)
    await queue.limit(concurrency=3, rate=(100, WINDOW), key="*")
    await queue.limit(concurrency=80, rate=(5_000, WINDOW), task="busy")
    async with Worker(queue, concurrency=100):
        await load.run(2_000)
        base, before = await load.measure()
        await load.run(size["jobs"])
        after, behind = await load.measure()
    await queue.close()
    server.remove()

    grown = {name: behind[name] - before[name] for name in KEY_NAMES if name not in BOUNDED}
    note = f"{kind}, by {by}: {base:,} B of memory before, {after:,} B after"
    figures.record("U11", n=size["jobs"], tier=size["tier"], note=note)
    # The last hundred of each outcome may be such as left more than those before.
    assert max(grown.values()) < (20_000 if by == "number" else 200), grown
    # Connections and script caches; 100,000 of these jobs take over 60 MB.
    assert after - base < 1_000_000, note
