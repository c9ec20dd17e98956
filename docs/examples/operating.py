"""A queue at work is operated: cancel, replay by filter, pause, remove, drain, clean.

Prints at the end: 2 completed jobs removed
"""

from __future__ import annotations

import asyncio
import os

from aiojobs_redis import JobCancelled, JobFailed, Queue, Worker, current_job

queue = Queue(
    "orders",
    os.environ.get("AIOJOBS_REDIS_URL", "embedded://"),
    namespace=os.environ.get("EXAMPLE_NAMESPACE", "examples"),
)
begun = asyncio.Event()
reachable = False


@queue.task
async def export(year: int) -> None:
    begun.set()
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        print(f"export of {year} cleans up: {current_job().cancel_reason}")
        raise


@queue.task(attempts=1)
async def notify(customer: str) -> str:
    if not reachable:
        raise ConnectionError("the mail server is away")
    return f"told {customer}"


async def main() -> None:
    global reachable
    async with queue, Worker(queue):
        # A running job is interrupted at once, by whichever worker has it.
        job = await export.enqueue(2024)
        await begun.wait()
        assert await job.cancel("asked for twice")
        try:
            await job.result(timeout=10)
        except JobCancelled as error:
            print(error)

        # Dead letters by task and error, once what they need is back.
        letters = [await notify.enqueue(name) for name in ("ada", "grace")]
        for letter in letters:
            try:
                await letter.result(timeout=10)
            except JobFailed as error:
                print(error)
        reachable = True
        assert await queue.replay_all(task="notify", error="ConnectionError") == 2
        print([await letter.result(timeout=10) for letter in letters])

        # While the queue is paused nothing starts; what waits can be removed.
        await queue.pause()
        waiting = [await notify.enqueue(f"customer {n}") for n in range(100)]
        await waiting[0].remove()
        print(await queue.drain(), "jobs drained")
        await queue.resume()

        print(await queue.clean("completed"), "completed jobs removed")


if __name__ == "__main__":
    asyncio.run(main())
