"""A dashboard without a server: its ASGI application on the loop of the test."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import pytest

from aiojobs_redis import Queue
from aiojobs_redis.web import Dashboard

TOKEN = "a-token-of-the-tests-0123456789"


def memory_queue(name: str) -> Queue:
    """Return an empty queue in memory, where it does not matter which server it is."""
    return Queue(name, f"memory://{uuid.uuid4().hex}")


Reach = Callable[..., httpx2.AsyncClient]


@pytest.fixture
async def reach() -> AsyncIterator[Reach]:
    """Make clients of an application; they come from this machine unless something else is said."""
    made: list[httpx2.AsyncClient] = []

    def client(
        app: Any,
        *,
        address: str = "127.0.0.1",
        base_url: str = "http://localhost",
        token: str | None = None,
        **options: Any,
    ) -> httpx2.AsyncClient:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        transport = httpx2.ASGITransport(app, client=(address, 5000), raise_app_exceptions=False)
        made.append(
            httpx2.AsyncClient(transport=transport, base_url=base_url, headers=headers, **options)
        )
        return made[-1]

    yield client
    for one in made:
        await one.aclose()


@pytest.fixture
async def web_queue(queue: Queue) -> Queue:
    """A queue with tasks, on each kind of server in turn."""
    return with_tasks(queue)


def with_tasks(queue: Queue) -> Queue:
    """Register the tasks that the tests of the API use."""

    @queue.task(attempts=1)
    async def add(a: int, b: int) -> int:
        return a + b

    @queue.task(attempts=1)
    async def fail(text: str = "") -> None:
        raise ValueError(text)

    return queue


@pytest.fixture
async def client(web_queue: Queue, reach: Reach) -> httpx2.AsyncClient:
    """Somebody on the same machine, before a dashboard that asks nobody and lets them act."""
    return reach(Dashboard(web_queue, read_only=False))
