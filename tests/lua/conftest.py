"""The scripts of one queue, on each kind of server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import redis.asyncio

from tests.support.invariants import faults
from tests.support.other_clock import clocked_scripts
from tests.support.scripts import Scripts
from tests.support.snapshots import snapshot, sync_client


@pytest.fixture
async def scripts(
    server_url: str,
    queue_name: str,
    redis_client: redis.asyncio.Redis,
    request: pytest.FixtureRequest,
) -> AsyncIterator[Scripts]:
    """The scripts of an empty queue; what they leave is checked like any queue."""
    scripts = Scripts(server_url, queue_name, redis_client)
    yield scripts
    await scripts.close()
    if request.node.get_closest_marker("corrupts") is None:
        client = sync_client(server_url)
        copy = snapshot(client, "test", queue_name)
        client.close()
        assert copy is None or not faults(copy), faults(copy)


@pytest.fixture
def stopped_clock() -> Iterator[None]:
    """Let the scripts go by the clock that `at` sets; asked for before `scripts` are made."""
    with clocked_scripts():
        yield
