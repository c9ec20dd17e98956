"""A worker with a lifespan: tasks share a database, and each attempt has a transaction of its own.

Prints at the end: opened, begin, roll back, begin, commit, closed: 1 order
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from aiojobs_redis import Depends, Fixed, Queue, Worker, current_job

URL = os.environ.get("AIOJOBS_REDIS_URL", "embedded://")
queue = Queue("orders", URL, namespace=os.environ.get("EXAMPLE_NAMESPACE", "examples"))
story: list[str] = []


@asynccontextmanager
async def lifespan(worker: Worker) -> AsyncIterator[sqlite3.Connection]:
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE orders (number INTEGER PRIMARY KEY)")
    story.append("opened")
    yield database
    database.close()
    story.append("closed")


def transaction(database: sqlite3.Connection = Depends()) -> Iterator[sqlite3.Connection]:
    story.append("begin")
    try:
        yield database
    except BaseException:
        database.rollback()
        story.append("roll back")
        raise
    database.commit()
    story.append("commit")


@queue.task(backoff=Fixed(0.01))
async def order(number: int, *, database: sqlite3.Connection = Depends(transaction)) -> int:
    database.execute("INSERT INTO orders VALUES (?)", (number,))
    if current_job().attempt == 1:
        raise ConnectionError("the stock does not answer")
    (count,) = database.execute("SELECT count(*) FROM orders").fetchone()
    return int(count)


async def main() -> None:
    async with queue:
        job = await order.enqueue(1)
        await Worker(queue, lifespan=lifespan).run(burst=True)
        print(f"{', '.join(story)}: {await job.result()} order")


asyncio.run(main())
