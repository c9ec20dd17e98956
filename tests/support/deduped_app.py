"""A short life full of unique jobs, for a process that is killed in it: who comes after goes on.

Each of its calls asks for a key that others ask for too; what it was told is written to a journal.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from pathlib import Path

from aiojobs_redis import AiojobsError, Fixed, Job, Queue, Retry, Unique, Worker, current_job
from tests.support.lines import whole_lines
from tests.support.waiting import wait_until

__all__ = ["NAME", "build", "live", "told", "work_off"]

NAME = "deduped"
_ROUNDS = 3
ASKED = {
    "done": Unique("done"),
    "started": Unique("started", until="started"),
    "window": Unique("window", window=60, until="done"),
    "replace": Unique("replace", on_conflict="replace"),
    "follow": Unique("follow", on_conflict="follow"),
}


def build(url: str) -> Queue:
    """Return the queue with its task, whose first attempt fails now and then."""
    queue = Queue(NAME, url=url, namespace="test")

    @queue.task(backoff=Fixed(0.01), lease=0.5)
    async def work(key: str, number: int) -> int:
        await asyncio.sleep(0.005)
        if number % 2 and current_job().attempt == 1:
            raise Retry(delay=0.01)
        return number

    return queue


async def _round(queue: Queue, number: int) -> list[Job[int]]:
    task = queue.tasks["work"]
    calls = [
        task.options(unique=unique, delay=0.01 * (number % 2)).bind(name, number)
        for name, unique in ASKED.items()
        for _ in range(2)
    ]
    first = await asyncio.gather(*map(queue.enqueue_call, calls))
    return [*first, *await queue.enqueue_many(calls)]


async def live(url: str, folder: str) -> None:
    """Ask for each key again and again, and do the jobs."""
    queue = build(url)
    book = os.open(Path(folder) / "told", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    with queue.record_history(folder):
        async with Worker(queue, concurrency=4):
            for number in range(_ROUNDS):
                jobs = await _round(queue, number)
                line = json.dumps([job.id for job in jobs])
                os.write(book, f"{line}\n".encode())
                for job in jobs:
                    with contextlib.suppress(AiojobsError):
                        await job.result(20)
    await queue.close()


def told(folder: Path) -> set[str]:
    """Return the ids of the jobs of all calls that were answered."""
    book = folder / "told"
    lines = whole_lines(book) if book.exists() else []
    return {job for line in lines for job in json.loads(line)}


async def work_off(url: str, folder: Path) -> list[Job[int]]:
    """Ask once more, do all that is left, and return the jobs of the calls."""
    queue = build(url)

    async def ended() -> bool:
        return not (await queue.counts()).unfinished

    with queue.record_history(folder) as recorder:
        async with Worker(queue, concurrency=4):
            jobs = await _round(queue, 8)
            for job in jobs:
                await job.result(20)
            await wait_until(ended, "what other rounds have left to end", 20)
        recorder.mark("drained")
    await queue.close()
    return jobs
