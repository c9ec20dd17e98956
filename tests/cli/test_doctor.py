"""`doctor` names each fault that is provoked, with its fix, and ends with exit code 1."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from aiojobs_redis import Queue, Worker
from aiojobs_redis._redis import probe
from aiojobs_redis.cli import checks
from aiojobs_redis.cli.checks import examine
from aiojobs_redis.cli.server_checks import Finding
from tests.cli.conftest import App, changeable
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
    with changeable(request.param, tmp_path_factory) as server:
        yield server


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
    assert found["paused"].fix == "Resume it: aiojobs-redis queue resume app:queue"
    assert "1 unfinished job" in found["workers"].message
    assert found["workers"].fix == "Start one: aiojobs-redis worker app:queue"


async def test_an_index_member_without_a_record_is_named(queue: Queue, client: Any) -> None:
    await queue.enqueue("add", 1, id="lost", delay=60)
    client.hdel(f"test:{{{queue.name}}}:jobs", "lost")
    try:
        found = (await findings(queue))["records"]
    finally:
        client.zrem(f"test:{{{queue.name}}}:scheduled", "lost")

    assert found.status == "failed"
    assert "1 index member without a record (lost in scheduled)" in found.message


async def test_a_record_without_an_index_is_named(queue: Queue, client: Any) -> None:
    await queue.enqueue("add", 1, id="stray", delay=60)
    client.zrem(f"test:{{{queue.name}}}:scheduled", "stray")

    found = (await findings(queue))["records"]

    assert (found.status, found.message) == ("failed", "1 record in no index (stray)")


async def test_parked_jobs_are_named_with_their_task(queue: Queue) -> None:
    job = await queue.enqueue("unknown_task")

    async def parked() -> bool:
        return await job.state() == "blocked"

    async with Worker(queue):
        await wait_until(parked, "the job to be parked")
        found = (await findings(queue))["parked jobs"]

    assert found.status == "warning"
    assert "1 job for which no worker knows unknown_task" in found.message


async def test_jobs_that_wait_for_others_are_not_parked(queue: Queue) -> None:
    first = await queue.enqueue("add", 1, delay=60)
    await queue.enqueue("add", 2, depends_on=[first])

    assert (await queue.counts()).blocked == 1
    assert (await findings(queue))["parked jobs"].status == "ok"


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


async def stuck(queue: Queue) -> Finding:
    """Look until a job has waited long enough to be named."""
    found: list[Finding] = []

    async def named() -> bool:
        found.append((await findings(queue))["waiting jobs"])
        return found[-1].status != "ok"

    await wait_until(named, "the waiting job to be named", timeout=30)
    return found[-1]


async def test_jobs_that_wait_though_slots_are_free_are_named(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "_STUCK", 0.2)
    async with Worker(queue, concurrency=2) as worker:
        await queue.job((await queue.enqueue("add", 1)).id).result(10)
        # As one that hangs: it is alive, and claims nothing.
        worker.pause()
        # More than a claim that is on its way may take along.
        await queue.enqueue_many([queue.bind("add", number) for number in range(10)])
        found = await stuck(queue)

    assert found.status == "failed"
    assert re.match(r"(8|9|10) queued, the oldest for ", found.message)
    assert "though slots are free" in found.message
    assert "Send TTIN to the worker for stacks" in found.fix


async def test_jobs_that_wait_behind_busy_slots_are_a_warning(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "_STUCK", 0.2)
    gate = asyncio.Event()

    @queue.task
    async def hold() -> None:
        await gate.wait()

    async def busy() -> bool:
        return (await queue.counts()).running == 1

    async with Worker(queue, concurrency=1):
        await queue.enqueue("hold")
        await wait_until(busy, "the slot to be taken", timeout=30)
        await queue.enqueue("add", 2)
        found = await stuck(queue)
        gate.set()

    assert found.status == "warning"
    assert "1 slot, all busy" in found.message
    assert "raise their --concurrency" in found.fix


async def test_a_refused_script_is_named(queue: Queue, server: ServerProcess, client: Any) -> None:
    rules = ["~*", "&*", "+@all", "-script"]
    client.execute_command("ACL", "SETUSER", "limited", "reset", "on", ">pw", *rules)
    limited = Queue(queue.name, url=f"unix://limited:pw@{server.socket}", namespace="test")
    try:
        found = (await findings(limited))["scripts"]
    finally:
        await limited.close()
        client.execute_command("ACL", "DELUSER", "limited")

    assert found.status == "failed"
    assert "script" in found.message


@pytest.mark.parametrize("kind", ["_OLDEST_REDIS", "_OLDEST_VALKEY"])
async def test_a_server_that_is_too_old_is_named(
    queue: Queue, client: Any, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    is_valkey = "valkey_version" in client.info("server")
    # No such release can be had here, so the limit is raised over the one that there is.
    monkeypatch.setattr(probe, kind, (99, 0))

    found = (await findings(queue))["server version"]

    named = is_valkey == (kind == "_OLDEST_VALKEY")
    assert (found.status == "failed") is named
    assert ("99.0" in found.message) is named


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
