"""What a history tells of unique jobs: those left out are not missed, those replaced are known."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from aiojobs_redis import JobState, Queue, Unique, Worker, check_history
from aiojobs_redis.history.events import Event, decode_event
from tests.support.waiting import wait_until

PAST = datetime(2000, 1, 1, tzinfo=UTC)


def events_of(folder: Path) -> list[Event]:
    return [decode_event(line) for p in folder.iterdir() for line in p.read_bytes().splitlines()]


async def test_jobs_that_were_left_out_are_not_missed(queue: Queue, tmp_path: Path) -> None:
    go_on, runs = asyncio.Event(), []

    @queue.task
    async def work(number: int) -> None:
        runs.append(number)
        await go_on.wait()

    follow = work.options(unique=Unique("k", on_conflict="follow"))
    with queue.record_history(tmp_path) as recorder:
        async with Worker(queue):
            kept = [await work.options(unique="once").enqueue(0) for _ in range(3)]
            first = await follow.enqueue(1)
            await wait_until(lambda: len(runs) == 2, "both to start", 10)
            later = await queue.enqueue_many([follow.bind(number) for number in range(2, 6)])
            go_on.set()
            for job in (*kept, first, *later):
                await job.result(10)
        recorder.mark("drained")

    report = check_history(tmp_path)
    assert report.violations == []
    assert (report.enqueued, report.completed) == (3, 3)
    causes = [event.cause for event in events_of(tmp_path) if event.op == "enqueue" and event.cause]
    assert causes.count("unique") == 5
    assert causes.count("replaced") == 3


async def test_a_job_that_was_given_an_expiry_later_is_not_lost(
    queue: Queue, tmp_path: Path
) -> None:
    unique = Unique("k", on_conflict="replace")
    with queue.record_history(tmp_path) as recorder:
        first = await queue.enqueue("work", unique=unique, keep_dead=0)
        again = await queue.enqueue("work", unique=unique, keep_dead=0, expires=PAST)
        assert again.id == first.id

        async def is_gone() -> bool:
            await queue.store.ask("exchange", "e" * 32, 1, "ab", "w", 5, 1, 0, 0, 0)
            return await first.state() is None

        await wait_until(is_gone, "it to expire", 10)
        recorder.mark("drained")

    assert check_history(tmp_path).violations == []
    assert await queue.jobs(JobState.DEAD) == []
