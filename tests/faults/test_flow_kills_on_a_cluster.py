"""A process with flows over queues on two nodes of a Cluster is killed at its Redis commands."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import redis

from aiojobs_redis import JobState, Worker, check_history
from aiojobs_redis._redis.scripts import SCRIPTS
from tests.support import doomed_on_cluster, figures
from tests.support.clusters import Cluster, clustered
from tests.support.deaths import WHOLE_LIFE, Place, places, shares
from tests.support.doomed_across import FLOWS, NAMES, TOTAL, build, queue_of, unlike
from tests.support.invariants import faults
from tests.support.nursery import Nursery
from tests.support.snapshots import snapshot, sync_client
from tests.support.tiers import sizes_over_servers
from tests.support.waiting import wait_until

WAITING = ("ready", "suspects", "scheduled", "retrying", "leases", "blocked")
NODES = 3


class Deaths:
    """Lives on one cluster, one after the other, each with a folder of its own."""

    def __init__(self, cluster: Cluster, nursery: Nursery, folder: Path) -> None:
        self._cluster, self._nursery, self._folder = cluster, nursery, folder
        assert len({cluster.share_of(name) for name in NAMES}) == 2, "each on a node of its own"

    def _nodes(self) -> Iterator[tuple[str, redis.Redis]]:
        """Give each queue with a client to its node."""
        for name in NAMES:
            node = self._cluster.nodes[self._cluster.share_of(name)]
            with contextlib.closing(sync_client(node.url)) as client:
                yield name, client

    async def live(self, place: Place) -> tuple[bool, Path]:
        """Start a process and kill it there; whether that was reached, and its folder."""
        for _, client in self._nodes():
            client.flushall()
            # Or the first life would have commands that none has after it.
            for script in SCRIPTS.values():
                client.script_load(script.text)
        folder = self._folder / f"{place[0]}-{place[1].name}"
        folder.mkdir()
        await self._nursery.bear(self._cluster.url, str(folder), str(place[0]), place[1])
        code = await self._nursery.ended()
        assert code in (0, -9), self._nursery.said()
        return code == -9, folder

    def look(self) -> list[str]:
        """Return what is wrong with the keys of the queues."""
        copies = [snapshot(client, "test", name) for name, client in self._nodes()]
        return [fault for copy in copies if copy is not None for fault in faults(copy)]

    def ended(self) -> bool:
        """Whether all jobs of both queues have ended, and nobody is still to be told of it."""
        for name, client in self._nodes():
            going = any(client.zcard(f"test:{{{name}}}:{index}") for index in WAITING)
            edges: Any = client.zrange(f"test:{{{name}}}:edges", 0, -1)
            if going or any(edge[:1] in b"!+>" for edge in edges):
                return False
        return True

    def let_time_pass(self) -> None:
        """Nobody leads any more, and what waits for others has done so for two minutes."""
        for name, client in self._nodes():
            blocked = f"test:{{{name}}}:blocked"
            jobs: Any = client.zrange(blocked, 0, -1)
            for job in jobs:
                client.zincrby(blocked, -120_000, job)
            client.hdel(f"test:{{{name}}}:meta", "leader", "leader_until")

    async def die(self, place: Place) -> tuple[bool, list[str]]:
        """Kill one there, let healthy workers go on, and say what is wrong with what is left."""
        struck, folder = await self.live(place)
        wrong = self.look()
        self.let_time_pass()
        queues = build(self._cluster.url, folder / "mended")
        recorders = [queue.record_history(folder / queue.name) for queue in queues]
        states: dict[str, JobState | None] = {}
        async with contextlib.AsyncExitStack() as stack:
            for queue in queues:
                await stack.enter_async_context(Worker(queue, concurrency=4))
            with contextlib.suppress(AssertionError):
                await wait_until(self.ended, "every job to end", 20)
            for job in chain(*FLOWS.values()):
                states[job] = await queue_of(job, queues).job(job).state()
            for job in ("sum", "asks"):
                if states[job] is JobState.COMPLETED:
                    total = await queues[0].job(job).result(5)
                    wrong += [] if total == TOTAL else [f"what {job} returned is {total}"]
        for recorder, queue in zip(recorders, queues, strict=True):
            recorder.mark("drained")
            recorder.close()
            await queue.close()
            wrong += map(str, check_history(folder / queue.name).violations)
        return struck, wrong + self.look() + unlike(states)


@pytest.mark.requirement("B14")
@pytest.mark.behaviour("T37", "T69", "F2")
@sizes_over_servers(ci={"kills": 4}, whole={"kills": 200})
async def test_a_process_with_flows_over_two_nodes_may_be_killed_at_any_command(
    tmp_path: Path, size: Mapping[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    found: dict[Place, tuple[bool, list[str]]] = {}
    commands, todo = 0, list[Place]()
    for share, kind in enumerate(size["servers"]):
        nursery = Nursery(doomed_on_cluster.__name__, tmp_path / f"log-{kind}")
        async with clustered(tmp_path / kind, NODES, kind=kind) as cluster, nursery:
            deaths = Deaths(cluster, nursery, tmp_path)
            if not todo:
                _, folder = await deaths.live(WHOLE_LIFE)
                commands = int((folder / "count").read_text())
                every = places(commands)
                # Of an odd step every other place is one before its command.
                todo = every[:: len(every) // size["kills"] | 1]
            for place in shares(todo, len(size["servers"]))[share]:
                found[place] = await deaths.die(place)

    assert {place: wrong for place, (_, wrong) in found.items() if wrong} == {}
    struck = sum(struck for struck, _ in found.values())
    # How many commands a life takes depends on when its loops wake, by many on a busy machine.
    assert struck > 0.6 * len(todo)
    note = f"flows over two nodes of a Cluster; {commands} commands"
    figures.record("F2", n=struck, tier=size["tier"], note=note)
