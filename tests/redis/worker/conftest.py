"""What the tests of the worker share."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest

from aiojobs_redis import Queue


@pytest.fixture
async def second_queue(server_url: str) -> AsyncIterator[Queue]:
    """Another queue on the server of `queue`."""
    queue = Queue(f"q{uuid.uuid4().hex[:12]}", url=server_url, namespace="test")
    yield queue
    await queue.destroy(force=True)
    await queue.close()
