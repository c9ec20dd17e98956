"""Three pages are fetched side by side, counted, and their counts are added up.

Prints at the end: 3 pages have ... words
"""

from __future__ import annotations

import asyncio
import os

from aiojobs_redis import FromParents, Queue, Worker, chain, group, join

queue = Queue("flow", namespace=os.environ.get("EXAMPLE_NAMESPACE", "ajr"))

PAGES = {"/": "hello world", "/about": "who we are", "/help": "ask us"}


@queue.task
async def fetch(path: str) -> str:
    return PAGES[path]


@queue.task
async def count(texts: FromParents[str] = ()) -> int:
    return len(" ".join(texts).split())


@queue.task
async def total(counts: FromParents[int] = ()) -> str:
    return f"{len(counts)} pages have {sum(counts)} words"


async def main() -> None:
    async with queue, Worker(queue):
        pages = group(*(chain(fetch.bind(path), count.bind()) for path in PAGES))
        jobs = await queue.enqueue_flow(join(pages, total.bind()))
        result = await jobs[-1].result(timeout=10)
        print(await jobs[-1].tree())
        print(result)


asyncio.run(main())
