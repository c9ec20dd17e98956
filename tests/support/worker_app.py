"""The application of worker processes: ``python -m tests.support.worker_app URL QUEUE JOURNAL``.

What its tasks do is written to the journal, a file that all processes append to, one line an event:
``event job attempt lost fence pid seconds``. A line is one write, so processes do not mix theirs.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import logging
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiojobs_redis import Depends, JobContext, Queue, Worker, current_job, current_jobs
from aiojobs_redis.worker.heartbeat import Heartbeat
from tests.support import faketime
from tests.support.waiting import wait_until


def build(url: str, name: str, journal: str) -> Queue:
    """Return the queue with the tasks of the application."""
    queue = Queue(name, url=url, namespace="test")
    book = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(event: str, job: JobContext | None = None) -> None:
        job = job or current_job()
        fields = (event, job.id, job.attempt, job.lost_deliveries, job.fencing_token, os.getpid())
        os.write(book, (" ".join(map(str, fields)) + f" {time.monotonic()}\n").encode())

    @queue.task
    async def hold(gate: str) -> int:
        """Run until a file is there."""
        lost = current_job().lease_lost
        note("started")
        try:
            await wait_until(Path(gate).exists, "the gate to open", timeout=600)
        except asyncio.CancelledError:
            note("lost" if lost.is_set() else "cancelled")
            raise
        note("finished")
        return os.getpid()

    @queue.batch_task(size=4, wait=0.5, lease=1)
    async def hold_together(gates: list[str]) -> list[int]:
        """Run for some jobs at once until the file of the first one is there."""
        for job in current_jobs():
            note("started", job)
        await wait_until(Path(gates[0]).exists, "the gate to open", timeout=600)
        for job in current_jobs():
            note("finished", job)
        return [os.getpid()] * len(gates)

    @queue.task
    async def hold_own(folder: str) -> int:
        """Run until a file is there that has this process's id for a name."""
        return int(await hold(str(Path(folder) / str(os.getpid()))))

    @queue.task
    def hold_thread(gate: str) -> int:
        """Do the same in a thread."""
        note("started")
        while not Path(gate).exists():
            time.sleep(0.01)
        note("finished")
        return os.getpid()

    @queue.task
    async def nap(seconds: float) -> int:
        note("started")
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            note("cancelled")
            raise
        note("finished")
        return os.getpid()

    @queue.task
    async def block(seconds: float) -> int:
        """Sleep without letting the event loop go on."""
        note("started")
        time.sleep(seconds)
        note("finished")
        return os.getpid()

    @queue.task
    async def spin(seconds: float) -> int:
        """Compute, in Python, without letting the event loop go on."""
        note("started")
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pass
        note("finished")
        return os.getpid()

    @queue.task
    async def stick() -> int:
        """Never return, the first time."""
        note("started")
        while not current_job().lost_deliveries:
            time.sleep(0.1)
        note("finished")
        return os.getpid()

    @queue.task
    async def deaf(gate: str) -> int:
        """Ignore every cancellation until a file is there."""
        note("started")
        while not Path(gate).exists():
            try:
                await asyncio.sleep(0.05)
            except asyncio.CancelledError:
                note("cancelled")
        note("finished")
        return os.getpid()

    @queue.task
    async def crash() -> None:
        note("started")
        os._exit(13)

    @queue.task
    async def fault() -> None:
        """Read what is no memory, as a broken extension does."""
        note("started")
        ctypes.string_at(0)

    @queue.task
    async def brief() -> None:
        """Take 5 to 20 ms."""
        note("started")
        await asyncio.sleep(random.uniform(0.005, 0.02))
        note("finished")

    async def held(shared: Shared = Depends()) -> AsyncIterator[Shared]:
        note("opened")
        try:
            yield shared
        finally:
            note("closed")

    @queue.task
    async def within(seconds: float, shared: Shared = Depends(held)) -> int:
        """Sleep, with something open that the lifespan and a provider gave."""
        note("started")
        await asyncio.sleep(seconds)
        note("finished")
        return shared.pid

    return queue


class Shared:
    """What the jobs of a worker share."""

    def __init__(self) -> None:
        self.pid = os.getpid()


@asynccontextmanager
async def lifespan(_: Worker) -> AsyncIterator[Shared]:
    yield Shared()


async def passes(job: JobContext, call_next: Callable[[JobContext], Awaitable[Any]]) -> Any:
    """Be there, as middleware."""
    return await call_next(job)


def main() -> None:
    """Run a worker until it is told to stop by a signal."""
    faketime.obey()
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("queue")
    parser.add_argument("journal")
    parser.add_argument("--concurrency", type=int, default=10)
    parser.add_argument("--grace", type=float, default=25)
    parser.add_argument("--no-heartbeat", action="store_true", help="let leases run out")
    parser.add_argument("--middleware", action="store_true", help="put some around each attempt")
    parser.add_argument("--history", help="folder for the history of this process")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    queue = build(arguments.url, arguments.queue, arguments.journal)
    if arguments.no_heartbeat:
        Heartbeat._beat = lambda self: True  # type: ignore[method-assign]
    if arguments.history:
        queue.record_history(arguments.history)
    worker = Worker(
        queue,
        concurrency=arguments.concurrency,
        grace=arguments.grace,
        signals=True,
        lifespan=lifespan,
        middleware=[passes] if arguments.middleware else [],
    )
    asyncio.run(worker.run())


if __name__ == "__main__":
    main()
