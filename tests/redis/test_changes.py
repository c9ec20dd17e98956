"""A job that waits gets other arguments, and keeps all else."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from typing import Any

import pytest

from aiojobs_redis import (
    ArgumentsInvalid,
    Job,
    JobInfo,
    JobNotFound,
    JobState,
    JobStateError,
    PayloadTooLarge,
    Queue,
    SignedCodec,
    Unique,
    Worker,
    current_job,
)
from aiojobs_redis.testing import run_until_idle
from tests.support.waiting import wait_until


async def info_of(job: Job[Any]) -> JobInfo:
    info = await job.info()
    assert info is not None
    return info


async def test_a_job_that_waits_gets_other_arguments_and_keeps_the_rest(server_url: str) -> None:
    ran: list[tuple[str, dict[str, str], int]] = []
    for codec in (None, SignedCodec({"a": b"k" * 32})):
        ran.clear()
        queue = Queue(f"q{uuid.uuid4().hex[:12]}", server_url, namespace="test", codec=codec)

        @queue.task(attempts=2, backoff=[3600])
        async def work(what: str) -> str:
            job = current_job()
            ran.append((what, dict(job.headers), job.attempt))
            if what == "fails":
                raise ValueError(what)
            return what

        first = await work.options(headers={"a": "b"}, priority=5, attempts=4).enqueue("old")
        later = await work.options(delay=3600).enqueue("old")
        unique = await work.options(unique=Unique("k", on_conflict="replace")).enqueue("old")
        blocked = await work.options(depends_on=[later]).enqueue("old")
        for job in (first, later, unique, blocked):
            before = await info_of(job)
            await job.change(work.bind("new"))
            assert await info_of(job) == replace(before, args=["new"])
        with pytest.raises(ArgumentsInvalid, match="is one of the task 'work', and the call one"):
            await first.change(queue.bind("other", "new"))
        with pytest.raises(PayloadTooLarge, match=r"the limit of queue .* is 1048576"):
            await first.change(work.bind("x" * 1_100_000))
        failing = await work.enqueue("fails")
        await run_until(queue, failing, JobState.RETRYING)
        await failing.change(work.bind("mended"))
        await run_until_idle(queue, scheduled=True)
        assert [await job.result() for job in (first, later, unique, blocked)] == ["new"] * 4
        assert await failing.result() == "mended"
        assert ("new", {"a": "b"}, 1) in ran
        assert ("mended", {}, 2) in ran
        assert not any(what == "old" for what, _, _ in ran)
        with pytest.raises(JobStateError, match="it is completed"):
            await first.change(work.bind("late"))
        with pytest.raises(JobNotFound):
            await queue.job("nobody").change(work.bind("new"))
        await queue.destroy()
        await queue.close()


async def run_until(queue: Queue, job: Job[Any], state: JobState) -> None:
    async def reached() -> bool:
        return await job.state() is state

    async with Worker(queue):
        await wait_until(reached, f"the job to be {state}", 10)


async def test_arguments_are_changed_whatever_happens_to_the_job_meanwhile(queue: Queue) -> None:
    @queue.task
    async def work(what: str) -> str:
        return what

    job = await work.enqueue("old")
    calls = [job.change(work.bind(f"{n}")) for n in range(10)]
    moves = [job.reprioritise(priority) for priority in range(10)]
    await asyncio.gather(*calls, *moves)
    info = await info_of(job)
    assert info.args[0] in {f"{n}" for n in range(10)}
    [lease] = await queue.claim()
    with pytest.raises(JobStateError, match="it is running"):
        await job.change(work.bind("late"))
    assert [*lease.args] == info.args
    await lease.complete("done")


async def test_other_arguments_find_nothing_of_what_was_done_with_the_old(queue: Queue) -> None:
    charged: list[str] = []
    keys: list[str] = []
    saw: list[dict[str, Any]] = []

    @queue.task(attempts=5, backoff=[3600])
    async def work(what: str) -> str:
        job = current_job()
        saw.append(dict(job.state))
        keys.append(job.idempotency_key("charge"))
        await job.progress(1, 2)
        await job.log(f"begins with {what}")
        job.state["about"] = what
        receipt = await job.step("charge", charge, what)
        if len(keys) < 3:
            raise ConnectionError("the carrier is away")
        return receipt

    async def charge(what: str) -> str:
        charged.append(what)
        return what

    job = await work.enqueue("old")
    await run_until(queue, job, JobState.RETRYING)
    await job.change(work.bind("old"))
    assert await job.steps() == {"charge": "old"}
    await job.promote()
    await run_until(queue, job, JobState.RETRYING)
    assert (charged, keys[0]) == (["old"], keys[1])

    await job.change(work.bind("new"))
    assert await job.steps() == {}
    assert await job.saved_state() == {}
    assert (await info_of(job)).progress is None
    assert len(await job.logs()) == 2
    await run_until_idle(queue, scheduled=True)

    assert await job.result() == "new"
    assert charged == ["old", "new"]
    assert saw == [{}, {"about": "old"}, {}]
    assert keys[2] not in keys[:2]
    await job.retry()
    await run_until_idle(queue)
    assert len({*keys}) == 3
