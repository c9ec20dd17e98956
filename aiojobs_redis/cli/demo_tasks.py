"""The application of the demo: its queue and its tasks."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiojobs_redis import Fixed, Queue, current_job

if TYPE_CHECKING:
    from datetime import datetime

    from aiojobs_redis import Task

__all__ = ["EVERY_TWO_SECONDS", "App", "Facts", "build_app"]

EVERY_TWO_SECONDS = "*/2 * * * * *"


@dataclass(frozen=True, slots=True)
class Facts:
    """What a job says of its file.

    Attributes:
        sha256: Digest, in hexadecimal.
        lines: Line ends in it.
        size: Bytes.
        order: Place of the job in the order of claims.
    """

    sha256: str
    lines: int
    size: int
    order: int


@dataclass(slots=True)
class App:
    """The queue, its tasks, and what the tasks leave behind in this process.

    Attributes:
        ticks: Instants for which the schedule ran its task.
        marks: `time.perf_counter` at the start of each probe.
    """

    queue: Queue
    measure: Task[[str], Facts]
    probe: Task[[], None]
    flaky: Task[[], int]
    broken: Task[[], None]
    ticks: list[datetime] = field(default_factory=list[Any])
    marks: list[float] = field(default_factory=list[float])


def build_app(queue: Queue) -> App:
    """Register the tasks with a queue."""

    @queue.task
    def measure(path: str) -> Facts:
        digest, lines, size = hashlib.sha256(), 0, 0
        with Path(path).open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
                lines += chunk.count(b"\n")
                size += len(chunk)
        return Facts(digest.hexdigest(), lines, size, current_job().fencing_token)

    @queue.task
    async def probe() -> None:
        app.marks.append(time.perf_counter())

    @queue.task(attempts=3, backoff=Fixed(0.3))
    async def flaky() -> int:
        attempt = current_job().attempt
        if attempt < 3:
            raise ConnectionError(f"attempt {attempt} fails on purpose")
        return attempt

    @queue.task(attempts=2, backoff=Fixed(0.3))
    async def broken() -> None:
        raise RuntimeError("this task always fails on purpose")

    # missed="all": also on a machine that stalls for seconds each tick makes its job.
    @queue.cron(EVERY_TWO_SECONDS, missed="all")
    async def tick() -> None:
        app.ticks.append(current_job().scheduled_for)

    app = App(queue, measure, probe, flaky, broken)
    return app
