"""Calls that are cancelled at any moment: no reply is ever read by another call."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest

from aiojobs_redis import Queue
from tests.support import figures
from tests.support.servers import ServerProcess
from tests.support.tiers import sizes

CALLERS = 8
# A call takes about as long, so that every part of it is met.
WITHIN = 0.0006


@pytest.fixture
async def queue(start_server: Callable[..., ServerProcess]) -> AsyncIterator[Queue]:
    queue = Queue("cancelled", url=start_server().url, namespace="test")

    @queue.task
    async def note(number: int) -> int:
        return number

    yield queue
    await queue.close()


async def cancel_soon(call: asyncio.Task[Any], chance: random.Random) -> bool:
    """Cancel a call within a moment, and return whether that came before its reply."""
    timer = asyncio.get_running_loop().call_later(chance.random() * WITHIN, call.cancel)
    try:
        await asyncio.wait([call])
    finally:
        timer.cancel()
    return call.cancelled()


@pytest.mark.behaviour("F29")
@sizes(ci={"cancels": 2000}, whole={"cancels": 100_000})
async def test_a_cancelled_call_leaves_its_reply_to_nobody(
    queue: Queue, size: Mapping[str, Any]
) -> None:
    cancelled = answered = 0
    mismatched: list[tuple[bytes, bytes]] = []

    async def echo(text: bytes, connected: asyncio.Event) -> None:
        nonlocal answered
        async with queue.store.server.borrow() as link:
            for number in range(6):
                asked = b"%s/%d" % (text, number)
                reply = await link.call("ECHO", asked)
                answered += 1
                if reply != asked:
                    mismatched.append((asked, reply))
                connected.set()

    async def caller(number: int) -> None:
        nonlocal cancelled
        chance, count = random.Random(number), 0
        while cancelled < size["cancels"]:
            count += 1
            connected = asyncio.Event()
            call = asyncio.create_task(echo(b"%d:%d" % (number, count), connected))
            if count % 4:
                # Otherwise nearly all would be cancelled while they connect, which takes longest.
                await connected.wait()
            cancelled += await cancel_soon(call, chance)

    await asyncio.gather(*map(caller, range(CALLERS)))
    await echo(b"after all", asyncio.Event())

    assert mismatched == []
    assert answered > size["cancels"] / 2, "most were cancelled between replies"
    note = f"{answered} replies beside the cancelled ones, 0 mismatched"
    figures.record("F29", n=cancelled, tier=size["tier"], note=note)


@pytest.mark.behaviour("F29")
@sizes(ci={"cancels": 300}, whole={"cancels": 10_000})
async def test_a_cancelled_enqueue_can_be_repeated_and_adds_one_job(
    queue: Queue, size: Mapping[str, Any]
) -> None:
    chance = random.Random(29)
    ids = [f"job-{number}" for number in range(size["cancels"] * 2)]
    cancelled: list[str] = []

    async def caller(share: list[str]) -> None:
        for id in share:
            call = asyncio.create_task(queue.enqueue_call(queue.bind("note", 1, id=id)))
            if await cancel_soon(call, chance):
                cancelled.append(id)
            else:
                assert call.result().id == id

    await asyncio.gather(*(caller(ids[n::CALLERS]) for n in range(CALLERS)))
    there = {id for id, state in (await queue.states(cancelled)).items() if state is not None}
    again = [await queue.enqueue_call(queue.bind("note", 1, id=id)) for id in cancelled]

    assert {job.id for job in again if not job.created} == there
    assert (await queue.counts()).queued == len(ids)
    assert len(cancelled) > size["cancels"] / 10
    note = f"cancelled enqueues, {len(there)} of them were applied"
    figures.record("F29", n=len(cancelled), tier=size["tier"], note=note)
