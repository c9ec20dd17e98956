"""Middleware carries a request id from the enqueue into the task, and times each attempt.

Prints at the end: mail for request r-1 in 2 attempts; dead: upload
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from typing import Any

from aiojobs_redis import BoundCall, Failure, Fixed, Job, JobContext, Queue, Worker, current_job

URL = os.environ.get("AIOJOBS_REDIS_URL", "embedded://")
request_id: ContextVar[str] = ContextVar("request_id", default="none")
attempts: list[str] = []
dead: list[str] = []


async def carry(
    calls: Sequence[BoundCall[Any]],
    call_next: Callable[[Sequence[BoundCall[Any]]], Awaitable[Sequence[Job[Any]]]],
) -> Sequence[Job[Any]]:
    return await call_next([call.with_headers({"request": request_id.get()}) for call in calls])


async def enter(job: JobContext, call_next: Callable[[JobContext], Awaitable[Any]]) -> Any:
    request_id.set(job.headers["request"])
    attempts.append(job.task)
    return await call_next(job)


def alert(failure: Failure) -> None:
    if failure.dead:
        dead.append(failure.job.task)


queue = Queue(
    "mail",
    URL,
    namespace=os.environ.get("EXAMPLE_NAMESPACE", "examples"),
    middleware=[carry],
)


@queue.task(backoff=Fixed(0.01))
async def mail() -> str:
    if current_job().attempt == 1:
        raise ConnectionError("try again")
    return f"mail for request {request_id.get()}"


@queue.task(attempts=1)
def upload() -> None:
    raise OSError("the disk is full")


async def main() -> None:
    request_id.set("r-1")
    async with queue:
        job = await mail.enqueue()
        await upload.enqueue()
        await Worker(queue, middleware=[enter], on_failure=alert).run(burst=True)
        print(f"{await job.result()} in {attempts.count('mail')} attempts; dead: {', '.join(dead)}")


asyncio.run(main())
