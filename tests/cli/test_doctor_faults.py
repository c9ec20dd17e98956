"""Each fault that `doctor` looks for, provoked on a real server and named by the command itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import App, changeable
from tests.support.byte_proxy import ByteProxy
from tests.support.faketime import WAYS, FakeClock
from tests.support.servers import ServerProcess, find_servers
from tests.support.waiting import wait_for

pytestmark = pytest.mark.requirement("R20")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server whose settings these tests may change."""
    with changeable(sorted(find_servers())[-1], tmp_path_factory) as server:
        yield server


@pytest.fixture
def sick(app: App, server: ServerProcess) -> Iterator[App]:
    """An application on that server."""
    made = App(app.folder, f"{app.name}_sick", server.url)
    yield made
    made.do(lambda queue: queue.destroy(force=True))


def named(app: App, check: str, status: str = "failed") -> str:
    """Return the line of a check, of which there is one, with its fix."""
    result = app.run("doctor", "APP")

    assert result.exit_code == 1, result.output
    (line,) = [each for each in result.stdout.splitlines() if f" {check}: " in each]
    assert line.startswith(status)
    assert ". Fix: " in line
    return line


@contextlib.contextmanager
def setting(client: Any, name: str, value: str, after: str) -> Iterator[None]:
    client.config_set(name, value)
    try:
        yield
    finally:
        client.config_set(name, after)


def test_an_eviction_policy(sick: App, client: Any) -> None:
    with setting(client, "maxmemory-policy", "volatile-lru", "noeviction"):
        assert "volatile-lru: jobs can be evicted" in named(sick, "maxmemory-policy")


def test_no_persistence(sick: App, client: Any) -> None:
    def rewrites() -> bool:
        about = client.info("persistence")
        return bool(about["aof_rewrite_in_progress"] or about["aof_rewrite_scheduled"])

    with setting(client, "appendonly", "no", "yes"):
        assert "a restart of the server loses all jobs" in named(sick, "persistence")
    # Redis 7.0 ignores SIGTERM while it writes the first append-only file.
    wait_for(lambda: not rewrites(), "the append-only file", 30)


def test_no_workers_and_a_pause(sick: App) -> None:
    sick.do(lambda queue: queue.enqueue("add", 1))
    sick.do(lambda queue: queue.pause())

    assert f"aiojobs-redis worker {sick.ref}" in named(sick, "workers")
    assert f"aiojobs-redis queue resume {sick.ref}" in named(sick, "paused")


def test_an_index_member_without_a_record(sick: App, client: Any) -> None:
    sick.do(lambda queue: queue.enqueue("add", 1, id="lost", delay=60))
    client.hdel(f"test:{{{sick.name}}}:jobs", "lost")

    assert "1 index member without a record (lost in scheduled)" in named(sick, "records")
    client.zrem(f"test:{{{sick.name}}}:scheduled", "lost")


@pytest.mark.parametrize(
    ("rules", "check", "said"),
    [
        ("~* &* +@all -zadd -hset", "ACL rights", "may not use commands hset, zadd"),
        ("~other:* &* +@all", "ACL rights", "may not use keys test:{"),
        ("~* &* +@all -script", "scripts", "script"),
    ],
)
def test_rights_that_are_missing(
    sick: App, server: ServerProcess, client: Any, rules: str, check: str, said: str
) -> None:
    client.execute_command("ACL", "SETUSER", "limited", "reset", "on", ">pw", *rules.split())
    try:
        limited = App(sick.folder, sick.name + "_acl", f"unix://limited:pw@{server.socket}")
        assert said in named(limited, check)
    finally:
        client.execute_command("ACL", "DELUSER", "limited")


@pytest.mark.parametrize(("seconds", "status"), [(0.01, "warning"), (0.06, "failed")])
async def test_a_slow_network(app: App, server: ServerProcess, seconds: float, status: str) -> None:
    async with ByteProxy(server.socket) as proxy:
        proxy.delay = seconds
        slow = App(app.folder, f"{app.name}_slow", proxy.url)
        # No worker is there, so the exit code is 1 in either case.
        line = await asyncio.to_thread(named, slow, "latency", status)

    assert "ms (median of 20)" in line


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("seconds", "said"), [(60, "behind"), (-60, "ahead")])
def test_a_clock_that_is_wrong(
    sick: App, tmp_path: Path, way: str, seconds: int, said: str
) -> None:
    (sick.folder / "obeying.py").write_text(
        f"from tests.support.faketime import obey\nobey()\nfrom {sick.module} import queue\n"
    )
    root = Path(__file__).parents[2]
    with FakeClock(tmp_path / "clock", way, seconds).around():
        result = subprocess.run(
            [sys.executable, "-m", "aiojobs_redis", "doctor", "obeying:queue"],
            cwd=sick.folder,
            env=os.environ | {"PYTHONPATH": f"{root}:{os.environ.get('PYTHONPATH', '')}"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    assert result.returncode == 1, result.stderr
    (line,) = [each for each in result.stdout.splitlines() if " clock skew: " in each]
    assert line.startswith("failed")
    # It is the host that has the wrong clock here.
    assert f"s {said}. Fix: Let NTP set the clocks" in line


def test_a_server_that_is_not_there_is_exit_code_3(sick: App) -> None:
    away = App(sick.folder, sick.name + "_away", "redis://127.0.0.1:1/0")
    result = away.run("doctor", "APP")

    assert (result.exit_code, result.stdout) == (3, "")
    assert "Redis at 127.0.0.1:1/0 is not available" in result.stderr
