"""A tenant that comes late does not wait for all the jobs of one that came before.

Prints at the end: small waited for 2 jobs of large at most: True
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
order: list[str] = []


@queue.task
async def render(tenant: str) -> None:
    order.append(tenant)


async def main() -> None:
    async with queue:
        large = [render.options(key="large").bind("large") for _ in range(500)]
        jobs = await queue.enqueue_many(large)
        jobs.append(await render.options(key="small").enqueue("small"))
        async with Worker(queue, concurrency=1):
            for job in jobs:
                await job.result(timeout=10)
    print(f"small waited for 2 jobs of large at most: {order.index('small') <= 2}")


asyncio.run(main())
