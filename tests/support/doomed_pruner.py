"""A process that cancels what only one job of two queues waits for, to be killed while it does.

The letter of a job says of which queue it is. All but one are queued, or wait for others:

    a-last ── a-ended                  completed
           ── a-only ── b-deep         only for the one before it, as is each of those below
           ── b-only ── b-behind
           │         └─ a-behind
           └─ b-shared ── b-under      also for b-other
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aiojobs_redis import Job, JobState, Queue, Worker

__all__ = ["FLOW", "LAST", "NAMES", "UNNEEDED", "build", "live", "prepare", "queue_of", "states"]

NAMES = ("pruned", "beside")
LAST = "a-last"
FLOW: Mapping[str, Sequence[str]] = {
    "a-ended": (),
    "b-deep": (),
    "a-only": ("b-deep",),
    "b-behind": (),
    "a-behind": (),
    "b-only": ("b-behind", "a-behind"),
    "b-under": (),
    "b-shared": ("b-under",),
    "b-other": ("b-shared",),
    LAST: ("a-ended", "a-only", "b-only", "b-shared"),
}
"""By the id of each job those that it depends on; these stand before it."""
UNNEEDED = {"a-only", "b-deep", "b-only", "b-behind", "a-behind"}


def build(url: str) -> list[Queue]:
    """Return the queues with their task."""
    queues = [Queue(name, url=url, namespace="test") for name in NAMES]
    for queue in queues:

        @queue.task
        async def part() -> None: ...

    return queues


def queue_of(job: str, queues: Sequence[Queue]) -> Queue:
    """Return the queue of a job."""
    return queues[job.startswith("b-")]


async def prepare(url: str, folder: Path) -> None:
    """Let the queues be as every process finds them."""
    queues = build(url)
    recorders = [queue.record_history(folder / queue.name) for queue in queues]
    jobs: dict[str, Job[Any]] = {}
    for job, parents in FLOW.items():
        above = [jobs[parent] for parent in parents]
        queue = queue_of(job, queues)
        jobs[job] = await queue.enqueue("part", id=job, depends_on=above)
        if job == "a-ended":
            await Worker(queues[0]).run(burst=True)
    for recorder, queue in zip(recorders, queues, strict=True):
        recorder.close()
        await queue.close()


async def live(url: str, folder: str) -> None:
    """Make the one call."""
    queues = build(url)
    recorders = [queue.record_history(Path(folder, queue.name)) for queue in queues]
    await queues[0].job(LAST).remove_waiting_parents("not worth the wait")
    for recorder, queue in zip(recorders, queues, strict=True):
        recorder.close()
        await queue.close()


async def states(queues: Sequence[Queue]) -> dict[str, JobState | None]:
    """Return the state of each job of the flow."""
    found: dict[str, JobState | None] = {}
    for queue in queues:
        found |= await queue.states([job for job in FLOW if queue_of(job, queues) is queue])
    return found
