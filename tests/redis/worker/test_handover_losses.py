"""What queues tell each other is told once, whichever reply on the way is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from aiojobs_redis import FromParents, JobState, Queue, Worker, chain, current_job
from tests.support.invariants import faults
from tests.support.proxy import Proxy, runs_script
from tests.support.servers import ServerProcess
from tests.support.snapshots import snapshot, sync_client
from tests.support.waiting import wait_until


@pytest.fixture
async def proxy(own_server: ServerProcess) -> AsyncIterator[Proxy]:
    """A proxy before a server of the test's own."""
    async with Proxy(own_server.socket) as made:
        yield made


@pytest.mark.parametrize("script", ["expect", "enqueue_flow", "post", "hear", "asking", "exchange"])
async def test_a_lost_reply_of_the_handover_changes_nothing(
    proxy: Proxy, own_server: ServerProcess, script: str
) -> None:
    runs: list[str] = []
    queues = [Queue(name, proxy.url, namespace="test") for name in ("a", "b")]
    for queue in queues:

        @queue.task
        async def add(number: int, before: FromParents[int] = ()) -> int:
            runs.append(current_job().id)
            return number + sum(before)

    first, second = queues
    async with first, second:
        parent = await second.enqueue("add", 1)
        proxy.drop_reply_of(runs_script(script))
        child = await first.enqueue("add", 10, depends_on=[parent])
        async with asyncio.timeout(40), Worker(first), Worker(second):
            assert await child.result(20) == 11
            proxy.drop_reply_of(runs_script(script))
            jobs = await first.enqueue_flow(
                chain(first.bind("add", 1), second.bind("add", 2), first.bind("add", 3))
            )
            assert await jobs[-1].result(20) == 6
            waits = await first.enqueue(
                "add", 1, depends_on=[await second.enqueue("add", 1, delay=9)]
            )

            async def dropped() -> bool:
                return proxy.dropped()

            # Asked for is only what is not told soon.
            await wait_until(dropped, "each reply to be lost", 15)
            assert await waits.state() is JobState.BLOCKED
            await waits.cancel_flow()
    assert len(runs) == len(set(runs)) == 5
    with sync_client(own_server.url) as client:
        for name in ("a", "b"):
            copy = snapshot(client, "test", name)
            assert copy is not None
            assert faults(copy) == []
