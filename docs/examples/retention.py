"""How long finished jobs are kept: by age of each job, and by number for the queue.

Prints at the end: kept: 3 completed, 2 dead, 0 cancelled
"""

from __future__ import annotations

import asyncio
import os

from aiojobs_redis import JobNotFound, JobOptions, Queue, Worker

queue = Queue(
    "reports",
    os.environ.get("AIOJOBS_REDIS_URL", "embedded://"),
    namespace=os.environ.get("EXAMPLE_NAMESPACE", "examples"),
    # For all jobs of the queue: a day for results, a year for dead letters.
    defaults=JobOptions(keep_result=86_400, keep_dead=365 * 86_400),
)


@queue.task
async def render(page: int) -> str:
    return f"page {page}"


@queue.task(keep_result=0)
async def ping() -> None:
    """Nobody asks for what became of it: nothing is kept."""


@queue.task(attempts=1)
async def upload(page: int) -> None:
    raise ConnectionError(f"no place for page {page}")


async def main() -> None:
    async with queue:
        # The queue keeps no more than these, the newest ones, whatever their age.
        await queue.keep(completed=3, dead=2)

        await queue.enqueue_many([render.bind(page) for page in range(10)])
        await queue.enqueue_many([upload.bind(page) for page in range(10)])
        pings = [await ping.enqueue() for _ in range(10)]
        dropped = await render.options(delay=3600, keep_cancelled=0).enqueue(11)
        assert await dropped.cancel()
        await Worker(queue).run(burst=True)

        try:
            await pings[0].result(timeout=0)
        except JobNotFound as error:
            print(error)
        # Kept for ever, and counted for no number, until it is removed.
        forever = await render.options(keep_result=None).enqueue(12)
        await Worker(queue).run(burst=True)
        print(await forever.result(timeout=0))
        await forever.remove()

        counts = await queue.counts()
        print(
            f"kept: {counts.completed} completed, {counts.dead} dead, {counts.cancelled} cancelled"
        )


if __name__ == "__main__":
    asyncio.run(main())
