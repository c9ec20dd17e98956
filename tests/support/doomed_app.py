"""A short life that uses whatever the package does, for a process that is killed in it.

It runs some thirty jobs beside a scheduler, a heartbeat and operators: bulk and single enqueue,
claim, completion, failure, retry, delay, cancel, promote, refusal, reschedule, replay, removal, a
batch, a tick, jobs that go first, and an orderly end.
`prepare` builds what it finds; the journal says what it was told and what it did.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiojobs_redis import (
    AiojobsError,
    BoundCall,
    Depends,
    Fail,
    Fixed,
    Job,
    JobContext,
    KeyFull,
    Queue,
    Unique,
    Worker,
    current_job,
    current_jobs,
)
from aiojobs_redis._redis.inspector import error_line
from tests.support.lines import whole_lines
from tests.support.scripts import Scripts

__all__ = ["ASKED", "DEAD", "NAME", "ORPHAN", "Journal", "build", "lifespan", "live", "prepare"]

NAME = "doomed"
ORPHAN = "orphan"
DEAD = ("dead-0", "dead-1", "dead-2")
ONLY = Unique("only", window=3600)
ASKED = 14 + 8 + 4 + len(DEAD) + len([ORPHAN]) + len(["tick", "trigger", "only-0", "gone"])
_SLOTS = 8


@dataclass(frozen=True)
class Journal:
    """What processes wrote down, read back.

    Attributes:
        told: Ids of jobs whose enqueue was acknowledged.
        starts: How often each attempt was started, by id, attempt, lost deliveries, and how often
            before its own worker had cut it off, as on a busy machine: that spends no attempt,
            and forgets the deliveries that were lost.
        lines: All that was written of a job, by id, with the token of the lease.
    """

    told: frozenset[str]
    starts: Counter[tuple[str, ...]]
    lines: Mapping[str, Sequence[Sequence[str]]]

    @classmethod
    def read(cls, path: Path) -> Journal:
        """Read the journal of one life and of who came after it."""
        lines = [line.split("\t") for line in whole_lines(path)]
        starts, cuts = Counter[tuple[str, ...]](), Counter[str]()
        for word, id, *rest in lines:
            cuts[id] += word == "cut off"
            starts[id, *rest[:2], str(cuts[id])] += word == "started"
        of = {id: [line for line in lines if line[1] == id] for _, id, *_ in lines}
        return cls(
            told=frozenset(id for word, id, *_ in lines if word == "told"),
            starts=+starts,
            lines=of,
        )


async def _passes(
    calls: Sequence[BoundCall[Any]],
    call_next: Callable[[Sequence[BoundCall[Any]]], Awaitable[Sequence[Job[Any]]]],
) -> Sequence[Job[Any]]:
    return await call_next([call.with_headers({"passed": "1"}) for call in calls])


@contextlib.asynccontextmanager
async def lifespan(worker: Worker) -> AsyncIterator[Queue]:
    yield worker.queues[0]


def build(url: str, journal: Path) -> Queue:
    """Return the queue with its tasks."""
    queue = Queue(NAME, url=url, namespace="test", middleware=[_passes], max_length_per_key=2)
    book = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def write(word: str, job: JobContext | None = None) -> None:
        job = job or current_job()
        line = f"{word}\t{job.id}\t{job.attempt}\t{job.lost_deliveries}\t{job.fencing_token}\n"
        os.write(book, line.encode())

    def started() -> int:
        write("started")
        return current_job().attempt

    @queue.task
    async def quick() -> None:
        started()
        await asyncio.sleep(0.001)

    @queue.task(attempts=2, backoff=Fixed(0.01))
    async def flaky(_: Queue = Depends()) -> None:
        if started() == 1:
            raise ValueError("not yet")

    @queue.task
    async def failing() -> None:
        started()
        raise Fail("never")

    @queue.task(lease=1)
    async def slow() -> None:
        started()
        try:
            await current_job().extend(1)
            # Long enough for its lease to be renewed.
            await asyncio.sleep(0.5)
        except asyncio.CancelledError:
            write("cut off")
            raise

    @queue.batch_task(size=3, wait=0.02, attempts=2, backoff=Fixed(0.01))
    async def together(numbers: list[int]) -> list[int | Exception]:
        jobs = current_jobs()
        for job in jobs:
            write("started", job)
        # The first of each four fails once; the others of its batch do not.
        failed = [n == 0 and job.attempt == 1 for n, job in zip(numbers, jobs, strict=True)]
        return [ValueError() if bad else n for bad, n in zip(failed, numbers, strict=True)]

    return queue


async def prepare(scripts: Scripts, queue: Queue) -> None:
    """Build a queue with dead jobs, one whose worker died with it, and a schedule that is due."""
    await queue.enqueue_many([queue.bind("quick", id=id) for id in (*DEAD, ORPHAN)])
    claims = {claim.id.decode(): claim for claim in await scripts.claim()}
    reason = error_line("Fail", "before")
    ends = [scripts.ended(claims[id], "d", value=reason) for id in DEAD]
    # The nonce of the claims, which a new exchange would replace, is in `ends` already.
    await scripts.exchange(*ends)
    await queue.schedule("pulse", queue.bind("quick"), every=3600)
    await scripts.raw.zadd(scripts.key("ticks"), {"pulse": await scripts.now() - 100})
    await scripts.expire_lease(ORPHAN)


async def live(
    url: str, path: str, history: str = "", hear: Callable[[Sequence[str]], object] = lambda _: None
) -> None:
    """Do everything once.

    Args:
        url: The server.
        path: The journal.
        history: Folder for the history, empty for none.
        hear: Told of jobs at the moment at which they are acknowledged.
    """
    journal = Path(path)
    queue = build(url, journal)
    if history:
        queue.record_history(history)
    book = os.open(journal, os.O_WRONLY | os.O_APPEND)

    def told(*ids: str) -> None:
        hear(ids)
        os.write(book, "".join(f"told\t{id}\n" for id in ids).encode())

    bulk = [queue.bind("quick", id=f"bulk-{n}", priority=n % 3, lifo=n > 8) for n in range(12)]
    # The second one goes first.
    bulk += [queue.bind("quick", id=f"high-{n}", key="high", key_priority=n) for n in range(2)]
    parts = [
        queue.bind("flaky", id="flaky"),
        queue.bind("failing", id="failing"),
        queue.bind("slow", id="slow"),
        # The second one is kept out.
        *(queue.bind("quick", id=f"only-{n}", unique=ONLY) for n in range(2)),
        *(
            queue.bind("quick", id=f"many-{n}", delay=60, key="many", key_priority=n)
            for n in range(2)
        ),
        *(queue.bind("quick", id=f"late-{n}", delay=60) for n in range(3)),
    ]
    async with Worker(queue, concurrency=_SLOTS, lifespan=lifespan, on_failure=lambda _: None):
        jobs = await queue.enqueue_many(bulk)
        batch = [queue.bind("together", n, id=f"together-{n}") for n in range(4)]
        jobs += await queue.enqueue_many(batch)
        told(*(job.id for job in jobs))
        for call in parts:
            jobs.append(await queue.enqueue_call(call))
            told(jobs[-1].id)
        cancelled, promoted, moved = jobs[-3:]
        await cancelled.cancel("not needed")
        await moved.reprioritise(7)
        await moved.reschedule(delay=0.02)
        gone = await queue.enqueue("quick", id="gone", delay=60)
        await gone.remove()
        with contextlib.suppress(KeyFull):
            await queue.enqueue("quick", id="refused", key="many")
        await promoted.promote()
        await queue.promote_all(key="many")
        await queue.replay(DEAD[0])
        await queue.replay_all(task="quick")
        triggered = await queue.trigger("pulse")
        assert triggered is not None
        told(triggered.id)
        for job in (*jobs, *map(queue.job, DEAD), triggered):
            with contextlib.suppress(AiojobsError):
                await job.result(20)
    await queue.close()
