from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio
from redis import exceptions as redis_errors
from redis.asyncio.sentinel import Sentinel

from aiojobs_redis import Fixed, Queue, Worker, current_job
from aiojobs_redis._redis.connection import Server
from aiojobs_redis._redis.faults import Fault, classify
from aiojobs_redis._redis.probe import check_server
from tests.support.servers import ServerProcess, find_servers, free_port, wanted_servers
from tests.support.turns import turns
from tests.support.waiting import wait_until

on_one_kind = turns("cluster_node")
BLOCKING = ("BZPOPMIN", "no-such-key", 30)


@pytest.fixture
def sentinel_port(tmp_path: Path, own_server: ServerProcess) -> Iterator[int]:
    """A Sentinel that watches the own server under the name mymaster."""
    port = free_port()
    folder = tmp_path / "sentinel"
    folder.mkdir()
    config = folder / "sentinel.conf"
    config.write_text(
        f"sentinel monitor mymaster 127.0.0.1 {own_server.port} 1\n"
        "sentinel down-after-milliseconds mymaster 60000\n"
    )
    binary = find_servers()["valkey"]
    sentinel = ServerProcess(binary, folder, "--sentinel", port=port, config=config)
    sentinel.start()
    yield port
    sentinel.remove()


async def test_a_sentinel_is_asked_at_each_connect(
    own_server: ServerProcess, sentinel_port: int
) -> None:
    dead = free_port()
    url = f"redis+sentinel://127.0.0.1:{dead},127.0.0.1:{sentinel_port}/mymaster/0"
    make: Any = Sentinel
    sentinel = make([("127.0.0.1", sentinel_port)])
    for server in (Server.from_url(url), Server.from_client(sentinel.master_for("mymaster"))):
        link, sync = server.link(), server.sync_link(2.0)
        assert sync is not None
        count = await link.call("INCR", "n")
        assert sync.call("GET", "n") == b"%d" % count
        await link.call("REPLICAOF", "127.0.0.1", dead)
        with pytest.raises(redis_errors.ReadOnlyError) as caught:
            await link.call("INCR", "n")
        assert classify(caught.value) is Fault.RETRY
        await link.call("REPLICAOF", "NO", "ONE")
        await link.close()
        sync.close()


async def test_an_unknown_master_is_an_error_that_passes(sentinel_port: int) -> None:
    server = Server.from_url(f"redis+sentinel://127.0.0.1:{sentinel_port}/other")
    with pytest.raises(redis_errors.ConnectionError, match="'other'") as caught:
        await server.link().call("PING")
    assert classify(caught.value) is Fault.RETRY
    sync = server.sync_link(1.0)
    assert sync is not None
    with pytest.raises(redis_errors.ConnectionError, match="'other'"):
        sync.call("PING")


@pytest.fixture(params=wanted_servers())
async def cluster_node(tmp_path: Path, request: pytest.FixtureRequest) -> ServerProcess:
    """A Cluster of one node, of each kind of real server in turn."""
    binary = find_servers()[request.param]
    server = ServerProcess(binary, tmp_path, port=free_port(), bus=free_port())
    server.start()
    link = Server.from_url(server.url).link()
    await link.call("CLUSTER", "ADDSLOTSRANGE", 0, 16383)

    async def ready() -> bool:
        return b"cluster_state:ok" in await link.call("CLUSTER", "INFO")

    await wait_until(ready, "the cluster to be up", 10)
    await link.close()
    return server


@pytest.mark.behaviour("T69")
@on_one_kind()
async def test_a_cluster_is_used_through_its_own_client(cluster_node: ServerProcess) -> None:
    url = f"redis+cluster://127.0.0.1:{cluster_node.port}"
    brought = redis.asyncio.RedisCluster(host="127.0.0.1", port=cluster_node.port or 0)
    try:
        for server in (Server.from_url(url), Server.from_client(brought)):
            await use_cluster(server, cluster_node.binary == find_servers()["valkey"])
    finally:
        await brought.aclose()
        cluster_node.remove()


@pytest.mark.behaviour("T69")
async def test_a_queue_on_a_cluster_does_its_work_and_tells_of_it(
    cluster_node: ServerProcess,
) -> None:
    queue = Queue("q", url=f"redis+cluster://127.0.0.1:{cluster_node.port}")

    @queue.task(backoff=Fixed(0.01))
    async def flaky() -> int:
        if current_job().attempt == 1:
            raise ValueError("once")
        return 7

    try:
        async with queue, asyncio.timeout(30), queue.events() as stream:
            job = await flaky.options(delay=0.05).enqueue()
            async with Worker(queue):
                assert await job.result(20) == 7
            kinds = []
            async for event in stream:
                kinds.append(event.type)
                if event.type == "completed":
                    break
    finally:
        cluster_node.remove()
    first = ["enqueued", "scheduled", "due", "started", "failed", "retrying"]
    assert [kind for kind in kinds if kind != "drained"] == [*first, "due", "started", "completed"]


async def use_cluster(server: Server, is_valkey: bool) -> None:
    link, sync = server.link(), server.sync_link(2.0)
    assert sync is not None
    script = b"return {KEYS[1], ARGV[1]}"
    for call in (link.call, sync.call):
        sha = call("SCRIPT", "LOAD", script)
        sha = await sha if asyncio.iscoroutine(sha) else sha
        reply = call(b"EVALSHA", sha, b"2", b"a:{q}:x", b"a:{q}:y", b"z")
        reply = await reply if asyncio.iscoroutine(reply) else reply
        assert reply == [b"a:{q}:x", b"z"]
    assert (await check_server(link)).is_valkey is is_valkey
    assert await link.call("ZADD", "a:{q}:z", 1, "m") == 1
    assert await link.call("BZPOPMIN", "a:{q}:z", 1, timeout=2.0) == [b"a:{q}:z", b"m", b"1"]
    with pytest.raises(redis_errors.TimeoutError):
        await link.call(*BLOCKING, timeout=0.1)
    blocked_call = asyncio.create_task(link.call(*BLOCKING, timeout=60))

    async def is_blocked() -> bool:
        async with server.borrow() as other:
            info: bytes = await other.call("INFO", "clients")
        return b"blocked_clients:0" not in info

    await wait_until(is_blocked, "a blocked call")
    link.abort()
    with pytest.raises(redis_errors.ConnectionError):
        await blocked_call
    with pytest.raises(redis_errors.NoScriptError):
        await link.call("EVALSHA", "0" * 40, 1, "a:{q}:x")
    assert await link.call("SUBSCRIBE", "news") == [b"subscribe", b"news", 1]
    async with server.borrow() as other:
        assert await other.call("EVAL", "return redis.call('PUBLISH', 'news', 'x')", 0) == 1
    assert await link.receive(5) == [b"message", b"news", b"x"]
    await link.close()
    await server.close()
    sync.close()
