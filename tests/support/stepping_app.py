"""A short life whose jobs leave all that a job can, for a process that is killed.

Each leaves progress, a log, a state and steps, and all of them share a call that is made once. The
journal says what had an effect, and what a task knew to be recorded.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from aiojobs_redis import AiojobsError, Fixed, Queue, Worker, current_job

__all__ = ["JOBS", "NAME", "SHARED", "STEPS", "build", "live"]

NAME = "stepping"
JOBS = ("job-0", "job-1", "job-2")
STEPS = ("one", "two", "three")
SHARED = "shared"


def build(url: str, journal: Path) -> Queue:
    """Return the queue with its task, which fails once between the second step and the third."""
    queue = Queue(NAME, url=url, namespace="test")
    book = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def write(event: str, what: object) -> None:
        os.write(book, f"{event}\t{current_job().id}\t{what}\n".encode())

    async def effect(step: str) -> str:
        write("did", step)
        return step.upper()

    @queue.task(attempts=3, backoff=Fixed(0.01), lease=0.5)
    async def stepping() -> list[str]:
        job = current_job()
        write("began with", job.state.get("saved", 0))
        shared = await job.once(SHARED, effect, SHARED)
        write("past", SHARED)
        found = [shared]
        for number, step in enumerate(STEPS):
            found.append(await job.step(step, effect, step))
            write("past", step)
            await job.progress(number + 1, len(STEPS))
            # An attempt that is handed back, as from a busy machine, has the number of the next.
            await job.log(f"{step} of attempt {job.attempt} under {job.fencing_token}")
            if job.state.get("saved", 0) <= number:
                job.state["saved"] = number + 1
                await job.save()
                write("saved", number + 1)
            if number == 1 and "failed" not in job.state:
                job.state["failed"] = True
                raise ValueError("once")
        return found

    return queue


async def live(url: str, path: str, history: str) -> None:
    """Run the jobs, which are there, to their end.

    Args:
        url: The server.
        path: The journal.
        history: Folder for the history.
    """
    queue = build(url, Path(path))
    with queue.record_history(history):
        async with Worker(queue, concurrency=len(JOBS)):
            for name in JOBS:
                with contextlib.suppress(AiojobsError):
                    await queue.job(name).result(20)
    await queue.close()
