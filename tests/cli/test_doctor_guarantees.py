"""`doctor` tells what the server's settings are worth, and what is known against its release."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from aiojobs_redis import Durability, Fsynced, Queue, Replicated
from aiojobs_redis._redis.advisories import ADVISORIES, advisories_for
from aiojobs_redis._redis.diagnosis import Diagnosis
from aiojobs_redis._redis.probe import ServerInfo
from aiojobs_redis._redis.settings import Settings
from aiojobs_redis.cli.semantics import ROWS, improvements, row_of
from aiojobs_redis.cli.server_checks import (
    Finding,
    check_guarantees,
    check_rights,
    check_version,
)
from tests.support.replication import replicated, sync
from tests.support.servers import ServerProcess, find_servers

SERVERS = find_servers()


@pytest.fixture(params=list(SERVERS))
async def servers(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Any]:
    """A master with an append-only file and a replica, of each kind of server in turn."""
    async with replicated(SERVERS[request.param], tmp_path, "--appendonly", "yes") as group:
        yield group


async def guarantees(url: str, durability: Durability | None = None) -> Finding:
    async with Queue("q", url, durability=durability) as queue:
        return await check_guarantees(Diagnosis(queue.store), queue)


@pytest.mark.requirement("B36")
async def test_the_row_that_applies_is_told(servers: list[ServerProcess]) -> None:
    master, _ = servers
    found = await guarantees(master.url)
    assert found.status == "ok"
    assert found.message.startswith("append-only file, fsync everysec. Of acknowledged jobs")
    assert "loses power: 1 to 2 s lost" in found.message
    for advice in ("appendfsync always", "min-replicas-to-write 1", "Replicated(1)"):
        assert advice in found.message
    with sync(master) as client:
        client.config_set("appendfsync", "always")
        client.config_set("min-replicas-to-write", 1)
    found = await guarantees(master.url, Replicated(1, timeout=2))
    assert found.message.startswith("append-only file, fsync always.")
    assert "This queue waits for Replicated(replicas=1, timeout=2)." in found.message
    assert "To lose less" not in found.message
    with sync(master) as client:
        client.config_set("no-appendfsync-on-rewrite", "yes")
    found = await guarantees(master.url, Replicated(1))
    assert "loses power: up to 30 s lost if it happens in a rewrite" in found.message
    assert "To lose less: 'no-appendfsync-on-rewrite no'" in found.message
    with sync(master) as client:
        client.config_set("appendonly", "no")
        assert (await guarantees(master.url)).message.startswith("no persistence.")
        client.config_set("save", "3600 1")
        assert (await guarantees(master.url)).message.startswith("snapshots only.")


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ("+@all -config", "append-only file, fsync everysec.*That is for the default"),
        ("+@all -config -info", "not known: the server does not tell its settings"),
    ],
)
async def test_a_server_that_does_not_tell_is_a_warning_with_what_to_allow(
    servers: list[ServerProcess], rules: str, words: str
) -> None:
    master, _ = servers
    with sync(master) as client:
        client.execute_command(*f"ACL SETUSER u on >p ~* &* {rules}".split())
    found = await guarantees(master.url.replace("//", "//u:p@"))
    assert found.status == "warning"
    assert re.search(words, found.message)
    assert "CONFIG GET" in found.fix


async def test_a_durability_needs_the_right_to_ask(servers: list[ServerProcess]) -> None:
    master, _ = servers
    # Redis 7.0 does not know WAITAOF, which is no matter of rights.
    old = master.binary == SERVERS.get("redis")
    rules = "~* &* +@all -wait" + " -waitaof" * (not old)
    with sync(master) as client:
        client.execute_command(*f"ACL SETUSER u on >p {rules}".split())
    url = master.url.replace("//", "//u:p@")
    asked: list[Durability | None] = [None, Replicated(1), Fsynced()]
    fixes: list[str] = []
    for durability in asked:
        async with Queue("q", url, durability=durability) as queue:
            fixes.append((await check_rights(Diagnosis(queue.store), queue)).fix)
    assert fixes[0] == ""
    assert fixes[1].endswith("+wait")
    assert fixes[2].endswith("+waitaof") or old


@pytest.mark.parametrize(
    ("settings", "row", "advice"),
    [
        (Settings("none"), "no persistence", ["appendonly yes"]),
        (Settings("snapshots", policy="allkeys-lru"), "snapshots only", ["append", "noeviction"]),
        (Settings("aof", "no"), "append-only file, fsync no", ["appendfsync everysec"]),
        (Settings("aof", "always", replicas=0), "append-only file, fsync always", []),
        (
            Settings("aof", "everysec", fsync_in_rewrite=False),
            "append-only file, fsync everysec",
            ["appendfsync always", "no-appendfsync-on-rewrite no"],
        ),
        (
            Settings("aof", "always", fsync_in_rewrite=False),
            "append-only file, fsync always, no-appendfsync-on-rewrite yes",
            ["no-appendfsync-on-rewrite no"],
        ),
        (
            Settings("aof", "always", fsync_in_rewrite=True),
            "append-only file, fsync always",
            [],
        ),
        (Settings(), None, []),
    ],
)
def test_settings_have_one_row_and_their_own_advice(
    settings: Settings, row: str | None, advice: list[str]
) -> None:
    assert row_of(settings) == row
    assert row is None or row in ROWS
    found = improvements(settings, None)
    assert len(found) == len(advice)
    assert all(words in text for words, text in zip(advice, found, strict=True))


@pytest.mark.parametrize("scheme", ["redis", "redis+cluster"])
async def test_what_a_queue_would_refuse_is_not_advised(scheme: str) -> None:
    class Known:
        async def settings(self) -> Settings:
            return Settings("aof", "always", replicas=2, min_replicas=1)

    queue = Queue("q", f"{scheme}://127.0.0.1:1")
    found = await check_guarantees(Known(), queue)  # type: ignore[arg-type]
    assert ("Replicated(1)" in found.message) is (scheme == "redis")


# Releases


@pytest.mark.requirement("S24")
@pytest.mark.parametrize("advisory", ADVISORIES, ids=lambda advisory: advisory.name)
def test_a_release_is_bad_up_to_the_one_that_is_sound(advisory: Any) -> None:
    for (major, minor), patch in advisory.sound.items():
        last_bad = ServerInfo(f"{major}.{minor}.{patch - 1}", advisory.valkey, None)
        sound = ServerInfo(f"{major}.{minor}.{patch}", advisory.valkey, None)
        other = ServerInfo(f"{major}.{minor}.{patch - 1}", not advisory.valkey, None)
        assert advisory in advisories_for(last_bad)
        assert advisory not in advisories_for(sound)
        assert advisory not in advisories_for(other)


@pytest.mark.requirement("S24")
@pytest.mark.parametrize("version", ["", "unknown", "8", "8.6", "99.1.2", "9.1.2-rc1"])
def test_nothing_is_known_against_other_releases(version: str) -> None:
    assert advisories_for(ServerInfo(version, is_valkey=True, maxmemory_policy=None)) == []


@pytest.mark.requirement("S24")
@pytest.mark.parametrize(
    ("version", "status", "words"),
    [
        ("7.0.15", "warning", ("end of life", "CVE-2025-49844")),
        ("8.6.2", "warning", ("CVE-2026-23479: use after free",)),
        ("8.6.5", "warning", ("CVE-2026-81934",)),
        ("8.6.6", "ok", ()),
    ],
)
async def test_a_bad_release_is_a_warning(version: str, status: str, words: Any) -> None:
    class Known:
        async def server(self) -> ServerInfo:
            return ServerInfo(version, is_valkey=False, maxmemory_policy="noeviction")

    found = await check_version(Known())  # type: ignore[arg-type]
    assert found.status == status
    assert found.message.startswith(f"Redis {version}")
    assert all(word in found.message for word in words)
    assert bool(found.fix) is (status == "warning")
