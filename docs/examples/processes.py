"""A function that computes runs in a process, a timeout ends it, and one that dies is told of.

What it has done before it failed is not done again.
Prints at the end: 4 primes below 10; TimeoutError; ProcessDied; page 7 sent in attempt 2
"""

from __future__ import annotations

import asyncio
import os

from aiojobs_redis import JobFailed, Queue, Worker, current_job

queue = Queue(
    "numbers",
    os.environ.get("AIOJOBS_REDIS_URL", "embedded://"),
    namespace=os.environ.get("EXAMPLE_NAMESPACE", "examples"),
)


@queue.task(executor="process", attempts=1, timeout=1)
def primes(limit: int) -> int:
    return sum(all(n % d for d in range(2, n)) for n in range(2, limit))


@queue.task(executor="process", attempts=1)
def crash() -> None:
    os.abort()  # as a broken extension does


def draw(page: int) -> str:
    print(f"page {page} is drawn, once")
    return f"page {page}"


@queue.task(executor="process", attempts=2, backoff=[0])
def render(page: int) -> str:
    job = current_job()
    picture = asyncio.run(job.step("draw", draw, page))
    if job.attempt == 1:
        raise ConnectionError("the printer is away")
    return f"{picture} sent in attempt {job.attempt}"


async def error_of(task: str, *args: int) -> str:
    try:
        await (await queue.enqueue(task, *args)).result(timeout=30)
    except JobFailed as error:
        print(f"{task}: {error.error_type}: {error.message}")
        return error.error_type
    return "none"


async def main() -> None:
    async with queue, Worker(queue, processes=2):
        count = await (await primes.enqueue(10)).result(timeout=30)
        sent = await (await render.enqueue(7)).result(timeout=30)
        slow, broken = await asyncio.gather(error_of("primes", 10**9), error_of("crash"))
    print(f"{count} primes below 10; {slow}; {broken}; {sent}")


if __name__ == "__main__":
    asyncio.run(main())
