"""Does a job of high priority pass 100,000 queued ones?

High jobs are enqueued while a worker drains 100,000 low ones; how many low jobs were claimed
between Redis's acceptance of the high one and its claim, by the order of the event stream.
(Acceptance comes before the return of enqueue, so this is the stricter count.)
"""

from __future__ import annotations

import asyncio
from typing import Any

import redis.asyncio

from aiojobs_redis import Queue
from benchmarks.harness import OURS, Bench, main

__all__ = ["measure"]

_BACKLOG = 100_000
_HIGHS = 20


class _Order:
    """What Redis accepted and handed out, in its own order, from the queue's event stream."""

    def __init__(self, url: str) -> None:
        self._client = redis.asyncio.Redis.from_url(url)
        self._last: bytes = b"0"
        self._waiting: set[bytes] = set()
        self.seen = self.lower = 0

    @property
    def waiting(self) -> int:
        """High jobs that were accepted and not claimed."""
        return len(self._waiting)

    async def follow(self, high: set[bytes]) -> None:
        """Read on; ``lower`` counts claims of others while a high job waited."""
        found = await self._client.xread({"ajr:{bench}:events": self._last})
        for last, fields in found[0][1] if found else []:
            self._last = last
            for kind, packed in fields.items():
                self._note(kind.partition(b",")[0], packed, high)

    def _note(self, kind: bytes, packed: bytes, high: set[bytes]) -> None:
        # Other fields are of other kinds, or name the worker.
        if kind == b"enqueued":
            accepted = high.intersection(self._ids(packed))
            self._waiting |= accepted
            self.seen += len(accepted)
        for name in self._ids(packed) if kind == b"started" else ():
            self._waiting.discard(name)
            self.lower += len(self._waiting) if name not in high else 0

    async def close(self) -> None:
        await self._client.aclose()

    def _ids(self, packed: bytes) -> list[bytes]:
        ids = []
        while packed:
            size, _, rest = packed.partition(b":")
            ids.append(rest[: int(size)])
            packed = rest[int(size) :]
        return ids


async def _overtake(url: str, highs: int) -> dict[str, Any]:
    queue, order = Queue("bench", url=url), _Order(url)
    high: set[bytes] = set()
    backlog = 0
    for _ in range(highs):
        # The stream is bounded: read while it still has what matters.
        await order.follow(high)
        backlog = (await queue.counts()).queued
        # Its id is known before it is accepted, so no entry is read without it.
        name = f"high-{len(high)}"
        high.add(name.encode())
        await queue.enqueue("noop", id=name, priority=10)
        await asyncio.sleep(0.02)
    await order.follow(high)
    await order.close()
    await queue.close()
    return {
        "highs": order.seen,
        "highs_not_claimed": order.waiting,
        "lower_claimed_after_acceptance": order.lower,
        "backlog_at_the_last": backlog,
    }


def measure(bench: Bench) -> dict[str, Any]:
    """Measure this package."""
    bench.flush()
    backlog = bench.jobs or _BACKLOG
    bench.run(OURS, "fill", jobs=backlog)
    with bench.worker(OURS, concurrency=10):
        return {"figures": {**asyncio.run(_overtake(bench.url, _HIGHS)), "backlog": backlog}}


if __name__ == "__main__":
    main({"overtake": measure}, __doc__)
