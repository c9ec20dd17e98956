"""Another queue on the server of a test, which is found whole when it is done with."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from aiojobs_redis import Queue
from tests.support.invariants import faults
from tests.support.snapshots import snapshot, sync_client

__all__ = ["another_queue"]


@contextlib.asynccontextmanager
async def another_queue(server_url: str, queue_name: str) -> AsyncIterator[Queue]:
    """Open a queue beside that of the test; its records and indexes have to agree at the end."""
    async with Queue(f"{queue_name}-other", url=server_url, namespace="test") as queue:
        yield queue
        if not server_url.startswith("memory:"):
            with contextlib.closing(sync_client(server_url)) as client:
                copy = snapshot(client, "test", queue.name)
            assert copy is None or not faults(copy), faults(copy)
        await queue.destroy(force=True)
