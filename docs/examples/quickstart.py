"""A queue, a task, a worker and a result, on a server that starts and ends with this program.

Prints at the end: 2 + 3 = 5
"""

from __future__ import annotations

import asyncio
import os

from aiojobs_redis import Queue, Worker

queue = Queue(
    "quickstart",
    os.environ.get("AIOJOBS_REDIS_URL", "embedded://"),
    namespace=os.environ.get("EXAMPLE_NAMESPACE", "examples"),
)


@queue.task
async def add(a: int, b: int) -> int:
    return a + b


async def main() -> None:
    async with queue, Worker(queue):
        job = await add.enqueue(2, 3)
        print(f"2 + 3 = {await job.result(timeout=10)}")


asyncio.run(main())
