from __future__ import annotations

import asyncio
import logging

import pytest
import redis.asyncio
from redis import exceptions as redis_errors

from aiojobs_redis import Queue
from aiojobs_redis._redis.connection import Server
from aiojobs_redis._redis.faults import Fault, classify, translate
from aiojobs_redis._redis.link import Link
from aiojobs_redis._redis.probe import check_server
from aiojobs_redis.errors import (
    AiojobsError,
    QueueFull,
    QueueUnavailable,
    RedisIncompatible,
)
from tests.support.servers import ServerProcess, free_port

SECRET = "S3CR3T-p4ss"


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


async def test_a_cluster_of_which_no_node_answers_is_unavailable() -> None:
    queue = Queue("q", f"redis+cluster://127.0.0.1:{free_port()}", namespace="test")
    with pytest.raises(QueueUnavailable, match=r"Redis at cluster .* is not available"):
        await queue.connect()
    await queue.close()
