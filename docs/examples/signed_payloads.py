"""Sign what a queue holds, change the key, and see that a forged job never runs.

    pip install 'aiojobs-redis[embedded]'
    python signed_payloads.py

Prints at the end: paid 40; forged jobs: 1 dead, PayloadRejected
"""

from __future__ import annotations

import asyncio
import os
import secrets

from aiojobs_redis import JobFailed, Queue, SignedCodec, Worker

URL = os.environ.get("AIOJOBS_REDIS_URL", "embedded://")
NAMESPACE = os.environ.get("EXAMPLE_NAMESPACE", "ajr")
OLD, NEW = secrets.token_bytes(32), secrets.token_bytes(32)

# While keys change: both open, the new one signs.
before = SignedCodec({"2026-10": OLD})
rotating = SignedCodec({"2026-10": OLD, "2026-11": NEW}, current="2026-11")

paid: list[int] = []


def payments(codec: SignedCodec | None) -> Queue:
    """Return the queue as a process with that codec sees it."""
    queue = Queue("payments", URL, namespace=NAMESPACE, codec=codec)

    @queue.task(attempts=1)
    async def pay(amount: int) -> int:
        paid.append(amount)
        return amount

    return queue


async def main() -> None:
    async with payments(before) as old, payments(rotating) as queue, payments(None) as forger:
        first = await old.enqueue("pay", 10)
        second = await queue.enqueue("pay", 30)
        # Somebody with access to Redis, but without a key.
        forged = await forger.enqueue("pay", 1_000_000)
        async with Worker(queue):
            for job in (first, second):
                await queue.job(job.id).result(10)
            try:
                await queue.job(forged.id).result(10)
            except JobFailed as error:
                print(error.error_type, error.message)
        dead = await queue.dead_letters(error="PayloadRejected")
        kinds = {info.errors[-1].type for info in dead}
        print(f"paid {sum(paid)}; forged jobs: {len(dead)} dead, {', '.join(kinds)}")


asyncio.run(main())
