"""The course of the demo: fill the queue, run a worker, probe it when idle, stop.

The jobs are all queued before the worker starts, so that its order of claims can be checked.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiojobs_redis import Worker
from aiojobs_redis.cli.exits import Failure

if TYPE_CHECKING:
    from aiojobs_redis import Job, JobInfo, ScheduleInfo
    from aiojobs_redis.cli.demo_files import Files
    from aiojobs_redis.cli.demo_tasks import App, Facts
    from aiojobs_redis.cli.demo_view import View

__all__ = ["CONCURRENCY", "FEWEST_TICKS", "Course", "FileJob", "run_demo"]

CONCURRENCY = 10
FEWEST_TICKS = 3

_DELAY_EVERY = 50
_DELAYS = (0.5, 1.0, 1.5, 2.0)
_PROBES = 200
_LOOK = 0.05
_LIMIT = 120.0


@dataclass(slots=True)
class FileJob:
    """The job of one file.

    Attributes:
        path: The file.
        priority: The smaller the file, the higher.
        delay: Seconds for which the job was put off; 0 for most.
        job: Its handle.
        facts: What it returned.
    """

    path: str
    priority: int
    delay: float
    job: Job[Facts]
    facts: Facts


@dataclass(slots=True)
class Course:
    """What happened, for the checks.

    Attributes:
        files: The jobs of files.
        infos: Record of each job by its id.
        flaky: Id of the job that fails twice.
        enqueue_seconds: How long it took to add the jobs of files.
        latencies: Seconds from the call of enqueue to the start of the task, a probe each.
        schedule: The schedule, paused, at the end.
        tick_jobs: Jobs that the schedule has made.
        dead: Dead letters.
    """

    files: list[FileJob] = field(default_factory=list[FileJob])
    infos: dict[str, JobInfo] = field(default_factory=dict[str, "JobInfo"])
    flaky: str = ""
    enqueue_seconds: float = 0.0
    latencies: list[float] = field(default_factory=list[float])
    schedule: ScheduleInfo | None = None
    tick_jobs: list[JobInfo] = field(default_factory=list["JobInfo"])
    dead: list[JobInfo] = field(default_factory=list["JobInfo"])


async def run_demo(app: App, files: Files, view: View) -> Course:
    """Run the demo and return what happened.

    Raises:
        Failure: It has not come to its end within two minutes.
    """
    try:
        async with asyncio.timeout(_LIMIT):
            return await _run(app, files, view)
    except TimeoutError:
        counts = await app.queue.counts()
        raise Failure(f"not finished after {_LIMIT:.0f} s: {counts}") from None


async def _run(app: App, files: Files, view: View) -> Course:
    queue, course = app.queue, Course()
    # Ranks of size fill the range of priorities.
    by_size = sorted(files.sizes, key=files.sizes.__getitem__)
    plans = [
        (path, 1000 - 2000 * rank // len(by_size), _delay(rank))
        for rank, path in enumerate(by_size)
    ]
    began = time.perf_counter()
    calls = [
        app.measure.options(priority=priority, delay=delay).bind(path)
        for path, priority, delay in plans
    ]
    jobs = await queue.enqueue_many(calls)
    course.enqueue_seconds = time.perf_counter() - began
    course.flaky = (await app.flaky.enqueue()).id
    await app.broken.enqueue()
    async with Worker(queue, concurrency=CONCURRENCY, app="demo"):
        with view:
            await _finish(app, view)
        for _ in range(_PROBES):
            began = time.perf_counter()
            probe = await app.probe.enqueue()
            await probe.result()
            course.latencies.append(app.marks[-1] - began)
        # After this no tick comes any more, and those that were due have become jobs.
        await queue.pause_schedule("tick")
        await _finish(app)
    for (path, priority, delay), job in zip(plans, jobs, strict=True):
        course.files.append(FileJob(path, priority, delay, job, await job.result()))
    ids = [job.id for job in jobs] + [course.flaky]
    course.infos = {info.id: info for info in await queue.infos(ids)}
    (course.schedule,) = await queue.schedules()
    course.tick_jobs = await queue.jobs("completed", task="tick", limit=1000)
    course.dead = await queue.dead_letters()
    return course


def _delay(rank: int) -> float:
    return _DELAYS[rank // _DELAY_EVERY % len(_DELAYS)] if rank % _DELAY_EVERY == 0 else 0.0


async def _finish(app: App, view: View | None = None) -> None:
    """Wait until no job is unfinished and the schedule has ticked often enough."""
    while True:
        counts = await app.queue.counts()
        if view is not None:
            view.update(counts, len(app.ticks))
        if not counts.unfinished and len(app.ticks) >= FEWEST_TICKS:
            return
        await asyncio.sleep(_LOOK)
