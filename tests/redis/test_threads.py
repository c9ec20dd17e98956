"""A queue in threads that have an event loop each, as a web framework without asyncio uses it."""

from __future__ import annotations

import asyncio
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

from aiojobs_redis import Queue

_THREADS = 8
_CALLS = 25


def test_threads_with_a_loop_for_each_call_lose_no_job(server_url: str) -> None:
    queue = Queue(f"threads-{uuid.uuid4().hex}", server_url)
    # Round by round: in each, all find the loops that the others have just closed.
    together = threading.Barrier(_THREADS)

    @queue.task
    async def noop() -> None: ...

    def call(_: int) -> list[str]:
        ids = []
        for _ in range(_CALLS):
            together.wait(30)
            ids.append(asyncio.run(noop.enqueue()).id)
        return ids

    with ThreadPoolExecutor(_THREADS) as threads:
        ids = [id for found in threads.map(call, range(_THREADS)) for id in found]
    assert len(set(ids)) == _THREADS * _CALLS

    async def end() -> int:
        async with queue:
            queued = (await queue.counts()).queued
            await queue.destroy(force=True)
            return queued

    assert asyncio.run(end()) == _THREADS * _CALLS
