"""A task that fails twice and succeeds, and one that never does: its dead letter is replayed.

Prints at the end: saved on attempt 3; 1 dead letter, replayed: saved on attempt 1
"""

from __future__ import annotations

import asyncio
import os

from aiojobs_redis import Exponential, JobFailed, Queue, Worker, current_job

queue = Queue(
    "records",
    os.environ.get("AIOJOBS_REDIS_URL", "embedded://"),
    namespace=os.environ.get("EXAMPLE_NAMESPACE", "examples"),
)
disk_is_full = True


@queue.task(attempts=4, backoff=Exponential(base=0.05), fail_on=OSError)
async def save(record: str) -> str:
    attempt = current_job().attempt
    if record == "flaky" and attempt < 3:
        raise RuntimeError("try again")
    if record == "large" and disk_is_full:
        raise OSError("the disk is full")  # in fail_on: no further attempt
    return f"saved on attempt {attempt}"


async def main() -> None:
    global disk_is_full
    async with queue, Worker(queue):
        flaky = await save.enqueue("flaky")
        large = await save.enqueue("large")
        first = await flaky.result(timeout=10)
        try:
            await large.result(timeout=10)
        except JobFailed as error:
            print(f"dead: {error.error_type}: {error.message}")

        letters = await queue.dead_letters(error="OSError")
        disk_is_full = False
        await queue.replay_all(error="OSError")
        second = await large.result(timeout=10)
    print(f"{first}; {len(letters)} dead letter, replayed: {second}")


asyncio.run(main())
