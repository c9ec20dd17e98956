"""Each account has its payments booked one after the other, and all accounts at once.

Prints at the end: in order: True, at once: more than 1
"""

from __future__ import annotations

import asyncio
import os

from aiojobs_redis import Queue, Worker

queue = Queue(
    "bookings",
    os.environ.get("AIOJOBS_REDIS_URL", "embedded://"),
    namespace=os.environ.get("EXAMPLE_NAMESPACE", "examples"),
)
booked: dict[str, list[int]] = {"anna": [], "ben": [], "cleo": []}
running = most = 0


@queue.task
async def book(account: str, number: int) -> None:
    global running, most
    running += 1
    most = max(most, running)
    await asyncio.sleep(0.01)
    booked[account].append(number)
    running -= 1


async def main() -> None:
    async with queue:
        await queue.limit(concurrency=1, key="*")
        jobs = await queue.enqueue_many(
            [
                book.options(key=account).bind(account, number)
                for number in range(10)
                for account in booked
            ]
        )
        async with Worker(queue, concurrency=10):
            for job in jobs:
                await job.result(timeout=10)
    in_order = all(numbers == list(range(10)) for numbers in booked.values())
    print(f"in order: {in_order}, at once: {'more than 1' if most > 1 else most}")


asyncio.run(main())
