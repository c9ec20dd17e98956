"""A burst of clicks is one job, and the next is added only when that one has ended.

Prints at the end: reports built: 2, clicks answered by a report that was on its way: 4
"""

from __future__ import annotations

import asyncio
import os

from aiojobs_redis import Queue, Worker

queue = Queue(
    "reports",
    os.environ.get("AIOJOBS_REDIS_URL", "embedded://"),
    namespace=os.environ.get("EXAMPLE_NAMESPACE", "examples"),
)


@queue.task(unique=True)
async def build(account: int) -> str:
    await asyncio.sleep(0.1)
    return f"report of {account}"


async def main() -> None:
    async with queue, Worker(queue):
        # Five users of one account click at the same moment.
        jobs = await asyncio.gather(*(build.enqueue(7) for _ in range(5)))
        results = [await job.result(timeout=10) for job in jobs]
        assert set(results) == {"report of 7"}
        later = await build.enqueue(7)
        await later.result(timeout=10)
    jobs.append(later)
    built = sum(job.created for job in jobs)
    met = len(jobs) - built
    print(f"reports built: {built}, clicks answered by a report that was on its way: {met}")


asyncio.run(main())
