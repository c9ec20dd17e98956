"""Two workers, one cron schedule and one interval: each tick makes exactly one job.

Prints at the end: ... ticks, ... jobs, each tick once
"""

from __future__ import annotations

import asyncio
import os

from aiojobs_redis import Queue, Worker, current_job

queue = Queue(
    "clock",
    os.environ.get("AIOJOBS_REDIS_URL", "embedded://"),
    namespace=os.environ.get("EXAMPLE_NAMESPACE", "examples"),
)
ticks: list[str] = []
enough = asyncio.Event()


@queue.cron("* * * * * *")  # each second: the first of six fields is that of the seconds
async def each_second() -> None:
    note("each_second")


@queue.task
async def note_pulse() -> None:
    note("pulse")


def note(schedule: str) -> None:
    ticks.append(f"{schedule} {current_job().scheduled_for:%H:%M:%S.%f}")
    if len(ticks) >= 4:
        enough.set()


async def main() -> None:
    async with queue:
        await queue.schedule("pulse", note_pulse.bind(), every=1)
        async with Worker(queue), Worker(queue):
            await asyncio.wait_for(enough.wait(), timeout=10)
        for schedule in await queue.schedules():
            print(f"{schedule.id}: {schedule.expression}, {schedule.runs} jobs so far")
            await queue.unschedule(schedule.id)
    once = "once" if len(set(ticks)) == len(ticks) else "more than once"
    print(f"{len(set(ticks))} ticks, {len(ticks)} jobs, each tick {once}")


asyncio.run(main())
