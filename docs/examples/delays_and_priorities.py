"""The higher priority starts first, equal ones in the order of their enqueue, delayed ones later.

Prints at the end: order: urgent, first, second, late
"""

from __future__ import annotations

import asyncio
import os

from aiojobs_redis import Queue, Worker

queue = Queue(
    "letters",
    os.environ.get("AIOJOBS_REDIS_URL", "embedded://"),
    namespace=os.environ.get("EXAMPLE_NAMESPACE", "examples"),
)
order: list[str] = []


@queue.task
async def deliver(letter: str) -> None:
    order.append(letter)


async def main() -> None:
    async with queue:
        jobs = await queue.enqueue_many(
            [
                deliver.options(delay=2, priority=100).bind("late"),
                deliver.bind("first"),
                deliver.bind("second"),
                deliver.options(priority=10).bind("urgent"),
            ]
        )
        # One at a time: with more, jobs would overlap.
        async with Worker(queue, concurrency=1):
            for job in jobs:
                await job.result(timeout=10)
    print(f"order: {', '.join(order)}")


asyncio.run(main())
