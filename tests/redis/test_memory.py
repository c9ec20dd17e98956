"""The queue in memory does, call for call, what one on a server does."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_redis import (
    AiojobsError,
    Job,
    JobInfo,
    Lease,
    Queue,
    Unique,
    Worker,
    current_job,
)

_PASSING = {"enqueued_at", "run_at", "started_at", "finished_at", "worker", "queue"}


def told(info: JobInfo | None) -> Any:
    """What of a record is the same in each run."""
    if info is None:
        return None
    fields = {name: getattr(info, name) for name in info.__slots__ if name not in _PASSING}
    said = info.progress and (info.progress.done, info.progress.total, info.progress.note)
    errors = [(error.type, error.message, error.attempt) for error in info.errors]
    return fields | {"progress": said, "errors": errors}


async def outcome(job: Job[Any]) -> Any:
    try:
        return await job.result(20)
    except AiojobsError as error:
        return type(error).__name__


async def life(queue: Queue) -> list[Any]:
    """Use about everything that a queue can do, and return what there was to see."""
    seen: list[Any] = []

    @queue.task(attempts=3, backoff=[0.01])
    async def work(what: str) -> str:
        job = current_job()
        await job.log(f"attempt {job.attempt}")
        await job.progress(job.attempt, 3, {"what": what})
        if what == "die" or (what == "flaky" and job.attempt < 3):
            raise ValueError(what)
        return await job.step("only", str.upper, what)

    @queue.task
    async def add(left: int, right: int = 0) -> int:
        parents = await current_job().parents()
        return left + right + sum(int(parent.result()) for parent in parents)

    # Order, ids and unique keys, seen through claims by hand.
    for number, priority in enumerate((0, 5, -5, 5, 0)):
        await queue.enqueue("by_hand", number, id=f"p{number}", priority=priority)
    for key in ("a", "a", "a", "b", "c"):
        await queue.enqueue("by_hand", key, key=key)
    twice = [await queue.enqueue("by_hand", 1, id="p1") for _ in range(2)]
    same = [await queue.enqueue("by_hand", n, unique=Unique("u", until="started")) for n in (1, 2)]
    seen += [[job.created for job in (*twice, *same)], same[0].id == same[1].id]
    await queue.enqueue("by_hand", id="late", delay=3600)
    await queue.job("late").reprioritise(9)
    seen.append(told(await queue.job("late").info()))
    await queue.job("late").promote()
    order: list[Lease] = []
    while leases := await queue.claim(4):
        order += leases
    seen.append([[*lease.args] for lease in order])
    for number, lease in enumerate(order[:3]):
        await lease.complete(number)
    seen.append([told(await lease.job.info()) for lease in order[:3]])
    await order[3].fail(ValueError("by hand"))
    for lease in order[4:]:
        await lease.release()
    seen += [await queue.drain(scheduled=True), await queue.clean("completed", limit=2)]

    # What a worker makes of jobs.
    await queue.limit(concurrency=1, key="*")
    jobs: list[Job[Any]]
    jobs = [await work.options(id=what).enqueue(what) for what in ("plain", "flaky", "die")]
    jobs += [await add.options(id=f"k{n}", key="k").enqueue(n) for n in range(3)]
    jobs += [await add.options(id="sum", depends_on=jobs[3:6]).enqueue(10, right=5)]
    jobs += [await add.options(id="orphan", depends_on=[jobs[2]]).enqueue(1)]
    jobs += [await add.options(id="stopped", delay=3600).enqueue(1)]
    seen.append(await jobs[-1].cancel("not needed"))
    async with Worker(queue, concurrency=4):
        seen += [await outcome(job) for job in jobs]
    seen += [told(await job.info()) for job in jobs]
    seen += [[line.text for line in await jobs[1].logs()], await jobs[1].steps()]
    await queue.replay("die")
    for wrong in (jobs[2].retry(), jobs[0].promote(), queue.job("nobody").remove()):
        try:
            await wrong
        except AiojobsError as error:
            seen.append(str(error).replace(queue.name, "q"))
    await jobs[2].remove()
    seen.append([await queue.pause(), await queue.pause(), await queue.resume()])
    counts = await queue.counts()
    seen.append([getattr(counts, name) for name in counts.__slots__ if name != "oldest_seconds"])
    kinds: dict[str, list[str]] = {name: [] for name in ("flaky", "die", "sum", "stopped")}
    async for event in queue.events(since="0-0"):
        # How often progress is told depends on the time that it takes.
        if event.job in kinds and event.type != "progress":
            kinds[event.job].append(event.type)
        if event.type == "resumed":
            break
    seen.append(kinds)
    await queue.destroy(force=True)
    return seen


@pytest.mark.requirement("D2")
@pytest.mark.requirement("P4")
async def test_what_there_is_to_see_is_the_same_in_memory_as_on_a_server(
    real_queue: Queue,
) -> None:
    memory = Queue(real_queue.name, url=f"memory://{real_queue.name}")

    on_server, in_memory = await life(real_queue), await life(memory)

    assert in_memory == on_server
    assert len(in_memory) > 30
    await memory.close()
