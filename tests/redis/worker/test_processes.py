"""CPU-bound tasks run in processes: each holds one job, and takes only that one along."""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from aiojobs_redis import (
    ConfigInvalid,
    Fixed,
    JobCancelled,
    JobFailed,
    JobState,
    Queue,
    ResultTooLarge,
    Worker,
)
from aiojobs_redis.worker.place import Place
from aiojobs_redis.worker.process import Process
from tests.support import process_tasks
from tests.support.servers import wanted_servers
from tests.support.turns import turns
from tests.support.waiting import wait_for, wait_until

# What is asked is the worker's business: for most one kind of server is enough, now this, now that.
on_one_server = turns("server_url", "memory")


def in_turn_on_each_server(
    names: tuple[str, ...], cases: list[tuple[str, ...]]
) -> pytest.MarkDecorator:
    """Return what gives a test its cases, each on the next kind of server."""
    servers = itertools.cycle([*wanted_servers(), "memory"])
    values = [(next(servers), *case) for case in cases]
    return pytest.mark.parametrize(("server_url", *names), values, indirect=["server_url"])


def gone(pid: int) -> bool:
    """Whether a process has ended, and is no zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def pid_in(path: Path) -> int:
    """Wait for a job to say in which process it runs."""
    await wait_until(lambda: path.exists() and path.read_text(), "the job to run", 30)
    return int(path.read_text())


async def test_a_task_runs_in_processes_of_its_own(queue: Queue) -> None:
    square = queue.task(executor="process")(process_tasks.square)
    later = queue.task(executor="process")(process_tasks.square_later)

    async with Worker(queue, processes=1):
        first, pid = await (await square.enqueue(3)).result(30)
        second, same = await (await square.enqueue(4)).result(30)
        assert await (await later.enqueue(5)).result(30) == 25

    assert (first, second) == (9, 16)
    assert pid == same != os.getpid()
    assert gone(pid)


@on_one_server()
async def test_no_more_processes_than_the_limit_run_at_once(queue: Queue) -> None:
    square = queue.task(executor="process")(process_tasks.square)
    jobs = await queue.enqueue_many([square.bind(number) for number in range(40)])

    async with Worker(queue, processes=2, concurrency=20):
        results = [await job.result(60) for job in jobs]

    assert [value for value, _ in results] == [number**2 for number in range(40)]
    assert 1 <= len({pid for _, pid in results}) <= 2


@on_one_server()
async def test_a_process_is_replaced_after_its_share_of_jobs(queue: Queue) -> None:
    square = queue.task(executor="process")(process_tasks.square)

    async with Worker(queue, processes=1, jobs_per_process=2):
        pids = [(await (await square.enqueue(1)).result(30))[1] for _ in range(4)]

    assert pids[0] == pids[1] != pids[2] == pids[3]
    assert all(map(gone, pids))


def test_a_process_outlives_the_thread_that_started_it() -> None:
    def place(function: str) -> Place:
        return Place(process_tasks.__name__, "", function)

    loop = asyncio.new_event_loop()
    with ThreadPoolExecutor(1) as thread:
        process = thread.submit(loop.run_until_complete, Process.start()).result(60)
        # When it has answered, it has seen to its end.
        thread.submit(loop.run_until_complete, process.load(place("square"))).result(60)
        number = thread.submit(threading.get_native_id).result()
    wait_for(lambda: not Path(f"/proc/self/task/{number}").exists(), "the thread to be gone")
    try:
        loop.run_until_complete(process.load(place("echo")))
    finally:
        loop.run_until_complete(process.kill())
        loop.close()


@on_one_server()
async def test_what_a_job_sets_in_its_context_no_other_job_sees(queue: Queue) -> None:
    swap = queue.task(executor="process")(process_tasks.swap_tenant)
    later = queue.task(executor="process")(process_tasks.swap_tenant_later)

    async with Worker(queue, processes=1):
        seen = [
            await (await task.enqueue(name)).result(30)
            for name, task in (("ada", swap), ("bob", later), ("eve", swap), ("joe", later))
        ]

    assert seen == ["nobody"] * 4


@pytest.mark.requirement("D30")
@on_one_server()
async def test_the_current_job_is_known_inside_a_process(queue: Queue) -> None:
    ask = queue.task(executor="process")(process_tasks.ask)

    async with Worker(queue):
        job = await ask.options(headers={"trace": "abc"}).enqueue()
        said = await job.result(30)

    info = await job.info()
    assert info is not None
    assert info.enqueued_at is not None
    assert isinstance(said.pop("fence"), int)
    assert said == {
        "id": job.id,
        "task": "ask",
        "queue": queue.name,
        "attempt": 1,
        "headers": {"trace": "abc"},
        "cancelled": False,
        "enqueued": info.enqueued_at.timestamp(),
    }


@pytest.mark.requirement("U13")
@in_turn_on_each_server(
    ("how", "what"),
    [
        ("SIGKILL", "was killed by signal 9 (SIGKILL)"),
        ("segfault", "was killed by signal 11 (SIGSEGV)"),
        ("exit", "ended with exit code 7 in the middle of it"),
    ],
)
async def test_a_process_that_dies_fails_its_own_attempt_only(
    queue: Queue, how: str, what: str, tmp_path: Path
) -> None:
    die = queue.task(executor="process", attempts=2, backoff=Fixed(0))(process_tasks.die)
    other = queue.task(executor="process")(process_tasks.wait_for)
    square = queue.task(executor="process")(process_tasks.square)

    async with Worker(queue, processes=2):
        neighbour = await other.enqueue(str(tmp_path / "pid"), str(tmp_path / "gate"))
        pid = await pid_in(tmp_path / "pid")
        job = await die.enqueue(how)
        with pytest.raises(JobFailed) as caught:
            await job.result(30)
        assert not gone(pid)
        (tmp_path / "gate").touch()
        await neighbour.result(30)
        assert (await (await square.enqueue(2)).result(30))[0] == 4

    info = await job.info()
    assert info is not None
    assert [(error.type, error.message) for error in info.errors] == [
        ("ProcessDied", f"the process of the attempt {what}")
    ] * 2
    assert caught.value.error_type == "ProcessDied"
    assert info.lost_deliveries == 0


@pytest.mark.requirement("B10")
async def test_a_timeout_ends_the_process(queue: Queue, tmp_path: Path) -> None:
    busy = queue.task(executor="process", attempts=1, timeout=0.3)(process_tasks.say_and_wait)

    async with Worker(queue, processes=1):
        job = await busy.enqueue(str(tmp_path / "pid"), 60)
        pid = await pid_in(tmp_path / "pid")
        with pytest.raises(JobFailed, match=r"TimeoutError: the attempt ran longer than 0\.3 s"):
            await job.result(30)
        assert gone(pid)
        # Neither its start nor the import of its module takes time of the next one.
        await (await busy.enqueue(str(tmp_path / "next"), 0)).result(30)


@on_one_server()
async def test_what_waits_for_a_process_does_not_time_out(queue: Queue, tmp_path: Path) -> None:
    busy = queue.task(executor="process", attempts=1)(process_tasks.say_and_wait)

    held = queue.task(executor="process", attempts=1)(process_tasks.wait_for)

    async with Worker(queue, processes=1, concurrency=2):
        long = await held.enqueue(str(tmp_path / "long"), str(tmp_path / "gate"))
        await pid_in(tmp_path / "long")
        waiting = await busy.options(timeout=0.5).enqueue(str(tmp_path / "short"), 0)
        await wait_until(lambda: running(queue, 2), "both to be running")
        began = time.monotonic()
        await wait_until(lambda: time.monotonic() > began + 0.7, "the timeout to be over")
        (tmp_path / "gate").touch()
        await waiting.result(30)
        await long.result(30)


async def running(queue: Queue, count: int) -> bool:
    return (await queue.counts()).running == count


@pytest.mark.requirement("P10")
@in_turn_on_each_server(
    ("name",), [("say_and_wait",), ("give_up_when_told",), ("hold_with_a_child",)]
)
async def test_a_cancelled_job_has_its_process_ended(
    queue: Queue, name: str, tmp_path: Path
) -> None:
    arguments = [60] if name == "say_and_wait" else []
    # A short lease is renewed often, and a renewal tells of the cancellation.
    task: Any = queue.task(executor="process", lease=2)(getattr(process_tasks, name))

    async with Worker(queue, processes=1):
        job = await task.enqueue(str(tmp_path / "pid"), *arguments)
        pid = await pid_in(tmp_path / "pid")
        assert await job.cancel("no use")
        with pytest.raises(JobCancelled, match="no use"):
            await job.result(30)
        told = (tmp_path / "pid.told").exists()
        assert told == (name == "give_up_when_told")
        assert not told or (tmp_path / "pid.told").read_text() == "no use"
        # One that ended by itself is used again.
        assert gone(pid) == (not told)


@on_one_server()
async def test_a_process_is_told_that_its_timeout_has_passed(queue: Queue, tmp_path: Path) -> None:
    task = queue.task(executor="process", timeout=1, attempts=1)(process_tasks.give_up_when_told)

    async with Worker(queue, processes=1):
        job = await task.enqueue(str(tmp_path / "pid"))
        with pytest.raises(JobFailed, match="TimeoutError"):
            await job.result(30)

    assert (tmp_path / "pid.told").read_text() == "timed out: True"


@pytest.mark.requirement("B27")
@on_one_server()
async def test_a_stop_hands_the_job_back_uncharged(queue: Queue, tmp_path: Path) -> None:
    busy = queue.task(executor="process")(process_tasks.say_and_wait)
    worker = Worker(queue, processes=1)
    work = asyncio.create_task(worker.run())
    job = await busy.enqueue(str(tmp_path / "pid"), 60)
    pid = await pid_in(tmp_path / "pid")

    worker.stop(grace=0)
    await work

    assert gone(pid)
    info = await job.info()
    assert info is not None
    assert (info.state, info.attempt, info.lost_deliveries) == (JobState.QUEUED, 1, 0)


@pytest.mark.requirement("B27")
@on_one_server()
async def test_a_stop_lets_a_job_finish_within_the_grace(queue: Queue, tmp_path: Path) -> None:
    busy = queue.task(executor="process")(process_tasks.say_and_wait)
    worker = Worker(queue, processes=1)
    work = asyncio.create_task(worker.run())
    job = await busy.enqueue(str(tmp_path / "pid"), 0.5)
    await pid_in(tmp_path / "pid")

    worker.stop(grace=20)
    await work

    assert await job.state() is JobState.COMPLETED


@on_one_server()
async def test_a_lost_lease_ends_the_process_at_once(queue: Queue, tmp_path: Path) -> None:
    busy = queue.task(executor="process")(process_tasks.say_and_wait)

    worker = Worker(queue, processes=1)
    async with worker:
        await busy.enqueue(str(tmp_path / "pid"), 60)
        pid = await pid_in(tmp_path / "pid")
        [run] = worker.runs()
        run.lane.lost(run)
        await wait_until(lambda: gone(pid), "the process to be killed")
        worker.stop(grace=0)


@pytest.mark.requirement("U13")
@in_turn_on_each_server(
    ("how", "state", "kind", "text"),
    [
        ("error", JobState.RETRYING, "ZeroDivisionError", "error"),
        ("exit", JobState.RETRYING, "SystemExit", "3"),
        ("Fail", JobState.DEAD, "Fail", "no use"),
        ("Retry", JobState.DEAD, "Retry", "once more"),
        ("Snooze", JobState.SCHEDULED, "", ""),
        ("Cancel", JobState.CANCELLED, "Cancelled", "not wanted"),
    ],
)
async def test_what_a_task_raises_in_a_process_counts_as_anywhere(
    queue: Queue, how: str, state: JobState, kind: str, text: str
) -> None:
    fail = queue.task(executor="process", backoff=Fixed(3600))(process_tasks.fail)

    async with Worker(queue, processes=1):
        job = await fail.enqueue(how)
        await wait_until(lambda: is_in(queue, job.id, state), f"the job to be {state}", 30)

    info = await job.info()
    assert info is not None
    last = info.errors[-1] if info.errors else None
    assert (last.type, last.message) == (kind, text) if last else kind == ""
    if last and kind != "Cancelled":
        assert "in fail" in last.traceback
        assert "child.py" not in last.traceback


async def is_in(queue: Queue, id: str, state: JobState) -> bool:
    return (await queue.states([id]))[id] is state


async def test_the_judges_of_a_decorated_task_are_asked_in_its_process() -> None:
    queue = process_tasks.queue

    async with Worker(queue, processes=1):
        assert await (await process_tasks.picky.enqueue("value")).result(30) == 2
        with pytest.raises(JobFailed, match="KeyError"):
            await (await process_tasks.picky.enqueue("key")).result(30)


@on_one_server()
async def test_results_are_limited_and_checked_in_the_process(queue: Queue) -> None:
    echo = queue.task(executor="process")(process_tasks.echo)
    large = queue.task(executor="process")(process_tasks.large)
    unencodable = queue.task(executor="process")(process_tasks.unencodable)

    async with Worker(queue, processes=1):
        big = b"x" * 900_000
        assert await (await echo.enqueue(big)).result(30) == big
        with pytest.raises(JobFailed, match="ResultNotEncodable"):
            await (await unencodable.enqueue()).result(30)
        with pytest.raises(ResultTooLarge):
            await (await large.enqueue(1_048_577)).result(30)


@on_one_server()
async def test_a_task_may_print_and_read_without_disturbing_the_line(
    queue: Queue, capfd: pytest.CaptureFixture[str]
) -> None:
    talk = queue.task(executor="process", attempts=1)(process_tasks.talk)

    async with Worker(queue, processes=1):
        assert await (await talk.enqueue()).result(30) == ""

    out, err = capfd.readouterr()
    assert out == ""
    assert "printed by a task" in err


def test_a_function_that_no_process_would_find_is_refused() -> None:
    def nested() -> None: ...

    def refused(register: Callable[[Queue], Any], match: str) -> None:
        queue = Queue("x", "memory://refused")
        register(queue)
        with pytest.raises(ConfigInvalid, match=match):
            asyncio.run(Worker(queue).run(burst=True))

    def with_judge(queue: Queue) -> None:
        queue.task(executor="process", retry_on=KeyError)(process_tasks.square)

    refused(lambda q: q.task(executor="process")(nested), "top level of a module")
    refused(lambda q: q.task(name="x", executor="process")(lambda: None), "top level of a module")
    refused(with_judge, "with retry_on, square has to be decorated where it is defined")


@pytest.mark.parametrize("value", [0, -1, True, 1.5, 100_001])
@pytest.mark.parametrize("option", ["processes", "jobs_per_process"])
def test_numbers_of_processes_are_checked(option: str, value: Any) -> None:
    wrong: dict[str, Any] = {option: value}
    with pytest.raises(ConfigInvalid, match=f"{option} must be a whole number from 1 to 100000"):
        Worker(Queue("x", "memory://x"), **wrong)


@on_one_server()
async def test_a_task_in_a_process_gets_results_of_others_and_cannot_ask(queue: Queue) -> None:
    total = queue.task(executor="process")(process_tasks.sum_of_parents)
    asks = queue.task(executor="process", attempts=1)(process_tasks.ask_for_parents)

    @queue.task
    async def part(number: int) -> int:
        return number

    async with Worker(queue, processes=1):
        parts = [await part.enqueue(number) for number in (2, 3)]
        job = await total.options(depends_on=parts).enqueue(10)
        assert await job.result(30) == 50
        refused = await asks.options(depends_on=parts).enqueue()
        with pytest.raises(JobFailed, match=r"annotated FromParents"):
            await refused.result(30)
