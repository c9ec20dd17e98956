"""A Cluster at work: a busy queue's slot moves from node to node, and a master is killed."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from aiojobs_redis import Queue, QueueUnavailable, Worker
from tests.support.clusters import Cluster, clustered, slot_of
from tests.support.figures import record
from tests.support.tiers import sizes_over_servers
from tests.support.waiting import wait_until

QUEUES = 8
# As F15 has it: work goes on within so many seconds of the new master.
RECOVERY = 5.0


class Load:
    """Queues on all nodes, one worker for all of them, and what its jobs have done.

    Args:
        url: The cluster.
    """

    def __init__(self, url: str) -> None:
        self.queues = [Queue(f"q{n}", url, namespace="test") for n in range(QUEUES)]
        self.runs: Counter[str] = Counter()
        self.last: dict[str, float] = {}
        self.ids: dict[str, list[str]] = {queue.name: [] for queue in self.queues}
        for queue in self.queues:
            self._add_task(queue)

    def _add_task(self, queue: Queue) -> None:
        @queue.task(lease=2.0)
        async def work(id: str) -> None:
            self.runs[id] += 1
            self.last[queue.name] = time.monotonic()
            await asyncio.sleep(0.01)

    async def enqueue(self, queue: Queue, count: int) -> None:
        """Add jobs, each again under its id until the answer came."""
        known = self.ids[queue.name]
        for number in range(len(known), len(known) + count):
            id = f"{queue.name}-{number}"
            await _answered(queue, id)
            known.append(id)

    async def enqueue_at_once(self, queue: Queue, count: int) -> None:
        """Add jobs in few calls, so that many wait."""
        known = self.ids[queue.name]
        ids = [f"{queue.name}-{number}" for number in range(len(known), len(known) + count)]
        await queue.enqueue_many([queue.bind("work", id, id=id) for id in ids])
        known += ids

    async def drained(self) -> bool:
        """Whether each of the jobs has completed."""
        try:
            counts = [(await queue.counts()).completed for queue in self.queues]
        except QueueUnavailable:
            return False
        return counts == [len(self.ids[queue.name]) for queue in self.queues]

    async def close(self) -> None:
        """Close the queues."""
        for queue in self.queues:
            await queue.close()


async def _answered(queue: Queue, id: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            await queue.enqueue("work", id, id=id)
            return
        except QueueUnavailable:
            assert time.monotonic() < deadline, "the queue does not come back"
            await asyncio.sleep(0.05)


@pytest.mark.requirement("B35")
@pytest.mark.requirement("F23")
@sizes_over_servers(ci={"jobs": 150, "moves": 6}, whole={"jobs": 2_000, "moves": 20})
async def test_slots_move_and_a_master_dies_under_load(
    tmp_path: Path, size: Mapping[str, Any]
) -> None:
    # In CI there is time for one of them.
    async with clustered(tmp_path, replicas=1, kind=size["servers"][0]) as cluster:
        load = Load(cluster.url)
        assert {cluster.share_of(queue.name) for queue in load.queues} == {0, 1, 2}
        try:
            async with Worker(load.queues, concurrency=20):
                await move_a_busy_slot(cluster, load, size)
                recovery = await kill_a_master(cluster, load, size)
                await wait_until(load.drained, "all jobs to complete", 60)
        finally:
            await load.close()
        errors = await cluster.errors()

    assert "CROSSSLOT" not in errors
    enqueued = [id for ids in load.ids.values() for id in ids]
    assert set(load.runs) == set(enqueued)
    record(
        "F23",
        n=len(enqueued),
        caused=sum(load.runs.values()) - len(enqueued),
        recovery=[recovery],
        tier=size["tier"],
        note=f"{size['moves']} moves of a busy slot, a master killed",
    )
    assert recovery <= RECOVERY + size["slack"]


async def move_a_busy_slot(cluster: Cluster, load: Load, size: Mapping[str, Any]) -> None:
    """Let a queue go round the masters while jobs come to all queues."""
    busy = load.queues[0]
    adding = [asyncio.create_task(load.enqueue(queue, size["jobs"])) for queue in load.queues]
    at = cluster.share_of(busy.name)
    for _ in range(size["moves"]):
        target = (at + 1) % cluster.masters
        before = load.last.get(busy.name, 0.0)
        await cluster.move(slot_of(busy.name), at, target)
        at = target

        def goes_on(since: float = before) -> bool:
            return load.last.get(busy.name, 0.0) > since or all(task.done() for task in adding)

        await wait_until(goes_on, "work at the new place", 20)
    await asyncio.gather(*adding)
    await wait_until(load.drained, "all jobs to complete", 60)
    assert set(load.runs.values()) == {1}, "a move is no reason to run a job twice"


async def kill_a_master(cluster: Cluster, load: Load, size: Mapping[str, Any]) -> float:
    """Kill a node with queues; return how long after the failover the first job of one ran."""
    victims = [queue for queue in load.queues[1:] if cluster.share_of(queue.name) == 1]
    for queue in load.queues:
        await load.enqueue_at_once(queue, size["jobs"])
    # A Cluster confirms nothing: what its replica has not got goes with the node.
    await cluster.written_to_replica(1)
    await cluster.fail_over(1)
    at = time.monotonic()
    for queue in load.queues:
        await load.enqueue(queue, 10)

    def works() -> bool:
        return any(load.last.get(queue.name, 0.0) > at for queue in victims)

    await wait_until(works, "work at the new master", 30)
    return min(load.last[queue.name] for queue in victims if load.last[queue.name] > at) - at
