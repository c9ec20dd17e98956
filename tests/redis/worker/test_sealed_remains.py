"""With a codec, what a job leaves is sealed for its place, and anything else is rejected."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from aiojobs_redis import (
    EncryptedCodec,
    Fixed,
    JobFailed,
    JobState,
    PayloadRejected,
    Queue,
    Worker,
    current_job,
)
from tests.support.raw import raw
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requirement("S5")

CANARY = "canary-51e0"
CODEC = EncryptedCodec({"k": b"k" * 32}, current="k")


class Flaky:
    """A codec that cannot seal for a while.

    Attributes:
        away: Kinds that it cannot seal now.
    """

    def __init__(self) -> None:
        self.away: set[bytes] = set()

    def seal(self, data: bytes, context: bytes) -> bytes:
        if any(kind in context for kind in self.away):
            raise ConnectionError("the keys are away")
        return CODEC.seal(data, context)

    def open(self, data: bytes, context: bytes) -> bytes:
        return CODEC.open(data, context)


@pytest.fixture
async def sealed(server_url: str, queue_name: str) -> AsyncIterator[Queue]:
    """A queue with a codec, and a task that leaves something of each kind."""
    queue = Queue(queue_name, url=server_url, namespace="test", codec=CODEC)

    @queue.task(attempts=2, backoff=Fixed(0.2))
    async def work() -> list[Any]:
        job = current_job()
        step = await job.step("first", lambda: f"step {CANARY} of {job.attempt}")
        await job.progress(job.attempt, 2, CANARY)
        await job.log(f"log {CANARY}")
        if job.attempt == 1:
            job.state["secret"] = CANARY
            raise ValueError("again")
        return [step, job.state["secret"]]

    yield queue
    await queue.close()


async def extras(queue: Queue) -> dict[bytes, bytes]:
    flat = await raw(queue, "HGETALL", queue.store.keys["extras"])
    return dict(zip(flat[::2], flat[1::2], strict=True))


async def test_all_is_sealed_and_comes_back(sealed: Queue) -> None:
    async with Worker(sealed):
        job = await sealed.enqueue("work")
        assert await job.result(10) == [f"step {CANARY} of 1", CANARY]

    stored = await extras(sealed)
    assert {name[:1] for name in stored} == {b"p", b"l", b"s", b"c"}
    assert not any(CANARY.encode() in text for text in stored.values())
    progress, info = await job.progress(), await job.info()
    assert info is not None
    assert progress is not None
    assert (progress.note, info.progress) == (CANARY, progress)
    assert [line.text for line in await job.logs()] == [f"log {CANARY}"] * 2
    assert await job.saved_state() == {"secret": CANARY}
    assert await job.steps() == {"first": f"step {CANARY} of 1"}


async def test_what_was_not_sealed_for_its_place_is_rejected(
    sealed: Queue, server_url: str
) -> None:
    async with Worker(sealed):
        job = await sealed.enqueue("work")
        await job.result(10)
    plain = Queue(sealed.name, url=server_url, namespace="test")
    stored, key = await extras(sealed), sealed.store.keys["extras"]
    body = {name[:1]: text.split(b",", 2)[2] for name, text in stored.items()}
    for kind, other in ((b"p", b"s"), (b"s", b"p")):
        await raw(sealed, "HSET", key, kind + job.id.encode(), b"1,1," + body[other])
    await raw(sealed, "HSET", key, b"l" + job.id.encode(), b"1,1,4:text")
    await raw(sealed, "HSET", key, b"c" + job.id.encode(), b"1,1,5:first1:\x05")
    info = await job.info()
    assert info is not None
    assert info.progress is None

    for read in (job.progress, job.logs, job.saved_state, job.steps):
        with pytest.raises(PayloadRejected, match="was rejected"):
            await read()
    await plain.close()


@pytest.mark.parametrize("kind", [b"s", b"c"])
async def test_a_job_with_a_forged_state_or_step_is_not_run(sealed: Queue, kind: bytes) -> None:
    async with Worker(sealed):
        job = await sealed.enqueue("work")

        async def waits() -> bool:
            return await job.state() is JobState.RETRYING

        await wait_until(waits, "the first attempt to fail")
        forged = b"1,1,\x80" if kind == b"s" else b"1,1,5:first1:\x05"
        await raw(sealed, "HSET", sealed.store.keys["extras"], kind + job.id.encode(), forged)
        with pytest.raises(JobFailed) as failed:
            await job.result(10)

    assert failed.value.error_type == "PayloadRejected"
    assert len(await job.logs()) == 1


async def test_a_codec_that_is_away_costs_reports_but_no_job(
    server_url: str, queue_name: str, caplog: pytest.LogCaptureFixture
) -> None:
    codec = Flaky()
    queue = Queue(queue_name, url=server_url, namespace="test", codec=codec)

    @queue.task(attempts=1)
    async def work() -> str:
        job = current_job()
        codec.away = {b"progress", b"log", b"state", b"step"}
        await job.progress(1)
        await job.log("unheard")
        job.state["a"] = 1
        with pytest.raises(ConnectionError):
            await job.save()
        with pytest.raises(ConnectionError):
            await job.step("s", lambda: 1)
        codec.away = set()
        await job.progress(2)
        return "done"

    async with Worker(queue):
        job = await work.enqueue()
        assert await job.result(10) == "done"
    progress = await job.progress()
    await queue.close()

    assert progress is not None
    assert progress.done == 2
    assert "what it reports cannot be sealed and is dropped" in caplog.text
