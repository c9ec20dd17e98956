"""What the tests of the testing helpers share."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest

from aiojobs_redis import Queue
from aiojobs_redis._redis.memory import forget_memory_server


@pytest.fixture
async def memory_queue() -> AsyncIterator[Queue]:
    """A queue in memory of this test's own."""
    name = f"test-{uuid.uuid4().hex}"
    queue = Queue("app", f"memory://{name}")
    yield queue
    await queue.close()
    forget_memory_server(name)
