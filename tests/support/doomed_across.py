"""A short life with flows over two queues, for a process that is killed in it.

It enqueues a flow over both, jobs that depend on one of the other queue, a flow that fails and is
retried, one that is cancelled as a whole, and a job that enqueues others, in both, and waits for
them; and runs them itself. Their histories are recorded.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aiojobs_redis import (
    AiojobsError,
    BoundCall,
    Fail,
    FromParents,
    JobState,
    Queue,
    WaitFor,
    Worker,
    chain,
    group,
    join,
)
from tests.support.waiting import wait_until

__all__ = ["FLOWS", "NAMES", "TOTAL", "build", "live", "unlike"]

NAMES = ("doomed", "other")
FLOWS = {
    "sum": ("a-0", "b-0", "b-1", "a-1", "sum"),
    "broken": ("b-broken", "a-after", "b-after", "a-beside"),
    "off": ("b-off", "a-off", "b-off-2"),
    "asks": ("a-part", "b-part", "asks"),
}
"""The jobs of each flow, in the order in which they may run; the letter is that of the queue."""
TOTAL = 1 + 2 + 3 + 4


def build(url: str, mended: Path) -> list[Queue]:
    """Return the queues with their tasks; one of these fails until the file is there."""
    queues = [Queue(name, url=url, namespace="test") for name in NAMES]
    for queue in queues:

        @queue.task(lease=0.5, max_deliveries=100)
        async def part(number: int, before: FromParents[int] = ()) -> int:
            await asyncio.sleep(0.002)
            return number + sum(before)

        @queue.task(lease=0.5, attempts=1, max_deliveries=100)
        async def breaks() -> int:
            if not mended.exists():
                raise Fail("not yet")
            return 1

    @queues[0].task(lease=0.5, max_deliveries=100)
    async def asks(parts: FromParents[int] = ()) -> int:
        if not parts:
            raise WaitFor(
                [
                    await queue_of(id, queues).enqueue(
                        "part", number, id=id, lease=0.5, max_deliveries=100
                    )
                    for id, number in (("b-part", 3), ("a-part", 7))
                ]
            )
        return sum(parts)

    return queues


def queue_of(job: str, queues: Sequence[Queue]) -> Queue:
    """Return the queue of a job."""
    return queues[job.startswith("b-")]


async def live(url: str, folder: str) -> None:
    """Do everything once."""
    mended = Path(folder, "mended")
    queues = build(url, mended)
    recorders = [queue.record_history(Path(folder, queue.name)) for queue in queues]

    def part(id: str, number: int = 0, **options: Any) -> BoundCall[Any]:
        queue = queue_of(id, queues)
        return queue.bind(
            queue.tasks["part"], number, id=id, lease=0.5, max_deliveries=100, **options
        )

    home, other = queues
    sums = group(chain(part("a-0", 1), part("b-0", 2)), chain(part("b-1", 3), part("a-1", 4)))
    off = chain(part("b-off", delay=0.3), part("a-off"), part("b-off-2"))
    async with Worker(home, concurrency=4), Worker(other, concurrency=4):
        jobs = await home.enqueue_flow(join(sums, part("sum")))
        broken = await other.enqueue_call(
            other.bind(other.tasks["breaks"], id="b-broken", lease=0.5, max_deliveries=100)
        )
        after = await home.enqueue_call(part("a-after", depends_on=[broken]))
        beside = await home.enqueue_call(
            part("a-beside", depends_on=[broken], on_parent_failure="run")
        )
        last = await other.enqueue_call(part("b-after", depends_on=[after]))
        asks = await home.enqueue("asks", id="asks", lease=0.5, max_deliveries=100)
        (*_, end) = await home.enqueue_flow(off)
        await end.cancel_flow("not needed")
        for job in (*jobs, asks, beside, last):
            with contextlib.suppress(AiojobsError):
                await job.result(20)
        mended.touch()
        await broken.retry()

        async def revived() -> bool:
            return await last.state() is not JobState.DEAD

        await wait_until(revived, "the last of the flow to wait again", 20)
        await last.result(20)
    for recorder in recorders:
        recorder.close()
    for queue in queues:
        await queue.close()


def unlike(states: Mapping[str, JobState | None]) -> list[str]:
    """Return what cannot be of these flows, each of which has ended."""
    ends = (JobState.COMPLETED, JobState.DEAD, JobState.CANCELLED)
    wrong = [f"{job} is {state}" for job, state in states.items() if state not in (None, *ends)]
    for flow in (FLOWS["sum"], FLOWS["off"]):
        there = {job: states[job] for job in flow if states[job] is not None}
        if len(there) < len(flow) and JobState.COMPLETED in there.values():
            wrong.append(f"only a part of {flow} was added, and it ran: {there}")
    if states["sum"] is not None and {states[job] for job in FLOWS["sum"]} != {JobState.COMPLETED}:
        wrong.append(f"the flow has not completed: {states}")
    if states["asks"] not in (None, JobState.COMPLETED):
        wrong.append(f"the job that asked for others is {states['asks']}")
    broken = states["b-broken"]
    wrong += [
        f"{job} is {states[job]}, and what it waited for {broken}"
        for job in ("a-after", "b-after")
        if states[job] not in (None, broken)
    ]
    if states["a-beside"] not in (None, JobState.COMPLETED):
        wrong.append(f"the job that runs all the same is {states['a-beside']}")
    return wrong
