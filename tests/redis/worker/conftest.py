"""What the tests of the worker share."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest
import redis.asyncio

from aiojobs_redis import Queue
from tests.support.invariants import faults
from tests.support.scripts import Scripts
from tests.support.snapshots import snapshot, sync_client


@pytest.fixture
async def second_queue(server_url: str, queue_name: str) -> AsyncIterator[Queue]:
    """Another queue on the server of `queue`; its records and indexes have to agree at the end."""
    async with Queue(f"{queue_name}-other", url=server_url, namespace="test") as queue:
        yield queue
        with contextlib.closing(sync_client(server_url)) as client:
            copy = snapshot(client, "test", queue.name)
        assert copy is None or not faults(copy), faults(copy)
        await queue.destroy(force=True)


@pytest.fixture
async def other(
    queue: Queue, server_url: str, redis_client: redis.asyncio.Redis
) -> AsyncIterator[Scripts]:
    """Another worker of the queue, driven by hand."""
    scripts = Scripts(server_url, queue.name, redis_client)
    yield scripts
    await scripts.close()
