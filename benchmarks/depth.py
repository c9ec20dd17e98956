"""Does an operation become dearer as the queue grows?

Each operation of this package on queues with 1,000, 100,000 and 1,000,000 jobs queued and as many
scheduled, all on one server and measured in turn, call by call: median processor time of the server
a script call, from its own counters over some hundred calls. Then a worker drains a queue in which
a million scheduled jobs are due at once: the longest script calls, from SLOWLOG.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import statistics
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from aiojobs_redis import JobState, Queue, Worker
from aiojobs_redis._redis.store import Claim
from benchmarks.harness import Bench, main

__all__ = ["measure"]

_DEPTHS = (1_000, 100_000, 1_000_000)
_BATCH = 10
_CALLS = 30
_LONG_US = 5_000


_Call = Callable[[], Awaitable[Any]]
_Operation = tuple[int, _Call | None, _Call]


class _Deep:
    """A queue of some depth, and each operation on it."""

    def __init__(self, bench: Bench, depth: int) -> None:
        self._depth = depth
        self._queue = Queue(f"bench{depth}", url=bench.url)
        self._promoted = 0
        self._incarnation, self._number, self._nonce = secrets.token_hex(16), 0, ""
        self._link = self._queue.store.server.link()

    async def fill(self) -> None:
        """Add the queued and the scheduled jobs, with ids that can be guessed."""
        for at in range(0, self._depth, 10_000):
            numbers = range(at, min(at + 10_000, self._depth))
            bind = self._queue.bind
            await self._queue.enqueue_many([bind("noop", id=f"q{number}") for number in numbers])
            await self._queue.enqueue_many(
                [bind("noop", id=f"s{number}", delay=86_400) for number in numbers]
            )

    async def close(self) -> None:
        """Leave the server."""
        self._link.abort()
        await self._queue.close()

    def operations(self) -> dict[str, _Operation]:
        """Return what is measured, with the number of calls and what comes before each."""
        return {
            "enqueue": (10 * _CALLS, None, self._enqueue),
            "claim": (_CALLS, None, self._claim),
            "finish": (_CALLS, self._claim, self._finish),
            "retry": (_CALLS, self._claim, self._retry),
            "forward": (_CALLS, self._fall_due, self._forward),
            "cancel": (10 * _CALLS, None, self._cancel),
            "promote": (10 * _CALLS, None, self._promote),
            "counts": (10 * _CALLS, None, self._counts),
            "first page": (_CALLS, None, self._page),
        }

    async def _exchange(self, limit: int, ended: Iterable[str | bytes] = ()) -> list[Claim]:
        self._number += 1
        nonce, flat = secrets.token_hex(16), tuple(ended)
        head = (self._incarnation, self._number, nonce, "w", limit, 1, 0, len(flat) // 5, 1, "noop")
        reply = await self._queue.store.exchange(self._link, (*head, *flat))
        if reply.lost:
            raise RuntimeError(f"{len(reply.lost)} completions were refused")
        self._nonce = nonce
        return reply.claims

    async def _enqueue(self) -> None:
        await self._queue.enqueue("noop")

    async def _claim(self) -> None:
        self._claims = await self._exchange(_BATCH)

    def _ended(self, what: str) -> list[str | bytes]:
        flat: list[str | bytes] = []
        for claim in self._claims:
            flat += (claim.id, f"{claim.fence},{self._nonce}", what, "0", b"{}")
        return flat

    async def _finish(self) -> None:
        await self._exchange(0, self._ended("1"))

    async def _retry(self) -> None:
        await self._exchange(0, self._ended("t 86400000 1"))

    async def _fall_due(self) -> None:
        jobs = [self._queue.bind("noop", delay=0.001) for _ in range(_BATCH)]
        await self._queue.enqueue_many(jobs)
        await asyncio.sleep(0.005)

    async def _forward(self) -> None:
        await self._exchange(0)

    async def _cancel(self) -> None:
        await self._queue.job(f"q{random.randrange(self._depth // 2, self._depth)}").cancel()

    async def _promote(self) -> None:
        # Each once: a second promotion of the same job is refused.
        self._promoted += 1
        await self._queue.job(f"s{self._promoted}").promote()

    async def _counts(self) -> None:
        await self._queue.counts()

    async def _page(self) -> None:
        await self._queue.jobs(JobState.QUEUED, limit=100)


async def _in_turn(bench: Bench, queues: dict[int, _Deep]) -> dict[int, dict[str, float]]:
    for queue in queues.values():
        await queue.fill()
    medians: dict[int, dict[str, float]] = {depth: {} for depth in queues}
    by_depth = {depth: queue.operations() for depth, queue in queues.items()}
    for name, (calls, *_) in next(iter(by_depth.values())).items():
        taken: dict[int, list[float]] = {depth: [] for depth in queues}
        for _ in range(calls):
            for depth, operations in by_depth.items():
                _, before, operation = operations[name]
                if before is not None:
                    await before()
                bench.redis.config_resetstat()
                await operation()
                stats: Any = bench.redis.info("commandstats")
                taken[depth].append(float(stats["cmdstat_evalsha"]["usec"]))
        for depth, times in taken.items():
            medians[depth][name] = round(statistics.median(times), 1)
    for queue in queues.values():
        await queue.close()
    return medians


async def _all_due(bench: Bench, jobs: int) -> dict[str, Any]:
    queue = Queue("bench", url=bench.url)

    @queue.task
    async def noop() -> None:
        return None

    due = datetime.now(UTC) + timedelta(seconds=5 + jobs / 20_000)
    for at in range(0, jobs, 10_000):
        calls = [noop.options(at=due).bind() for _ in range(min(10_000, jobs - at))]
        await queue.enqueue_many(calls)
    await asyncio.sleep(max(0.0, (due - datetime.now(UTC)).total_seconds()))
    bench.redis.config_set("slowlog-log-slower-than", 1000)
    bench.redis.slowlog_reset()
    start = time.perf_counter()
    async with Worker(queue, concurrency=100):
        while bench.redis.zcard("ajr:{bench}:scheduled"):
            await asyncio.sleep(0.05)
    seconds = time.perf_counter() - start
    slow = [entry["duration"] for entry in bench.redis.slowlog_get(128)]
    await queue.close()
    return {
        "due_at_once": jobs,
        "forwarded_per_second": round(jobs / seconds),
        "longest_script_ms": max(slow, default=0) / 1000,
        "scripts_over_5_ms": sum(taken > _LONG_US for taken in slow),
    }


def measure(bench: Bench) -> dict[str, Any]:
    """Measure this package."""
    bench.flush()
    depths = sorted({min(depth, bench.jobs or depth) for depth in _DEPTHS})
    microseconds = asyncio.run(_in_turn(bench, {depth: _Deep(bench, depth) for depth in depths}))
    shallow, deep = microseconds[depths[0]], microseconds[depths[-1]]
    bench.flush()
    return {
        "figures": {
            "server_us_a_call": microseconds,
            "times": {name: round(deep[name] / shallow[name], 2) for name in shallow},
            "all_due": asyncio.run(_all_due(bench, depths[-1])),
        }
    }


if __name__ == "__main__":
    main({"depth": measure}, __doc__)
