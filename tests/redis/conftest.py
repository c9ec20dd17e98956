"""What tests share that lose replies and connections on purpose."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from aiojobs_redis import Queue
from aiojobs_redis._redis.connection import Server
from aiojobs_redis._redis.scripts import SCRIPTS
from tests.support.proxy import Proxy


@pytest.fixture
async def proxy(real_url: str) -> AsyncIterator[Proxy]:
    """A proxy before a server that has all scripts, so that no call is one for loading them."""
    link = Server.from_url(real_url).link()
    for script in SCRIPTS.values():
        await link.call("SCRIPT", "LOAD", script.text)
    await link.close()
    async with Proxy(real_url.removeprefix("unix://")) as proxy:
        yield proxy


@pytest.fixture
async def far_queue(proxy: Proxy, queue_name: str) -> AsyncIterator[Queue]:
    """A queue behind the proxy, connected."""
    async with Queue(queue_name, url=proxy.url, namespace="test") as queue:
        yield queue
