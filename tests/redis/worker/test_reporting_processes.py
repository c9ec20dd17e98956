"""Jobs in processes of their own report too; what needs Redis they are told to do elsewhere."""

from __future__ import annotations

import os

import pytest

from aiojobs_redis import Queue, Worker
from tests.support import process_tasks


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


@pytest.mark.parametrize("server_url", ["valkey"], indirect=True)
async def test_a_job_in_a_process_keeps_no_state_and_takes_no_steps(queue: Queue) -> None:
    keep = queue.task(executor="process")(process_tasks.keep)

    async with Worker(queue, processes=1):
        told = await (await keep.enqueue()).result(60)

    assert [text.split(" here:")[0] for text in told] == [
        *("there is no state", "there is no step()", "there is no once()")
    ]
    assert all("Use executor='thread' or an async task" in text for text in told)
