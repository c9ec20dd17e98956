"""A queue with a durability: what is confirmed is on the copies, what is not is told exactly."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from aiojobs_redis import (
    ConfigInvalid,
    Fsynced,
    NotReplicated,
    Queue,
    RedisIncompatible,
    Replicated,
)
from aiojobs_redis._redis import confirmation
from tests.support.proxy import Proxy, runs_script
from tests.support.replication import ids_on, replicated, sync
from tests.support.servers import ServerProcess, find_servers, free_port
from tests.support.waiting import wait_until

SERVERS = find_servers()
# Longer than a replica on a busy machine takes, shorter than a test may.
SURE, SOON = Replicated(1, timeout=10), Replicated(1, timeout=0.05)


@pytest.fixture(params=list(SERVERS))
async def group(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Any]:
    """A master and a replica of each kind of server in turn."""
    async with replicated(SERVERS[request.param], tmp_path) as servers:
        yield servers


def waits(server: ServerProcess) -> int:
    with sync(server) as client:
        stats: dict[str, Any] = client.info("commandstats")
    return int(stats.get("cmdstat_wait", {}).get("calls", 0))


@pytest.mark.requirement("F15")
async def test_each_way_to_enqueue_waits_for_the_replica(group: list[ServerProcess]) -> None:
    master, replica = group
    async with Queue("q", master.url, durability=SURE) as queue:
        before = waits(master)
        jobs = [await queue.enqueue("work", n) for n in range(3)]
        assert ids_on(replica, "q") == {job.id for job in jobs}
        assert waits(master) == before + 3
        jobs += await queue.enqueue_many([queue.bind("work", n) for n in range(600)])
        assert ids_on(replica, "q") == {job.id for job in jobs}
        assert waits(master) == before + 6
        jobs += await asyncio.gather(*(queue.enqueue("work", n) for n in range(500)))
        assert ids_on(replica, "q") == {job.id for job in jobs}
        # Callers that come together share a question as they share a script.
        assert before + 8 <= waits(master) <= before + 10


async def test_a_queue_without_a_durability_asks_nobody(group: list[ServerProcess]) -> None:
    async with Queue("q", group[0].url) as queue:
        before = waits(group[0])
        await queue.enqueue("work")
        await asyncio.gather(*(queue.enqueue("work", n) for n in range(50)))
        assert waits(group[0]) == before


@pytest.mark.requirement("F15")
async def test_a_frozen_replica_is_told_of_with_handles_and_numbers(
    group: list[ServerProcess],
) -> None:
    master, replica = group
    replica.pause()
    async with Queue("q", master.url, durability=SOON) as queue:
        with pytest.raises(NotReplicated, match=r"within 0\.05 s 0 of 1 replicas") as caught:
            await queue.enqueue("work", id="one")
        error = caught.value
        assert [(job.id, job.created) for job in error.jobs] == [("one", True)]
        assert [job.id for job in error.unconfirmed] == ["one"]
        assert (error.replicas, error.fsynced, error.timeout) == (0, False, 0.05)
        assert await error.jobs[0].state() == "queued"
        # Each of several callers hears of his own.
        told: list[Any] = await asyncio.gather(
            *(queue.enqueue("work", id=f"many-{n % 8}") for n in range(10)), return_exceptions=True
        )
        assert [error.jobs[0].id for error in told] == [f"many-{n % 8}" for n in range(10)]
        assert [error.jobs[0].created for error in told] == [True] * 8 + [False] * 2
        replica.resume()
    async with Queue("q", master.url, durability=SURE) as queue:
        # To enqueue again adds nothing, and asks for the confirmation again.
        assert not (await queue.enqueue("work", id="one")).created
        assert ids_on(replica, "q") == {"one", *(f"many-{n}" for n in range(8))}


async def test_a_bulk_stops_at_the_batch_that_is_not_confirmed(
    group: list[ServerProcess],
) -> None:
    master, replica = group
    replica.pause()
    async with Queue("q", master.url, durability=SOON) as queue:
        with pytest.raises(NotReplicated) as caught:
            await queue.enqueue_many([queue.bind("work", n, id=f"{n}") for n in range(300)])
        assert [job.id for job in caught.value.unconfirmed] == [f"{n}" for n in range(250)]
        assert caught.value.jobs == caught.value.unconfirmed
        assert (await queue.counts()).queued == 250
    replica.resume()


@pytest.mark.requirement("F26")
@pytest.mark.parametrize("script", ["enqueue_one", "enqueue"])
async def test_a_resent_enqueue_is_not_confirmed_by_a_connection_that_wrote_nothing(
    group: list[ServerProcess], script: str
) -> None:
    master, replica = group
    async with Proxy(master.socket) as proxy, Queue("q", proxy.url, durability=SOON) as queue:
        for number in range(2):
            with contextlib.suppress(NotReplicated):
                await queue.enqueue("work", id=f"first-{number}")
        replica.pause()
        # What is still on its way to the frozen replica is this job alone.
        proxy.drop_reply_of(runs_script(script))
        options = {"priority": 1} if script == "enqueue" else {}
        with pytest.raises(NotReplicated):
            await queue.enqueue("work", id="lost", **options)
        assert proxy.dropped()
        assert (await queue.counts()).queued == 3
    replica.resume()


async def test_a_lost_answer_of_the_replicas_is_asked_for_again(
    group: list[ServerProcess],
) -> None:
    async with (
        Proxy(group[0].socket) as proxy,
        Queue("q", proxy.url, durability=SURE) as queue,
    ):
        await queue.enqueue("work")
        proxy.drop_reply_of(lambda words: words[0] == b"WAIT")
        await queue.enqueue("work", id="once")
        assert proxy.dropped()
        sent = [words[0] for words in proxy.seen if words[0] in {b"EVALSHA", b"WAIT"}]
        assert sent[-4:] == [b"EVALSHA", b"WAIT"] * 2
        assert (await queue.counts()).queued == 2


async def test_a_server_that_goes_away_while_it_is_asked_leaves_no_doubt(tmp_path: Path) -> None:
    async with (
        replicated(SERVERS["valkey"], tmp_path) as (master, replica),
        Queue("q", master.url, durability=Replicated(1, timeout=60)) as queue,
    ):
        await queue.enqueue("work", id="before")
        replica.pause()
        adding = asyncio.create_task(queue.enqueue("work", id="after"))
        with sync(master) as client:
            await wait_until(lambda: client.info("clients")["blocked_clients"], "a blocked call")
        master.kill9()
        with pytest.raises(NotReplicated, match="is not available") as caught:
            await adding
        assert [job.id for job in caught.value.unconfirmed] == ["after"]


async def test_a_user_who_may_not_ask_is_told_so(group: list[ServerProcess]) -> None:
    master, _ = group
    with sync(master) as client:
        client.execute_command("ACL", "SETUSER", "u", "on", ">p", "~*", "&*", "+@all", "-wait")
    url = master.url.replace("//", "//u:p@")
    async with Queue("q", url, durability=SURE) as queue:
        with pytest.raises(NotReplicated, match=r"(?s)0 of 1 replicas.*refused.*'wait'"):
            await queue.enqueue("work")


# On disk


ON_DISK = ("--appendonly", "yes", "--appendfsync", "always")
CANNOT = [
    ("redis", ("--appendonly", "yes"), r"WAITAOF, which Redis 7\.0.*upgrade to Redis 7\.2"),
    ("redis8", (), "append-only file, which is off.*CONFIG SET appendonly yes"),
    ("valkey", (), "append-only file, which is off.*CONFIG SET appendonly yes"),
    ("valkey", ("--appendonly", "yes"), "appendfsync everysec.*CONFIG SET appendfsync always"),
    (
        "valkey",
        (*ON_DISK, "--no-appendfsync-on-rewrite", "yes"),
        "'no-appendfsync-on-rewrite yes'.*CONFIG SET no-appendfsync-on-rewrite no",
    ),
]
CAN = [("redis8", "everysec"), ("redis8", "always"), ("valkey", "always")]


@pytest.mark.parametrize(
    ("name", "settings", "words"), [case for case in CANNOT if case[0] in SERVERS]
)
async def test_a_server_that_cannot_confirm_a_disk_is_refused_before_anything_is_written(
    tmp_path: Path, name: str, settings: tuple[str, ...], words: str
) -> None:
    server = ServerProcess(SERVERS[name], tmp_path, *settings, port=free_port())
    server.start()
    try:
        async with Queue("q", server.url, durability=Fsynced()) as queue:
            with pytest.raises(RedisIncompatible, match=f"{words}.*Nothing was written"):
                await queue.enqueue("work")
            assert (await queue.counts()).queued == 0
    finally:
        server.remove()


@pytest.mark.parametrize(("name", "policy"), [case for case in CAN if case[0] in SERVERS])
async def test_an_enqueue_is_on_disk_when_it_returns(
    tmp_path: Path, name: str, policy: str
) -> None:
    settings = ("--appendonly", "yes", "--appendfsync", policy)
    async with replicated(SERVERS[name], tmp_path, *settings) as (master, replica):
        async with Queue("q", master.url, durability=Fsynced(replicas=1, timeout=10)) as queue:
            await queue.enqueue("work")
            with sync(master) as client:
                client.config_set("appendfsync", "no")
            replica.pause()
        short = Fsynced(replicas=1, timeout=0.05)
        if policy == "always":
            with sync(master) as client:
                client.config_set("appendfsync", "always")
        async with Queue("q", master.url, durability=short) as queue:
            with pytest.raises(NotReplicated, match="0 of 1 replicas confirmed") as caught:
                await queue.enqueue("work")
            assert caught.value.fsynced is (policy == "always")
        replica.resume()


@pytest.fixture
def on_disk(tmp_path: Path) -> Iterator[ServerProcess]:
    """A Valkey that `Fsynced` can trust."""
    server = ServerProcess(SERVERS["valkey"], tmp_path, *ON_DISK, port=free_port())
    server.start()
    yield server
    server.remove()


def looks(server: ServerProcess) -> int:
    with sync(server) as client:
        stats: dict[str, Any] = client.info("commandstats")
    return int(stats["cmdstat_config|get"]["calls"])


async def test_a_server_is_looked_at_once_a_connection(on_disk: ServerProcess) -> None:
    async with Queue("q", on_disk.url, durability=Fsynced()) as queue:
        await queue.enqueue("work")
        before = looks(on_disk)
        for _ in range(10):
            await queue.enqueue("work")
        assert looks(on_disk) == before
        await asyncio.gather(*(queue.enqueue("work") for _ in range(50)))
        assert looks(on_disk) == before


async def test_a_connection_to_another_server_is_looked_at_before_it_writes(
    on_disk: ServerProcess,
) -> None:
    async with Queue("q", on_disk.url, durability=Fsynced()) as queue:
        await queue.enqueue("work")
        with sync(on_disk) as client:
            # As after a failover to a server that was set up otherwise.
            client.config_set("appendfsync", "everysec")
            client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        [link] = queue.store.server.pool()._links
        await wait_until(lambda: link.connection is None, "the connection to be known as lost")
        with pytest.raises(RedisIncompatible, match=r"'appendfsync everysec'.*Nothing was written"):
            await queue.enqueue("work")
        assert (await queue.counts()).queued == 1


async def test_a_connection_that_was_replaced_by_the_script_confirms_nothing(
    on_disk: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Queue("q", on_disk.url, durability=Fsynced()) as queue:
        plain, cut = queue.store.run, [True, False]

        def run(link: Any, name: str, *args: Any) -> Any:
            if cut and cut.pop():
                link.abort()
                with sync(on_disk) as client:
                    client.config_set("appendfsync", "everysec")
            return plain(link, name, *args)

        monkeypatch.setattr(queue.store, "run", run)
        await queue.enqueue("work")
        with pytest.raises(NotReplicated, match="appendfsync everysec") as caught:
            await queue.enqueue("work", id="one")
        assert "Nothing was written" not in str(caught.value)
        assert [job.id for job in caught.value.unconfirmed] == ["one"]
        assert (await queue.counts()).queued == 2


async def test_settings_that_change_under_a_connection_are_noticed(
    on_disk: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confirmation, "_LOOK_AGAIN", 0.0)
    async with Queue("q", on_disk.url, durability=Fsynced()) as queue:
        await queue.enqueue("work")
        with sync(on_disk) as client:
            client.config_set("no-appendfsync-on-rewrite", "yes")
        with pytest.raises(RedisIncompatible, match="no-appendfsync-on-rewrite yes"):
            await queue.enqueue("work")
        assert (await queue.counts()).queued == 1


# What may be asked for


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Replicated(0), "replicas must be a whole number from 1, got 0"),
        (lambda: Replicated(1, timeout=0), "timeout must be from 0.001 s"),
        (lambda: Fsynced(local=False), "replicas must be a whole number from 1, got 0"),
        (lambda: Fsynced(local=1), "local must be True or False, got 1"),  # type: ignore[arg-type]
        (lambda: Queue("q", durability=1), "durability must be Replicated"),  # type: ignore[arg-type]
        (lambda: Queue("q", "memory://x", durability=Replicated()), "not possible with"),
        (lambda: Queue("q", "redis+cluster://h:1", durability=Fsynced()), "not possible with"),
    ],
)
def test_a_durability_that_cannot_be_is_refused_at_once(make: Any, words: str) -> None:
    with pytest.raises(ConfigInvalid, match=re.escape(words)):
        make()
