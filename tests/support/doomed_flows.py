"""A short life with flows, for a process that is killed in it: see `tests.support.doomed_app`.

It enqueues a join, a flow that fails and is retried, one that is cancelled as a whole, and a job
that enqueues others and waits for them, and runs them itself. Its history is recorded.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

from aiojobs_redis import (
    AiojobsError,
    BoundCall,
    Fail,
    FromParents,
    Queue,
    WaitFor,
    Worker,
    chain,
    group,
    join,
)
from tests.support.waiting import wait_until

__all__ = ["FLOWS", "NAME", "build", "live"]

NAME = "doomed"
FLOWS = {
    "sum": ("sum-0", "sum-1", "sum-2", "sum-3", "sum-4", "sum-5", "sum"),
    "broken": ("broken", "after-0", "after-1", "beside", "swept-0", "swept-1"),
    "off": ("off-0", "off-1", "off-2"),
    "asks": ("part-1", "part-2", "asks"),
}
"""The jobs of each flow, in the order in which they may run."""


def build(url: str, mended: Path) -> Queue:
    """Return the queue with its tasks; one of them fails until the file is there."""
    queue = Queue(NAME, url=url, namespace="test")

    @queue.task(lease=0.5, max_deliveries=100)
    async def part(number: int, before: FromParents[int] = ()) -> int:
        await asyncio.sleep(0.002)
        return number + sum(before)

    @queue.task(lease=0.5, attempts=1, max_deliveries=100)
    async def breaks() -> int:
        if not mended.exists():
            raise Fail("not yet")
        return 1

    @queue.task(lease=0.5, max_deliveries=100)
    async def asks(parts: FromParents[int] = ()) -> int:
        if not parts:
            calls = [
                queue.bind(part, n, id=f"part-{n}", lease=0.5, max_deliveries=100) for n in (1, 2)
            ]
            raise WaitFor(await queue.enqueue_many(calls))
        return sum(parts)

    return queue


async def live(url: str, folder: str) -> None:
    """Do everything once."""
    mended = Path(folder, "mended")
    queue = build(url, mended)
    recorder = queue.record_history(Path(folder, "history"))
    tasks = queue.tasks

    def part(id: str, number: int = 0, **options: Any) -> BoundCall[Any]:
        return queue.bind(tasks["part"], number, id=id, lease=0.5, max_deliveries=100, **options)

    sums = [chain(part(f"sum-{n}", n), part(f"sum-{n + 3}", 10)) for n in range(3)]
    broken = chain(
        queue.bind(tasks["breaks"], id="broken", lease=0.5, max_deliveries=100),
        group(
            chain(part("after-0"), part("after-1")),
            part("beside", on_parent_failure="run"),
            chain(part("swept-0", on_parent_failure="cancel"), part("swept-1")),
        ),
    )
    off = chain(part("off-0", delay=0.3), part("off-1"), part("off-2"))

    async def revived() -> bool:
        return await queue.job("after-1").state() != "dead"

    async with Worker(queue, concurrency=4):
        jobs = await queue.enqueue_flow(join(group(*sums), part("sum")))
        jobs += await queue.enqueue_flow(broken)
        jobs.append(await queue.enqueue("asks", id="asks", lease=0.5, max_deliveries=100))
        (*_, last) = await queue.enqueue_flow(off)
        await last.cancel_flow("not needed")
        for job in jobs:
            with contextlib.suppress(AiojobsError):
                await job.result(20)
        mended.touch()
        await queue.job("broken").retry()
        # Those that died of it are let run again by the worker's next exchange.
        await wait_until(revived, "the last of the flow to wait again", 20)
        await queue.job("after-1").result(20)
    recorder.close()
    await queue.close()
