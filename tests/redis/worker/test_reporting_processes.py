"""Jobs in processes of their own leave what any job can: their worker writes it for them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from aiojobs_redis import (
    EncryptedCodec,
    Fixed,
    JobCancelled,
    JobContext,
    JobFailed,
    JobState,
    Queue,
    Worker,
    current_job,
)
from tests.support import process_tasks
from tests.support.scripts import Scripts
from tests.support.stealing import steal
from tests.support.turns import turns
from tests.support.waiting import wait_until

Next: TypeAlias = Callable[[JobContext], Awaitable[Any]]

CODEC = EncryptedCodec({"k": b"k" * 32}, current="k")
on_one_server = turns("server_url")


@pytest.mark.requirement("B12")
async def test_a_job_in_a_process_reports(queue: Queue) -> None:
    report = queue.task(executor="process")(process_tasks.report)

    async with Worker(queue, processes=1):
        job = await report.enqueue(20_000)
        assert await job.result(60) == "1 of generation 1"
    progress, lines = await job.progress(), await job.logs()

    assert progress is not None
    assert progress.fraction == 1
    assert progress.note["pid"] != os.getpid()
    assert [line.text for line in lines] == [f"{number}" for number in range(500, 1_500)]


@pytest.mark.behaviour("T63")
async def test_a_step_in_a_process_runs_once_over_all_attempts(
    queue: Queue, tmp_path: Path
) -> None:
    fulfil = queue.task(executor="process", attempts=3, backoff=Fixed(0))(process_tasks.fulfil)
    book = tmp_path / "book"

    async with Worker(queue, processes=1):
        job = await fulfil.enqueue(7, str(book))
        assert await job.result(60) == ["Receipt", 5, "sent"]

    assert book.read_text().split() == [f"{job.id}:1:charge", "ship", "ship", "ship"]
    assert await job.steps() == {"charge": {"order": 7, "cents": 5}, "ship": "sent"}


async def test_the_state_of_a_job_in_a_process_survives_its_attempts(queue: Queue) -> None:
    count_on = queue.task(executor="process")(process_tasks.count_on)

    async with Worker(queue, processes=1):
        job = await count_on.enqueue(3)
        assert await job.result(60) == 4


async def test_a_state_is_that_of_a_job_in_a_process_and_of_its_middleware(queue: Queue) -> None:
    count_on = queue.task(executor="process", attempts=2, backoff=Fixed(0))(process_tasks.count_on)

    async def begin_and_fail(job: JobContext, call_next: Next) -> object:
        job.state.setdefault("round", 40)
        found = await call_next(job)
        assert job.state["round"] == found
        if job.attempt == 1:
            raise ConnectionError("what it did is not committed")
        return found

    async with Worker(queue, processes=1, middleware=[begin_and_fail]):
        job = await count_on.enqueue(0)
        assert await job.result(60) == 42


@on_one_server()
async def test_what_a_job_in_a_process_leaves_is_sealed(server_url: str, queue_name: str) -> None:
    queue = Queue(queue_name, url=server_url, namespace="test", codec=CODEC)
    count_on = queue.task(executor="process")(process_tasks.count_on)

    async with Worker(queue, processes=1):
        job = await count_on.enqueue(2)
        assert await job.result(60) == 3
        assert await job.saved_state() == {"round": 2}
    await queue.close()


async def test_a_job_in_a_process_saves_and_is_told_to_end(queue: Queue, tmp_path: Path) -> None:
    save = queue.task(executor="process")(process_tasks.save_and_wait)
    path = tmp_path / "path"

    async with Worker(queue, processes=1):
        job = await save.enqueue(str(path))
        await wait_until(path.exists, "the job to save", 60)
        assert await job.saved_state() == {"at": "saved"}, "seen while it runs"
        await job.cancel("enough")
        with pytest.raises(JobCancelled):
            await job.result(60)

    assert await job.saved_state() == {"at": "told"}, "what it left when it ended"


@pytest.mark.requirement("D20")
async def test_jobs_in_processes_share_a_call_with_all_others(queue: Queue, tmp_path: Path) -> None:
    share = queue.task(executor="process")(process_tasks.share)
    book = tmp_path / "book"

    async with Worker(queue, processes=2):
        jobs = [await share.enqueue(str(book)) for _ in range(4)]
        found = {await job.result(60) for job in jobs}

    assert len(found) == 1
    assert book.read_text() == "fetched\n"


@pytest.mark.requirement("D20")
@on_one_server()
@pytest.mark.parametrize("waiting", [False, True])
async def test_a_job_in_a_process_leaves_a_call_to_others(
    queue: Queue, tmp_path: Path, waiting: bool
) -> None:
    leave = queue.task(executor="process")(process_tasks.leave_once)
    begun, give_up = asyncio.Event(), asyncio.Event()

    async def fail() -> None:
        begun.set()
        await give_up.wait()
        raise ConnectionError("away")

    @queue.task(attempts=1)
    async def hold() -> None:
        await current_job().once("effect", fail)

    @queue.task
    async def make() -> str:
        return await current_job().once("effect", str)

    async with Worker(queue, processes=1):
        if waiting:
            held = await hold.enqueue()
            await asyncio.wait_for(begun.wait(), 10)
        job = await leave.enqueue(str(tmp_path / "left"), str(tmp_path / "gate"))
        await wait_until((tmp_path / "left").exists, "the call to be left", 30)
        if waiting:
            give_up.set()
            with pytest.raises(JobFailed, match="ConnectionError"):
                await held.result(10)
        assert await (await make.enqueue()).result(10) == ""
        assert await job.state() is JobState.RUNNING
        (tmp_path / "gate").touch()
        assert await job.result(10) == "went on without"


async def test_what_is_refused_in_a_process_is_what_is_refused_anywhere(queue: Queue) -> None:
    wrong = queue.task(executor="process")(process_tasks.go_wrong)

    async with Worker(queue, processes=1):
        told = await (await wrong.enqueue()).result(60)

    assert told == [
        *("PayloadTooLarge", "ConfigInvalid", "ArgumentsInvalid", "PayloadTooLarge"),
        *("ArgumentsInvalid", "free again"),
    ]


@pytest.mark.behaviour("F3", "T39")
async def test_a_process_that_has_lost_its_lease_records_no_step(
    queue: Queue, other: Scripts, tmp_path: Path
) -> None:
    outlive = queue.task(executor="process", lease=60)(process_tasks.outlive)
    path, gate = tmp_path / "path", tmp_path / "gate"

    async with Worker(queue, processes=1) as worker:
        job = await outlive.enqueue(str(path), str(gate))
        await wait_until(path.exists, "the job to run", 60)
        worker.pause()
        await steal(other, job.id)
        gate.touch()
        await wait_until(lambda: not worker.runs(), "the stale run to end", 30)

    assert await job.steps() == {}
