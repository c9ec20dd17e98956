"""What a task returns: kept where it can be, and about its own job where it cannot."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from aiojobs_redis import JobFailed, JobState, Queue, ResultTooLarge, Worker
from tests.support.waiting import wait_until


class Opaque:
    """Has no form in MessagePack."""


class Point(msgspec.Struct):
    x: int
    y: float = 0.0


def circle() -> list[Any]:
    ring: list[Any] = []
    ring.append(ring)
    return ring


def numbers() -> Iterator[int]:
    yield 1


@pytest.mark.requirement("R13")
@pytest.mark.behaviour("T03")
@pytest.mark.parametrize(
    "value",
    [None, True, 0, -1, 2**63, 1.5, "", "text ü", {"a": [1, None]}, [], [[1, 2]], {"": {}}],
    ids=repr,
)
async def test_a_plain_result_is_readable_by_another_client(
    queue: Queue, server_url: str, value: Any
) -> None:
    @queue.task
    async def returning() -> Any:
        return value

    reader = Queue(queue.name, url=server_url, namespace="test")
    async with Worker(queue):
        job = await returning.enqueue()
        assert await job.result(10) == value
        assert await reader.job(job.id).result(10) == value


@pytest.mark.behaviour("T04")
@pytest.mark.parametrize(
    ("make", "named"),
    [
        (Opaque, "Opaque"),
        (lambda: socket.socket(socket.AF_UNIX), "socket"),
        (numbers, "generator"),
        (lambda: {"deep": [Opaque()]}, "Opaque"),
        (lambda: "caf\udce9", "surrogates"),
        (lambda: 2**64, "int"),
        (circle, ""),
    ],
    ids=["object", "socket", "generator", "nested", "surrogate", "int", "circle"],
)
async def test_a_result_without_a_form_fails_that_job_for_good(
    queue: Queue, make: Any, named: str
) -> None:
    runs: list[int] = []

    @queue.task(attempts=5)
    async def odd() -> Any:
        runs.append(1)
        value = make()
        if isinstance(value, socket.socket):
            value.close()
        return value

    @queue.task
    async def sound() -> str:
        return "fine"

    async with Worker(queue, concurrency=1):
        job, other = await odd.enqueue(), await sound.enqueue()
        with pytest.raises(JobFailed) as caught:
            await job.result(10)
        assert await other.result(10) == "fine"

    assert len(runs) == 1, "no attempt would be better than the first"
    assert named in str(caught.value)
    assert "odd" in str(caught.value)
    assert await job.state() is JobState.DEAD


@pytest.mark.behaviour("T04")
async def test_a_result_of_another_type_than_declared_fails_that_job(queue: Queue) -> None:
    @queue.task(attempts=5)
    async def declared() -> Point:
        return "no point"  # type: ignore[return-value]

    async with Worker(queue):
        with pytest.raises(JobFailed, match="Point"):
            await (await declared.enqueue()).result(10)


@pytest.mark.requirement("U2")
async def test_a_result_comes_back_as_declared(queue: Queue) -> None:
    @queue.task
    async def declared() -> dict[str, Point]:
        return {"a": Point(1, 2.5)}

    async with Worker(queue):
        assert await (await declared.enqueue()).result(10) == {"a": Point(1, 2.5)}


@pytest.mark.requirement("R13")
async def test_a_result_over_the_limit_leaves_the_job_completed(queue: Queue) -> None:
    @queue.task
    async def large(size: int) -> bytes:
        return b"x" * size

    async with Worker(queue):
        fitting = await large.enqueue(1024 * 1024 - 5)
        over = await large.enqueue(1024 * 1024)
        assert len(await fitting.result(10)) == 1024 * 1024 - 5
        with pytest.raises(ResultTooLarge, match="1048581 bytes"):
            await over.result(10)

    assert await over.state() is JobState.COMPLETED


@pytest.mark.requirement("U11")
async def test_a_job_that_keeps_nothing_leaves_nothing(queue: Queue) -> None:
    @queue.task(keep_result=0)
    async def fleeting() -> str:
        return "gone"

    async with Worker(queue):
        job = await fleeting.enqueue()
        await wait_until(lambda: _is_gone(queue, job.id), "the job to be gone")

    counts = await queue.counts()
    assert (counts.completed, counts.unfinished) == (0, 0)


async def _is_gone(queue: Queue, id: str) -> bool:
    return await queue.job(id).state() is None
