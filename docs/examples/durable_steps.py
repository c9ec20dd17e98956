"""An order whose second step fails once: the first is not done again. Progress is seen meanwhile.

Prints at the end: charged 1 time, shipped after 2 attempts, progress 100 %, 3 lines of log
"""

from __future__ import annotations

import asyncio
import os

from aiojobs_redis import Queue, Worker, current_job

queue = Queue(
    "orders",
    os.environ.get("AIOJOBS_REDIS_URL", "embedded://"),
    namespace=os.environ.get("EXAMPLE_NAMESPACE", "examples"),
)
charges: list[str] = []


async def charge(order: int, key: str) -> str:
    charges.append(key)  # in life: a call to a payment service, with the key
    return f"receipt {order}"


async def ship(order: int) -> int:
    if current_job().attempt == 1:
        raise ConnectionError("the carrier is away")
    return current_job().attempt


@queue.task(attempts=3, backoff=[0.1])
async def fulfil(order: int) -> int:
    job = current_job()
    await job.progress(0, 2)
    receipt = await job.step("charge", charge, order, job.idempotency_key("charge"))
    await job.progress(1, 2, receipt)
    await job.log(f"attempt {job.attempt}: {receipt}")
    attempts = await job.step("ship", ship, order)
    await job.progress(2, 2)
    await job.log("shipped")
    return attempts


async def main() -> None:
    async with queue, Worker(queue):
        job = await fulfil.enqueue(7)
        attempts = await job.result(timeout=10)
        progress, log = await job.progress(), await job.logs()
    assert progress is not None
    assert progress.fraction is not None
    print(
        f"charged {len(charges)} time, shipped after {attempts} attempts, "
        f"progress {progress.fraction:.0%}, {len(log)} lines of log".replace("%", " %")
    )


asyncio.run(main())
