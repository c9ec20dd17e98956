"""Fixtures for the tests of an application, for pytest.

They load nothing before a test asks for one, work in sync and async tests of any plugin for these,
and give way to fixtures of the same name in a ``conftest.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiojobs_redis.queue import Queue
    from aiojobs_redis.testing import FrozenClock
    from aiojobs_redis.worker.worker import Worker

__all__ = ["frozen_clock", "jobs", "worker"]


@pytest.fixture
def jobs() -> Iterator[Queue]:
    """An empty queue in memory, for this test alone."""
    import asyncio
    import secrets
    from concurrent.futures import ThreadPoolExecutor

    from aiojobs_redis import Queue
    from aiojobs_redis._redis.memory import forget_memory_server

    name = f"pytest-{secrets.token_hex(8)}"
    queue = Queue("jobs", f"memory://{name}")
    yield queue
    # The loop of the test may be there still, or be closed.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, queue.close()).result()
    forget_memory_server(name)


@pytest.fixture
def worker(jobs: Queue) -> Worker:
    """A worker of the queue `jobs` that does not run yet."""
    from aiojobs_redis import Worker

    return Worker(jobs)


@pytest.fixture
def frozen_clock() -> Iterator[FrozenClock]:
    """The time of queues in memory, which stands still until the test advances it."""
    from aiojobs_redis.testing import FrozenClock

    with FrozenClock() as clock:
        yield clock
