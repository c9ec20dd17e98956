"""The one subscription of a process at a server, which all queues there share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from aiojobs_redis import Queue, Worker
from aiojobs_redis._redis.connection import Server
from aiojobs_redis._redis.mailbox import Mailbox
from tests.support.acl import as_admin, grant
from tests.support.raw import raw
from tests.support.waiting import wait_until


async def listeners(queue: Queue) -> int:
    found: bytes = await raw(queue, "CLIENT", "LIST", "TYPE", "pubsub")
    return len(found.decode().split("\n")) - 1


@pytest.fixture
async def queues(server_url: str, queue_name: str) -> AsyncIterator[list[Queue]]:
    made = [Queue(f"{queue_name}-{n}", server_url, namespace="test") for n in range(4)]
    for queue in made:

        @queue.task
        async def work(number: int) -> int:
            return number

    yield made
    for queue in made:
        await queue.destroy(force=True)
        await queue.close()


@pytest.mark.requirement("P13")
@pytest.mark.requirement("P11")
async def test_all_queues_of_a_server_share_it_and_it_ends_with_the_last_wait(
    queues: list[Queue],
) -> None:
    jobs = [await queue.enqueue("work", n) for n, queue in enumerate(queues)]
    waits = []
    for job in jobs:
        # One after the other: each finds the connection of those before.
        waits.append(asyncio.create_task(job.result(20)))
        await asyncio.sleep(0)
    in_memory = queues[0].store.server.in_memory

    async def all_registered() -> bool:
        counts = [await raw(queue, "HLEN", queue.store.keys["waiters"]) for queue in queues]
        return counts == [1] * len(queues)

    await wait_until(all_registered, "all waits to be registered", 20)
    if not in_memory:
        assert await listeners(queues[0]) == 1
    async with Worker(queues[:2]):
        assert await asyncio.gather(*waits[:2]) == [0, 1]
    if not in_memory:
        assert await listeners(queues[0]) == 1, "others wait still"
    async with Worker(queues[2:]):
        assert await asyncio.gather(*waits[2:]) == [2, 3]

    async def nobody_listens() -> bool:
        return in_memory or await listeners(queues[0]) == 0

    await wait_until(nobody_listens, "the connection to end", 10)


async def heard_by(mailbox: Mailbox, server: Server, channel: str) -> bytes:
    """Listen to a channel until a message comes, which is sent here again and again."""
    heard: list[bytes] = []
    await mailbox.open(channel, heard.append)

    async def came() -> bool:
        async with server.borrow() as link:
            await link.call("PUBLISH", channel, f"for {channel}")
        return bool(heard)

    await wait_until(came, "a message to be heard", 20)
    return heard[0]


def never(_: bytes) -> None:
    pytest.fail("nobody may hear this")


async def test_each_channel_hears_its_own_messages_and_a_closed_one_none(server_url: str) -> None:
    server = Server.from_url(server_url)
    mailbox = server.mailbox()
    for channel in "abc":
        assert await heard_by(mailbox, server, channel) == f"for {channel}".encode()
    mailbox.close("a")
    assert await heard_by(mailbox, server, "b") == b"for b"
    # It was never given up at the server.
    assert await heard_by(mailbox, server, "a") == b"for a"
    for channel in "abc":
        mailbox.close(channel)
    assert await heard_by(mailbox, server, "a") == b"for a", "a new connection"
    mailbox.close("a")
    await server.close()


async def test_who_is_refused_while_the_connection_is_made_waits_for_nothing(real_url: str) -> None:
    admin = Server.from_url(as_admin(real_url))
    server = Server.from_url(grant(real_url, "worker", name="with-a-shut-channel"))
    mailbox = server.mailbox()
    async with asyncio.timeout(10):
        # Both are there before the connection, and the first one is asked for first.
        await asyncio.gather(mailbox.open("shut", never), heard_by(mailbox, admin, "test:1"))
    for channel in ("shut", "test:1"):
        mailbox.close(channel)
    for each in (server, admin):
        await each.close()


@pytest.mark.parametrize("channels", [("test:1", "shut", "test:2"), ("shut", "test:1", "test:2")])
async def test_a_channel_that_is_refused_costs_the_others_nothing(
    real_url: str, channels: Sequence[str]
) -> None:
    admin = Server.from_url(as_admin(real_url))
    server = Server.from_url(grant(real_url, "worker", name="with-a-shut-channel"))
    mailbox = server.mailbox()
    async with asyncio.timeout(20):
        for channel in channels:
            if channel == "shut":
                await mailbox.open(channel, never)
            else:
                assert await heard_by(mailbox, admin, channel) == f"for {channel}".encode()
    for channel in channels:
        mailbox.close(channel)
    for each in (server, admin):
        await each.close()
