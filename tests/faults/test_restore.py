"""A backup is taken under load and restored on a new server, while the old workers are alive."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import redis

from aiojobs_redis import check_history
from tests.support.figures import record
from tests.support.invariants import faults
from tests.support.replication import sync
from tests.support.servers import ServerProcess, find_servers, free_port
from tests.support.snapshots import snapshot
from tests.support.tiers import sizes
from tests.support.waiting import wait_until
from tests.support.worker_app import build
from tests.support.worker_process import WorkerHost

SERVERS = find_servers()
WORKERS, SLOTS = 2, 10
# Longer than the 3 s after which a restored queue first waits for its workers to renew.
HELD_LEASE = 4
# As docs/backup.md has it.
AHEAD = 1_000_000_000


WAYS = {"snapshot": (), "append-only file": ("--appendonly", "yes")}
SYSTEM = "redis" if "redis" in SERVERS else "valkey"


@pytest.fixture(params=[("valkey", "append-only file"), (SYSTEM, "snapshot")], ids="-".join)
def backup(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backup]:
    """A server, and one of the same address in a folder of its own that is not started yet."""
    name, way = request.param
    port = free_port()
    old, new = (
        ServerProcess(SERVERS[name], tmp_path / side, *WAYS[way], port=port) for side in "ab"
    )
    yield Backup(old, new, way)
    for server in (old, new):
        server.remove()


class Backup(NamedTuple):
    """The server that is lost, the one that takes its place, and the way from one to the other."""

    old: ServerProcess
    new: ServerProcess
    way: str

    def take(self) -> None:
        """Take a backup as the runbook says, and lay it where the new server looks for it."""
        with sync(self.old) as client:
            self.new.folder.mkdir()
            if self.way == "snapshot":
                self._snapshot(client)
                shutil.copy(self.old.folder / "dump.rdb", self.new.folder)
                return
            client.config_set("auto-aof-rewrite-percentage", 0)
            self._wait_for(lambda: not client.info("persistence")["aof_rewrite_in_progress"])
            name = "appendonlydir"
            shutil.copytree(self.old.folder / name, self.new.folder / name)

    def _snapshot(self, client: redis.Redis) -> None:
        before = client.lastsave()
        client.bgsave()
        self._wait_for(lambda: not client.info("persistence")["rdb_bgsave_in_progress"])
        # The time of the last snapshot has no finer grain than a second.
        assert client.lastsave() >= before
        assert client.info("persistence")["rdb_last_bgsave_status"] == "ok"

    def _wait_for(self, held: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not held():
            assert time.monotonic() < deadline, f"the {self.way} was not there in time"
            time.sleep(0.02)


@pytest.mark.requirement("B36")
@sizes(ci={"jobs": 200, "held": 5}, whole={"jobs": 3000, "held": 5})
async def test_a_backup_of_a_working_queue_is_restored_under_its_workers(
    backup: Backup, tmp_path: Path, size: dict[str, Any]
) -> None:
    old, new, _ = backup
    await asyncio.to_thread(old.start)
    host = WorkerHost(old.url, "q", tmp_path)
    queue = build(old.url, "q", str(tmp_path / "unused"))
    history = tmp_path / "history"
    recorder = queue.record_history(history)
    try:
        workers = [host.start(SLOTS, history=history) for _ in range(WORKERS)]
        gate = str(host.gate())

        async def add(name: str) -> list[str]:
            calls = [queue.bind("brief", id=f"{name}-{n}", lease=2) for n in range(size["jobs"])]
            return [job.id for job in await queue.enqueue_many(calls)]

        async def hold(name: str) -> list[str]:
            calls = [
                queue.bind("hold", gate, id=f"{name}-{n}", lease=HELD_LEASE, priority=1)
                for n in range(size["held"])
            ]
            jobs = await queue.enqueue_many(calls)
            await wait_until(
                lambda: {job.id for job in jobs} <= {line.job for line in host.journal("started")},
                "the jobs to start",
                timeout=20,
            )
            return [job.id for job in jobs]

        # In the backup these are queued, or done, or held by a worker that goes on to hold them.
        kept = [*await hold("held-before"), *await add("before")]
        await host.wait_for("started", size["held"] + 10)
        await asyncio.to_thread(backup.take)
        with sync(old) as client:
            fence = int(client.hget("test:{q}:meta", "fence"))
        # These are not in it: enqueued, and some of them claimed and done, after it.
        forgotten = [*await hold("held-after"), *await add("after")]
        ran = {line.job for line in host.journal("started")}
        assert ran & set(forgotten)
        stale = {line.job: line.fence for line in host.journal("started")}

        began = time.monotonic()
        with recorder.fault("rewind"):
            await asyncio.to_thread(old.kill9)
            await asyncio.to_thread(new.start)
            with sync(new) as client:
                client.hincrby("test:{q}:meta", "fence", AHEAD)
                assert client.hmget("test:{q}:jobs", forgotten) == [None] * len(forgotten)
        # Workers find the restored queue by themselves, and are told what is theirs no more.
        held_after = [id for id in forgotten if id.startswith("held-after")]
        await wait_until(
            lambda: {line.job for line in host.journal("lost")} >= set(held_after),
            "the workers to give up what the backup does not know",
            timeout=30,
        )
        seconds = time.monotonic() - began
        # What a producer had enqueued since is enqueued again, under the same ids.
        again = [*await add("after"), *await hold("held-after")]
        assert sorted(again) == sorted(forgotten)
        host.gate().touch()

        async def drained() -> bool:
            return (await queue.counts()).completed == len(kept) + len(forgotten)

        await wait_until(drained, "all jobs to complete", timeout=60)
        assert [worker.code for worker in workers] == [None] * WORKERS
        await queue.states([*kept, *forgotten])
        recorder.mark("drained")
    finally:
        recorder.close()
        host.end()
        await queue.close()

    with sync(new) as client:
        copy = snapshot(client, "test", "q")
    assert copy is not None
    assert faults(copy) == []
    report = check_history(history)
    assert report.violations == []
    assert report.lost == 0
    # What was handed out since the restore has larger fences than anything before it.
    later = [line for line in host.journal("started") if line.fence > fence + AHEAD // 2]
    assert later
    assert all(line.fence > stale.get(line.job, 0) for line in later)
    # A job of the backup that was held all the time was neither lost nor run twice.
    starts = [line.job for line in host.journal("started")]
    held_before = [id for id in kept if id.startswith("held-before")]
    assert [starts.count(id) for id in held_before] == [1] * size["held"]
    record(
        "B36",
        n=len(kept) + len(forgotten),
        lost=report.lost,
        caused=sum(report.causes.values()),
        uncaused=report.causes.get("uncaused", 0),
        recovery=[seconds],
        tier=size["tier"],
        note=f"a {backup.way} restored under living workers",
    )
