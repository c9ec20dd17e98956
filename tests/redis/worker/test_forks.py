"""A copy that a task forks ends where it leaves the task, and is neither worker nor process."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, cast

import pytest

from aiojobs_redis import Queue, Worker
from tests.support import forking_tasks
from tests.support.waiting import wait_until

# Python from 3.12 on says so wherever there are threads.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")

EXECUTORS: list[Any] = ["async", "thread", "process"]
Kind = Literal["async", "thread", "process"]


def forking(queue: Queue, name: str, executor: Kind) -> Any:
    """Register a task that forks."""
    function = getattr(forking_tasks, name + ("_later" if executor == "async" else ""))
    return queue.task(executor=executor, attempts=1)(function)


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(("how", "code"), [("return", 0), ("exit", 3), ("raise", 1)])
async def test_a_copy_ends_where_it_leaves_the_task(
    queue: Queue, executor: Kind, how: str, code: int
) -> None:
    fork = forking(queue, "fork_and_wait", executor)
    plain = queue.task(executor="process")(forking_tasks.plain)

    async with Worker(queue, processes=1):
        assert await (await fork.enqueue(how)).result(30) == code
        assert await (await plain.enqueue(7)).result(30) == 7


async def test_a_copy_of_a_process_has_no_lease(queue: Queue) -> None:
    fork = forking(queue, "fork_and_wait", "process")

    async with Worker(queue, processes=1):
        job = await fork.enqueue("report")
        assert await job.result(30) == 4
    assert await job.logs() == []


@pytest.mark.parametrize("executor", EXECUTORS)
async def test_what_a_copy_returns_later_is_no_result(
    queue: Queue, tmp_path: Path, executor: Kind
) -> None:
    fork = forking(queue, "leave_late", executor)
    plain = queue.task(executor="process")(forking_tasks.plain)

    async with Worker(queue, processes=1):
        assert await (await fork.enqueue(str(tmp_path))).result(30) == 1
        (tmp_path / "gate").touch()
        await wait_until((tmp_path / "left").exists, "the copy to return")
        jobs = await queue.enqueue_many([plain.bind(number) for number in range(20)])
        assert [cast("int", await job.result(30)) for job in jobs] == list(range(20))
