"""The master of a Sentinel group is killed under load: nothing is lost, work goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from aiojobs_redis import NotReplicated, Queue, QueueUnavailable, Replicated, check_history
from tests.support.figures import record
from tests.support.invariants import faults
from tests.support.replication import sync
from tests.support.sentinels import Group, guarded
from tests.support.servers import find_servers
from tests.support.snapshots import snapshot
from tests.support.tiers import sizes
from tests.support.waiting import wait_until
from tests.support.worker_process import WorkerHost

SERVERS = find_servers()
WORKERS, SLOTS, BATCH = 2, 5, 10
# Pass criterion of F14: first work after the new master is known.
RECOVERY = 1.5


class Producer:
    """Enqueues jobs, and each again under its id until a replica has confirmed it.

    Attributes:
        ids: Ids of what was confirmed.
        repeated: Batches that had to be sent more than once.
    """

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self.ids: list[str] = []
        self.repeated = 0
        self.ending = asyncio.Event()

    async def run(self) -> None:
        while not self.ending.is_set():
            ids = [f"job-{len(self.ids) + n}" for n in range(BATCH)]
            calls = [self._queue.bind("brief", id=id, lease=2, max_deliveries=50) for id in ids]
            while True:
                try:
                    await self._queue.enqueue_many(calls)
                    break
                except (NotReplicated, QueueUnavailable):
                    self.repeated += 1
                    await asyncio.sleep(0.02)
            self.ids += ids
            # What the workers can do, and no more: the queue is never empty and never long.
            await wait_until(self._is_short, "the workers to catch up", timeout=60)

    async def _is_short(self) -> bool:
        try:
            return self.ending.is_set() or (await self._queue.counts()).queued <= 20 * BATCH
        except QueueUnavailable:
            return True


@pytest.mark.requirement("B35")
@pytest.mark.requirement("F14")
@sizes(
    ci={"failovers": 1, "server": "valkey"},
    whole={"failovers": 30, "server": "redis" if "redis" in SERVERS else "valkey"},
)
async def test_failovers_under_load_lose_nothing(tmp_path: Path, size: dict[str, Any]) -> None:
    async with guarded(SERVERS[size["server"]], tmp_path / "group") as group:
        await fail_over_under_load(group, tmp_path, size)


async def fail_over_under_load(group: Group, tmp_path: Path, size: dict[str, Any]) -> None:
    host = WorkerHost(group.url, "q", tmp_path)
    durability = Replicated(1, timeout=0.5)
    queue = Queue("q", group.url, namespace="test", durability=durability)
    history = tmp_path / "history"
    recorder = queue.record_history(history)
    producer = Producer(queue)
    recovery: list[float] = []
    try:
        producing = asyncio.create_task(producer.run())
        workers = [host.start(SLOTS, history=history) for _ in range(WORKERS)]
        await host.wait_for("started", 50)
        for _ in range(size["failovers"]):
            with recorder.fault("failover"):
                at = await group.fail_over()

                def starts(since: float = at) -> list[float]:
                    if producing.done():
                        producing.result()
                    return [line.at for line in host.journal("started") if line.at > since]

                await wait_until(starts, "work on the new master", timeout=20)
                recovery.append(min(starts()) - at)
                await group.heal()
        producer.ending.set()
        await producing

        async def drained() -> bool:
            return (await queue.counts()).completed == len(producer.ids)

        await wait_until(drained, "all jobs to complete", timeout=60)
        assert [worker.code for worker in workers] == [None] * WORKERS
        states = await queue.states(producer.ids)
        recorder.mark("drained")
    finally:
        recorder.close()
        host.end()
        await queue.close()

    assert set(states.values()) == {"completed"}
    with sync(group.master()) as client:
        copy = snapshot(client, "test", "q")
    assert copy is None or faults(copy) == []
    report = check_history(history)
    assert report.violations == []
    record(
        "F14",
        n=len(producer.ids),
        lost=report.lost,
        caused=sum(report.causes.values()),
        uncaused=report.causes.get("uncaused", 0),
        recovery=recovery,
        tier=size["tier"],
        note=f"{size['failovers']} failovers, {producer.repeated} batches sent again",
    )
    assert report.lost == 0
    assert max(recovery) <= RECOVERY + size["slack"]
