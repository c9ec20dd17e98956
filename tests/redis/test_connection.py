from __future__ import annotations

import asyncio
import os
import threading
import time
import warnings

import pytest
import redis.asyncio
import redis.utils
from redis import exceptions as redis_errors

from aiojobs_redis._redis import memory
from aiojobs_redis._redis.connection import Server
from aiojobs_redis._redis.faults import Fault, classify
from aiojobs_redis.version import VERSION
from tests.support.servers import ServerProcess
from tests.support.waiting import wait_until

BLOCKING = ("BZPOPMIN", "no-such-key", 30)


async def connections(client: redis.asyncio.Redis) -> int:
    return len(await client.client_list())


async def blocked(client: redis.asyncio.Redis) -> bool:
    found: bool = (await client.info("clients"))["blocked_clients"] > 0
    return found


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


async def test_the_server_is_told_who_connects_at_no_cost(
    own_server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    Server.from_url(own_server.url)
    looked_up: list[str] = []
    # What redis-py does for each connection that is not told: it takes milliseconds.
    monkeypatch.setattr(redis.utils, "get_lib_version", lambda: looked_up.append("asked"))
    link = Server.from_url(own_server.url).link()
    clients = (await link.call("CLIENT", "LIST")).decode()
    await link.close()

    assert f"lib-name=redis-py(aiojobs-redis_v{VERSION})" in clients
    assert f"lib-ver={redis.__version__}" in clients
    assert looked_up == []


async def test_a_call_has_a_deadline_and_the_late_reply_is_never_read(server_url: str) -> None:
    link = Server.from_url(server_url).link(timeout=5.0)
    await link.call("PING")
    start = time.monotonic()
    with pytest.raises(redis_errors.TimeoutError, match=r"within 0\.1 s"):
        await link.call(*BLOCKING, timeout=0.1)
    assert time.monotonic() - start < 4
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
    assert time.monotonic() - start < 10
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
    link = Server.from_url(own_server.url).link(timeout=1.0)
    await link.call("PING")
    own_server.pause()
    start = time.monotonic()
    with pytest.raises(redis_errors.TimeoutError):
        await link.call("INCR", "n")
    assert time.monotonic() - start < 2
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
    assert time.monotonic() - start < 4, "the deadline of this link, not the usual one"
    own_server.resume()
    assert sync.call("ECHO", "mine") == b"mine"
    sync.close()
