"""Rows are saved by one call for many jobs; the bad one fails alone.

Prints at the end: 7 jobs in 2 calls: 6 saved, 1 failed (ValueError: row 3 is empty)
"""

from __future__ import annotations

import asyncio
import os

from aiojobs_redis import JobFailed, Queue, Worker

queue = Queue(
    "rows",
    os.environ.get("AIOJOBS_REDIS_URL", "embedded://"),
    namespace=os.environ.get("EXAMPLE_NAMESPACE", "examples"),
)
calls: list[int] = []


@queue.batch_task(size=5, wait=0.5, attempts=1)
async def save(rows: list[tuple[int, str]]) -> list[Exception | None]:
    calls.append(len(rows))
    return [None if text else ValueError(f"row {number} is empty") for number, text in rows]


async def main() -> None:
    async with queue:
        texts = ["one", "two", "three", "", "five", "six", "seven"]
        jobs = await queue.enqueue_many([save.bind(row) for row in enumerate(texts)])
        saved, failed = 0, []
        async with Worker(queue, concurrency=20):
            for job in jobs:
                try:
                    await job.result(timeout=10)
                    saved += 1
                except JobFailed as error:
                    failed.append(f"{error.error_type}: {error.message}")
    print(
        f"{len(jobs)} jobs in {len(calls)} calls: {saved} saved, "
        f"{len(failed)} failed ({', '.join(failed)})"
    )


asyncio.run(main())
