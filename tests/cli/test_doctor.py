"""`doctor` names each fault that is provoked, with its fix, and ends with exit code 1."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from aiojobs_redis import Queue, Worker
from aiojobs_redis.cli import server_checks
from aiojobs_redis.cli.checks import examine
from aiojobs_redis.cli.server_checks import Finding
from tests.cli.conftest import App
from tests.support.servers import ServerProcess, find_servers
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requirement("R20")

CHECKS = [
    *("latency", "server version", "maxmemory-policy", "persistence", "guarantees", "clock skew"),
    *("ACL rights", "scripts", "workers", "paused", "waiting jobs", "parked jobs", "records"),
]


@pytest.fixture(scope="module", params=[n for n in ("valkey", "redis") if n in find_servers()])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """A server whose settings these tests may change."""
    folder = tmp_path_factory.mktemp("doctor")
    server = ServerProcess(find_servers()[request.param], folder, "--appendonly", "yes")
    server.start()
    yield server
    server.remove()


@pytest.fixture
def client(server: ServerProcess) -> Iterator[Any]:
    with redis.Redis(unix_socket_path=str(server.socket), protocol=2) as client:
        yield client


@pytest.fixture
async def queue(server: ServerProcess) -> Any:
    queue = Queue(f"q{uuid.uuid4().hex[:12]}", url=server.url, namespace="test")

    @queue.task
    async def add(a: int) -> int:
        return a

    yield queue
    await queue.destroy(force=True)
    await queue.close()


async def findings(queue: Queue) -> dict[str, Finding]:
    return {finding.check: finding async for finding in examine(queue, "app:queue")}


async def test_a_healthy_queue_has_no_finding(queue: Queue) -> None:
    await queue.enqueue("add", 1)
    async with Worker(queue):
        await queue.job((await queue.enqueue("add", 2)).id).result(10)
        found = await findings(queue)

    assert list(found) == CHECKS
    # What is known against a release is no fault of the queue.
    assert [f for f in found.values() if f.status != "ok" and f.check != "server version"] == []
    assert "append-only file" in found["persistence"].message


async def test_an_eviction_policy_is_named(queue: Queue, client: Any) -> None:
    client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        found = (await findings(queue))["maxmemory-policy"]
    finally:
        client.config_set("maxmemory-policy", "noeviction")

    assert (found.status, found.message) == ("failed", "allkeys-lru: jobs can be evicted")
    assert "maxmemory-policy noeviction" in found.fix


def is_rewriting(client: Any) -> bool:
    about = client.info("persistence")
    return bool(about["aof_rewrite_in_progress"] or about["aof_rewrite_scheduled"])


async def test_missing_persistence_is_named(queue: Queue, client: Any) -> None:
    client.config_set("appendonly", "no")
    try:
        none = (await findings(queue))["persistence"]
        client.config_set("save", "60 1")
        snapshots = (await findings(queue))["persistence"]
    finally:
        client.config_set("save", "")
        client.config_set("appendonly", "yes")
        # Redis 7.0 ignores SIGTERM while it writes the first append-only file.
        await wait_until(lambda: not is_rewriting(client), "the append-only file", timeout=30)

    assert (none.status, none.message.partition(":")[0]) == ("failed", "none")
    assert "appendonly yes" in none.fix
    assert (snapshots.status, snapshots.message[:14]) == ("warning", "snapshots only")


async def test_a_paused_queue_and_missing_workers_are_named(queue: Queue) -> None:
    await queue.enqueue("add", 1)
    await queue.pause()

    found = await findings(queue)

    assert found["paused"].status == found["workers"].status == "failed"
    assert "queue.resume()" in found["paused"].fix
    assert "1 jobs are unfinished" in found["workers"].message
    assert found["workers"].fix == "Start one: aiojobs-redis worker app:queue"


async def test_an_index_member_without_a_record_is_named(queue: Queue, client: Any) -> None:
    await queue.enqueue("add", 1, id="lost", delay=60)
    client.hdel(f"test:{{{queue.name}}}:jobs", "lost")
    try:
        found = (await findings(queue))["records"]
    finally:
        client.zrem(f"test:{{{queue.name}}}:scheduled", "lost")

    assert found.status == "failed"
    assert "1 index members without a record (lost in scheduled)" in found.message


async def test_a_record_without_an_index_is_named(queue: Queue, client: Any) -> None:
    await queue.enqueue("add", 1, id="stray", delay=60)
    client.zrem(f"test:{{{queue.name}}}:scheduled", "stray")

    found = (await findings(queue))["records"]

    assert (found.status, found.message) == ("failed", "1 records in no index (stray)")


async def test_parked_jobs_are_named_with_their_task(queue: Queue) -> None:
    job = await queue.enqueue("unknown_task")

    async def parked() -> bool:
        return await job.state() == "blocked"

    async with Worker(queue):
        await wait_until(parked, "the job to be parked")
        found = (await findings(queue))["parked jobs"]

    assert found.status == "warning"
    assert "1 jobs wait for a worker that knows unknown_task" in found.message


@pytest.mark.parametrize(
    ("rules", "said", "fix"),
    [
        ("~* &* +@all -zadd -hset", "commands hset, zadd", "+hset +zadd"),
        ("~other:* &* +@all", "keys test:{", "~test:{"),
        ("~* resetchannels +@all", "channels test:{", "&test:{"),
        ("~* &* +@all -evalsha", "commands evalsha", "+evalsha"),
        ("~* &* +@all -script", "commands script|load", "+script|load"),
    ],
)
async def test_missing_rights_are_named(
    queue: Queue, server: ServerProcess, client: Any, rules: str, said: str, fix: str
) -> None:
    client.execute_command("ACL", "SETUSER", "limited", "reset", "on", ">pw", *rules.split())
    limited = Queue(queue.name, url=f"unix://limited:pw@{server.socket}", namespace="test")
    try:
        found = (await findings(limited))["ACL rights"]
    finally:
        await limited.close()
        client.execute_command("ACL", "DELUSER", "limited")

    assert found.status == "failed"
    assert found.message.startswith("limited may not use ")
    assert said in found.message
    assert found.fix.startswith("ACL SETUSER limited ")
    assert fix in found.fix


async def test_a_user_with_little_more_than_it_needs_is_checked_too(
    queue: Queue, server: ServerProcess, client: Any
) -> None:
    rules = "~test:* &test:* +@all -@admin -@dangerous +info"
    client.execute_command("ACL", "SETUSER", "limited", "reset", "on", ">pw", *rules.split())
    limited = Queue(queue.name, url=f"unix://limited:pw@{server.socket}", namespace="test")
    try:
        found = await findings(limited)
    finally:
        await limited.close()
        client.execute_command("ACL", "DELUSER", "limited")

    assert found["ACL rights"].status == "ok"
    assert found["persistence"].status == "ok"


async def test_rights_that_cannot_be_asked_for_are_a_warning(
    queue: Queue, server: ServerProcess, client: Any
) -> None:
    rules = ["~*", "&*", "+@all", "-multi"]
    client.execute_command("ACL", "SETUSER", "limited", "reset", "on", ">pw", *rules)
    limited = Queue(queue.name, url=f"unix://limited:pw@{server.socket}", namespace="test")
    try:
        found = (await findings(limited))["ACL rights"]
    finally:
        await limited.close()
        client.execute_command("ACL", "DELUSER", "limited")

    assert (found.status, found.message[:11]) == ("warning", "not checked")


class Diagnosis:
    """Answers as a server would that cannot be had here: far away, or with a wrong clock."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    async def round_trips(self, count: int) -> list[float]:
        return [self.seconds] * count

    async def skew(self) -> float:
        return self.seconds


@pytest.mark.parametrize(("seconds", "status"), [(0.001, "ok"), (0.02, "warning"), (0.5, "failed")])
async def test_a_slow_network_is_named(seconds: float, status: str) -> None:
    found = await server_checks.check_latency(Diagnosis(seconds))  # type: ignore[arg-type]

    assert found.status == status
    assert f"{seconds * 1000:.2f} ms" in found.message


@pytest.mark.parametrize(("seconds", "status"), [(0.5, "ok"), (-3.0, "failed"), (60.0, "failed")])
async def test_clocks_that_differ_are_named(seconds: float, status: str) -> None:
    found = await server_checks.check_skew(Diagnosis(seconds))  # type: ignore[arg-type]

    assert found.status == status
    assert ("behind" if seconds < 0 else "ahead") in found.message


def test_each_finding_is_a_line_with_its_fix_and_the_exit_code_is_1(app: App) -> None:
    app.do(lambda queue: queue.pause())

    result = app.run("doctor", "APP")
    as_json = [json.loads(line) for line in app.run("doctor", "APP", "--json").stdout.splitlines()]

    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert len(lines) == len(CHECKS)
    assert any(line.startswith("failed   paused: ") and "Fix: " in line for line in lines)
    assert [finding["check"] for finding in as_json] == CHECKS
    assert {finding["status"] for finding in as_json} <= {"ok", "warning", "failed"}


def test_the_exit_code_is_0_when_no_check_failed(app: App, server: ServerProcess) -> None:
    kept = App(app.folder, f"{app.name}-kept".replace("-", "_"), server.url)
    with kept.worker():
        waited = kept.run("enqueue", "APP", "add", "1", "--wait", "--timeout", "30")
        result = kept.run("doctor", "APP")

    assert waited.exit_code == 0, waited.output
    assert result.exit_code == 0, result.output
    assert result.stderr == "no check failed\n"
