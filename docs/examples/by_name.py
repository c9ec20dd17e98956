"""A producer that has no code of the task: it enqueues by name, and a worker elsewhere runs it.

The job waits as ``blocked`` while the only worker does not know the task, and goes on when one
does.

Prints at the end: blocked, then completed: 1 MiB
"""

from __future__ import annotations

import asyncio
import os

from aiojobs_redis import JobState, Queue, Worker

URL = os.environ.get("AIOJOBS_REDIS_URL", "embedded://")
NAMESPACE = os.environ.get("EXAMPLE_NAMESPACE", "examples")


def connect() -> Queue:
    return Queue("files", URL, namespace=NAMESPACE)


producer, old_worker, new_worker = connect(), connect(), connect()


@new_worker.task(name="files.describe")
async def describe(size: int) -> str:
    return f"{size // 2**20} MiB"


async def main() -> None:
    async with producer, old_worker, new_worker:
        # Options of the decorator are not known here: those that Redis enforces go with the call.
        job = await producer.enqueue("files.describe", 2**20, priority=5, keep_result=60)
        async with Worker(old_worker):
            while await job.state() != JobState.BLOCKED:  # noqa: ASYNC110 - another process decides
                await asyncio.sleep(0.01)
            async with Worker(new_worker):
                result = await job.result(timeout=10)
        print(f"blocked, then {await job.state()}: {result}")


asyncio.run(main())
