"""What the tests of the worker share."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest
import redis.asyncio

from aiojobs_redis import Queue
from tests.support.scripts import Scripts


@pytest.fixture
async def second_queue(server_url: str) -> AsyncIterator[Queue]:
    """Another queue on the server of `queue`."""
    queue = Queue(f"q{uuid.uuid4().hex[:12]}", url=server_url, namespace="test")
    yield queue
    await queue.destroy(force=True)
    await queue.close()


@pytest.fixture
async def other(
    queue: Queue, server_url: str, redis_client: redis.asyncio.Redis
) -> AsyncIterator[Scripts]:
    """Another worker of the queue, driven by hand."""
    scripts = Scripts(server_url, queue.name, redis_client)
    yield scripts
    await scripts.close()
