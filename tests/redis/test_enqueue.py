"""One job into the queue: by function and by name, under its id, in its order, from anywhere."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from typing import Any

import msgspec
import pytest

from aiojobs_redis import ArgumentsInvalid, Job, JobFailed, JobOptions, JobState, Queue, Worker
from tests.support.other_process import run_python
from tests.support.raw import dump, raw
from tests.support.waiting import wait_until

ODD_IDS = [
    "a",
    "with space, comma\nand line",
    "{tag}:1",
    "3:abc",
    "0",
    "\x00\x01",
    "каша-粥-🥣",
    "é" * 128,
]


@pytest.mark.behaviour("T01")
async def test_a_job_added_before_any_worker_exists_waits_and_then_runs_once(queue: Queue) -> None:
    runs: list[int] = []

    @queue.task
    async def work(number: int) -> int:
        runs.append(number)
        return number * 2

    job = await work.enqueue(21)
    assert job.created
    assert await job.state() is JobState.QUEUED
    async with Worker(queue):
        assert await job.result(10) == 42
    async with Worker(queue) as second:
        await queue.job(job.id).result(10)
        assert second.runs() == []
    assert runs == [21]


@pytest.mark.requirement("U7")
@pytest.mark.behaviour("T02")
async def test_a_thousand_jobs_of_one_priority_run_in_the_order_of_their_enqueue(
    queue: Queue,
) -> None:
    order: list[int] = []

    @queue.task
    async def work(number: int) -> None:
        order.append(number)

    jobs: list[Job[None]] = []
    for first in range(0, 1000, 100):
        jobs += await queue.enqueue_many([work.bind(n) for n in range(first, first + 90)])
        jobs += await asyncio.gather(*(work.enqueue(n) for n in range(first + 90, first + 99)))
        jobs.append(await work.enqueue(first + 99))
    async with Worker(queue, concurrency=1):
        await jobs[-1].result(60)
    assert order == list(range(1000))


@pytest.mark.requirement("U3")
@pytest.mark.requirement("B11")
@pytest.mark.requirement("P6")
@pytest.mark.behaviour("T27")
async def test_fifty_concurrent_enqueues_of_one_id_make_one_run_and_one_created_handle(
    queue: Queue, server_url: str
) -> None:
    runs: list[int] = []

    @queue.task
    async def work(number: int) -> int:
        runs.append(number)
        return number

    # Half of them through a second object, whose calls are merged apart from those of the first.
    other = Queue(queue.name, url=server_url, namespace="test")
    jobs = await asyncio.gather(
        *(work.options(id="same").enqueue(n) for n in range(25)),
        *(other.enqueue("work", n, id="same") for n in range(25, 50)),
    )
    assert [job.id for job in jobs] == ["same"] * 50
    assert sum(job.created for job in jobs) == 1
    [winner] = [number for number, job in enumerate(jobs) if job.created]
    async with Worker(queue):
        assert set(await asyncio.gather(*(job.result(10) for job in jobs))) == {winner}
        late = await work.options(id="same").enqueue(99)
        assert not late.created
        assert await late.result(10) == winner
    assert runs == [winner]
    assert (await queue.counts()).completed == 1
    await other.close()


@pytest.mark.behaviour("T27")
async def test_an_id_is_free_again_once_the_record_of_its_job_is_gone(queue: Queue) -> None:
    @queue.task(keep_result=0)
    async def work() -> None: ...

    async def gone() -> bool:
        return await queue.job("again").state() is None

    async with Worker(queue):
        for _ in range(3):
            job = await work.options(id="again").enqueue()
            assert job.created
            await wait_until(gone, "the job to be done and forgotten")


@pytest.mark.requirement("B11")
async def test_any_text_of_256_bytes_may_be_an_id(queue: Queue) -> None:
    @queue.task
    async def work(text: str) -> str:
        return text

    jobs = [await work.options(id=text).enqueue(text) for text in ODD_IDS]
    later = await work.options(id="later" + ODD_IDS[1], delay=0.05).enqueue("later")
    assert [job.id for job in jobs] == ODD_IDS
    assert set((await queue.states(ODD_IDS)).values()) == {JobState.QUEUED}
    async with Worker(queue):
        assert [await job.result(10) for job in jobs] == ODD_IDS
        assert await later.result(10) == "later"
    info = await jobs[1].info()
    assert info is not None
    assert info.id == ODD_IDS[1]


@pytest.mark.requirement("R7")
async def test_each_job_reaches_the_task_of_its_name(queue: Queue) -> None:
    @queue.task
    async def double(number: int) -> int:
        return number * 2

    @queue.task(name="text.shout:1")
    def shout(text: str) -> str:
        return text.upper()

    jobs: list[Job[Any]] = [
        await queue.enqueue(double, 4),
        await queue.enqueue(shout, "a"),
        await queue.enqueue("double", 5),
        await queue.enqueue("text.shout:1", text="b"),
    ]
    async with Worker(queue):
        assert [await job.result(10) for job in jobs] == [8, "A", 10, "B"]


@pytest.mark.requirement("B2")
async def test_options_of_a_job_beat_its_task_which_beats_the_queue_which_beats_the_library(
    server_url: str, queue_name: str
) -> None:
    defaults = JobOptions(priority=1, attempts=7, headers={"from": "queue"})
    queue = Queue(queue_name, url=server_url, namespace="test", defaults=defaults)

    @queue.task
    async def plain() -> None: ...

    @queue.task(priority=2)
    async def own() -> None: ...

    async def priority(job: Job[None]) -> int:
        info = await job.info()
        assert info is not None
        return info.priority

    assert await priority(await plain.enqueue()) == 1
    assert await priority(await own.enqueue()) == 2
    assert await priority(await own.options(priority=3).enqueue()) == 3
    assert await priority(await own.options(priority=3).options(priority=4).enqueue()) == 4
    assert await priority(await queue.enqueue(own.options(priority=3), priority=5)) == 5
    info = await (await own.options(attempts=2).enqueue()).info()
    assert info is not None
    assert (info.priority, info.attempts, info.headers) == (2, 2, {"from": "queue"})
    await queue.close()


@pytest.mark.requirement("B2")
async def test_the_attempts_of_the_nearest_level_count(server_url: str, queue_name: str) -> None:
    defaults = JobOptions(attempts=2, backoff=[0])
    queue = Queue(queue_name, url=server_url, namespace="test", defaults=defaults)
    runs: list[str] = []

    @queue.task
    async def by_queue(text: str) -> None:
        runs.append(text)
        raise ValueError(text)

    @queue.task(attempts=4)
    async def by_task(text: str) -> None:
        runs.append(text)
        raise ValueError(text)

    jobs = [
        await by_queue.enqueue("queue"),
        await by_task.enqueue("task"),
        await by_task.options(attempts=1).enqueue("job"),
    ]
    async with Worker(queue):
        for job in jobs:
            with pytest.raises(JobFailed):
                await job.result(10)
    assert {text: runs.count(text) for text in runs} == {"queue": 2, "task": 4, "job": 1}
    await queue.close()


async def test_a_misspelt_option_by_name_is_an_argument_and_ends_the_job_dead(queue: Queue) -> None:
    @queue.task
    async def work(number: int) -> None: ...

    job = await queue.enqueue("work", 1, dealy=5)
    async with Worker(queue):
        with pytest.raises(JobFailed) as caught:
            await job.result(10)
    assert caught.value.error_type == "ArgumentsInvalid"
    assert "dealy" in caught.value.message
    assert await job.state() is JobState.DEAD


class Address(msgspec.Struct):
    street: str
    number: int


@pytest.mark.requirement("U2")
@pytest.mark.parametrize(
    "spoiled",
    [b"", b"\xc1", b"no spec at all", b"\x93\x01\xa4work", b"\x93\x01\xa4work\x92\x91\x05\x80"],
    ids=["empty", "no MessagePack", "text", "cut off", "of another shape"],
)
async def test_bytes_that_do_not_fit_end_that_job_and_no_other(
    queue: Queue, spoiled: bytes
) -> None:
    @queue.task
    async def work(address: Address) -> str:
        return f"{address.street} {address.number}"

    bad = await work.enqueue(Address("x", 1))
    good = await work.enqueue(Address("Elm", 7))
    key = queue.store.keys["jobs"]
    header, _, _ = (await raw(queue, "HGET", key, bad.id)).partition(b"\n")
    await raw(queue, "HSET", key, bad.id, header + b"\n" + spoiled)
    async with Worker(queue, concurrency=1):
        assert await good.result(10) == "Elm 7"
        with pytest.raises(JobFailed) as caught:
            await bad.result(10)
    assert caught.value.error_type == "ArgumentsInvalid"
    info = await bad.info()
    assert info is not None
    assert (info.state, len(info.errors)) == (JobState.DEAD, 1)


async def test_a_spec_of_a_newer_version_ends_that_job_and_says_so(queue: Queue) -> None:
    @queue.task
    async def work() -> None: ...

    job = await work.enqueue()
    key = queue.store.keys["jobs"]
    newer = msgspec.msgpack.encode([2, "work", {"anything": 1}])
    await raw(queue, "HSET", key, job.id, b",e1\n" + newer)
    async with Worker(queue):
        with pytest.raises(JobFailed, match="version 2") as caught:
            await job.result(10)
        assert caught.value.error_type == "ArgumentsInvalid"
        await (await work.enqueue()).result(10)


@pytest.mark.requirement("B3")
async def test_a_job_of_an_unknown_name_is_parked_while_others_flow(
    server_url: str, queue_name: str
) -> None:
    old = Queue(queue_name, url=server_url, namespace="test")
    new = Queue(queue_name, url=server_url, namespace="test")

    @old.task
    async def known() -> str:
        return "known"

    @new.task
    async def unknown() -> str:
        return "no longer"

    parked = await old.enqueue("unknown")
    async with Worker(old):
        assert await (await known.enqueue()).result(10) == "known"
        assert await parked.state() is JobState.BLOCKED
        async with Worker(new):
            assert await parked.result(5) == "no longer"
    await old.close()
    await new.close()


@pytest.mark.requirement("R6")
@pytest.mark.requirement("R13")
@pytest.mark.requirement("U10")
@pytest.mark.behaviour("T03")
async def test_another_process_enqueues_by_name_and_reads_payload_state_and_result(
    real_queue: Queue, real_url: str
) -> None:
    values = [{"a": [1, None]}, [1, "x"], "text", True, None, 1.5]

    @real_queue.task
    async def echo(value: object) -> object:
        return value

    code = """
        import asyncio, json, sys
        from aiojobs_redis import Queue
        async def main(name, url, step, text):
            async with Queue(name, url=url, namespace="test") as queue:
                if step == "add":
                    for number, value in enumerate(json.loads(text)):
                        await queue.enqueue("echo", value, id=f"other {number}")
                    return None
                jobs = [queue.job(f"other {n}") for n in range(len(json.loads(text)))]
                infos = [await job.info() for job in jobs]
                return [[i.args[0], i.state, await j.result(5)] for i, j in zip(infos, jobs)]
        print(json.dumps(asyncio.run(main(*sys.argv[1:]))))
    """
    text = msgspec.json.encode(values).decode()
    await run_python(code, real_queue.name, real_url, "add", text)
    async with Worker(real_queue):
        for number in range(len(values)):
            await real_queue.job(f"other {number}").result(10)
    seen = msgspec.json.decode(await run_python(code, real_queue.name, real_url, "read", text))
    assert seen == [[value, "completed", value] for value in values]


async def test_wrong_arguments_write_nothing(queue: Queue) -> None:
    @queue.task
    async def work(number: int) -> None: ...

    with pytest.raises(ArgumentsInvalid, match="number"):
        await queue.enqueue(work, "x")
    with pytest.raises(ArgumentsInvalid, match="delay"):
        await queue.enqueue(work, 1, dealy=5)
    assert await dump(queue) == {}


def test_a_second_event_loop_uses_the_same_queue_object(server_url: str, queue_name: str) -> None:
    queue = Queue(queue_name, url=server_url, namespace="test")

    @queue.task
    async def work(number: int) -> int:
        return number

    async def turn(number: int) -> list[int]:
        jobs = await asyncio.gather(*(work.enqueue(number) for _ in range(20)))
        async with Worker(queue):
            return await asyncio.gather(*(job.result(10) for job in jobs))

    assert asyncio.run(turn(1)) == [1] * 20
    assert asyncio.run(turn(2)) == [2] * 20

    async def end() -> int:
        completed = (await queue.counts()).completed
        await queue.close()
        return completed

    assert asyncio.run(end()) == 40


def test_a_forked_child_enqueues_beside_its_parent(real_url: str, queue_name: str) -> None:
    queue = Queue(queue_name, url=real_url, namespace="test")

    async def add(who: str) -> None:
        jobs = await asyncio.gather(
            *(queue.enqueue("work", n, id=f"{who} {n}") for n in range(100))
        )
        assert all(job.created for job in jobs)

    with asyncio.Runner() as runner:
        runner.run(add("before"))
        child = os.fork()
        if child == 0:
            try:
                asyncio.run(add("child"))
            except BaseException:
                os._exit(1)
            os._exit(0)
        runner.run(add("parent"))
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert runner.run(queue.counts()).queued == 300
        runner.run(queue.close())


def _enqueue_in_child(name: str, url: str) -> None:
    async def add() -> None:
        async with Queue(name, url=url, namespace="test") as queue:
            await queue.enqueue("work")

    asyncio.run(add())


async def test_a_child_of_multiprocessing_enqueues_while_the_loop_of_its_parent_runs(
    real_queue: Queue, real_url: str
) -> None:
    await real_queue.enqueue("work")
    child = multiprocessing.get_context("fork").Process(
        target=_enqueue_in_child, args=(real_queue.name, real_url)
    )
    child.start()
    await real_queue.enqueue("work")
    await asyncio.to_thread(child.join, 30)
    assert child.exitcode == 0
    assert (await real_queue.counts()).queued == 3
