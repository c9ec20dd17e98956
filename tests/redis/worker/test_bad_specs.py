"""Bytes in Redis that are no job: that one is dead with the reason, the others go on."""

from __future__ import annotations

import msgspec
import pytest

from aiojobs_redis import JobFailed, JobState, Queue, Worker
from tests.support.raw import raw

SPECS = {
    "noise": b"\xff\xfe\x00garbage",
    "empty": b"",
    "a newer version": msgspec.msgpack.encode([2, "echo", [["x"]], {}, {}, "new field"]),
    "a version that is no number": msgspec.msgpack.encode(["1", "echo", [["x"]]]),
    "too few fields": msgspec.msgpack.encode([1]),
    "a map": msgspec.msgpack.encode({"task": "echo"}),
    "a call that is none": msgspec.msgpack.encode([1, "echo", 5]),
    "an argument of another type": msgspec.msgpack.encode([1, "echo", [[5]]]),
    "an argument too many": msgspec.msgpack.encode([1, "echo", [["x", "y"]]]),
    "options that are none": msgspec.msgpack.encode([1, "echo", [["x"]], [1], {}]),
    "a back-off that is none": msgspec.msgpack.encode([1, "echo", [["x"]], {"backoff": 5}, {}]),
    "a task name that is no text": b"\x93\x01\xa4\xff\xff\xff\xff\x91\x91\xa1x",
    "a task name with a comma": msgspec.msgpack.encode([1, "ec,ho", [["x"]]]),
    "deep nesting": b"\x93\x01\xa4echo" + b"\x91" * 5000 + b"\xc0",
}


async def replace_spec(queue: Queue, id: str, spec: bytes) -> None:
    """Put other bytes in the place of what a job is to do."""
    jobs = queue.store.keys["jobs"]
    head, _, _ = (await raw(queue, "HGET", jobs, id)).partition(b"\n")
    await raw(queue, "HSET", jobs, id, head + b"\n" + spec)


@pytest.mark.requirement("U2")
@pytest.mark.parametrize("name", SPECS)
async def test_a_spec_that_cannot_be_read_is_dead_and_the_others_run(
    queue: Queue, name: str
) -> None:
    @queue.task
    async def echo(text: str) -> str:
        return text

    broken, sound = await echo.enqueue("first"), await echo.enqueue("second")
    await replace_spec(queue, broken.id, SPECS[name])

    async with Worker(queue, concurrency=1) as worker:
        assert await sound.result(10) == "second"
        with pytest.raises(JobFailed) as caught:
            await broken.result(10)
        assert worker.runs() == []

    assert caught.value.message
    info = await broken.info()
    assert info is not None
    assert info.state is JobState.DEAD
    assert (await queue.counts()).running == 0


async def test_the_reason_of_a_newer_version_names_the_way_out(queue: Queue) -> None:
    @queue.task
    async def echo(text: str) -> str:
        return text

    job = await echo.enqueue("text")
    await replace_spec(queue, job.id, SPECS["a newer version"])

    async with Worker(queue):
        with pytest.raises(JobFailed, match=r"version 2.*upgrade the worker, then replay"):
            await job.result(10)


async def test_an_id_without_a_spec_is_dropped(
    queue: Queue,
) -> None:
    @queue.task
    async def echo(text: str) -> str:
        return text

    lost, sound = await echo.enqueue("first"), await echo.enqueue("second")
    await raw(queue, "HDEL", queue.store.keys["jobs"], lost.id)

    async with Worker(queue, concurrency=1):
        assert await sound.result(10) == "second"

    counts = await queue.counts()
    assert (counts.queued, counts.running, counts.completed) == (0, 0, 1)


@pytest.mark.requirement("B3")
async def test_a_call_by_name_that_does_not_fit_is_dead_with_the_reason(queue: Queue) -> None:
    @queue.task(attempts=5)
    async def echo(text: str) -> str:
        return text

    async with Worker(queue):
        job = await queue.enqueue("echo", text="x", prioritty=3)
        with pytest.raises(JobFailed, match=r"ArgumentsInvalid.*prioritty"):
            await job.result(10)
