"""A monitor that follows what happens in a queue, leaves, and goes on where it left.

Prints at the end: enqueued started failed retrying drained due started completed; 1 dead
"""

from __future__ import annotations

import asyncio
import os

from aiojobs_redis import Fixed, Queue, Worker, current_job

URL = os.environ.get("AIOJOBS_REDIS_URL", "embedded://")
queue = Queue("orders", URL, namespace=os.environ.get("EXAMPLE_NAMESPACE", "examples"))


@queue.task(backoff=Fixed(0.01))
async def ship(order: int) -> int:
    if current_job().attempt == 1:
        raise ConnectionError("the carrier does not answer")
    return order


@queue.task(attempts=1)
async def bill(order: int) -> None:
    raise ValueError(f"order {order} has no address")


async def main() -> None:
    # Entering the block takes the place: nothing that is enqueued from now on is missed.
    async with queue, Worker(queue), queue.events() as events:
        job = await ship.enqueue(1)
        story: list[str] = []
        async for event in events:
            story.append(event.type)
            if event.type == "completed" and event.job == job.id:
                last = event.id  # what a monitor would write down
                break

        await bill.enqueue(2)
        dead = 0
        async for event in queue.events(since=last, types=["dead", "gap"]):
            if event.type == "gap":
                print("came too late: some events are missing")
                continue
            dead += 1
            info = await event.info()
            if info is not None:
                print(f"{event.task} {info.args} is dead: {info.errors[-1].message}")
            break
    print(f"{' '.join(story)}; {dead} dead")


asyncio.run(main())
