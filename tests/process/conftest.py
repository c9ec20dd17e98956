"""Worker processes for tests that kill them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aiojobs_redis import Queue
from tests.support.worker_app import build
from tests.support.worker_process import WorkerHost


@pytest.fixture
def host(real_url: str, queue_name: str, tmp_path: Path) -> WorkerHost:
    """Starts worker processes of a queue of this test's own."""
    return WorkerHost(real_url, queue_name, tmp_path)


@pytest.fixture
async def queue(real_url: str, queue_name: str, host: WorkerHost) -> AsyncIterator[Queue]:
    """The queue of `host`, with the tasks of its application."""
    queue = build(real_url, queue_name, str(host.gate("unused")))
    yield queue
    host.end()
    await queue.close()
