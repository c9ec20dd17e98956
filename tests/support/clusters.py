"""A Redis Cluster on the loopback, whose slots can be moved and whose masters can be killed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from redis.crc import key_slot

from aiojobs_redis._redis.connection import Server
from tests.support.servers import ServerProcess, find_servers, free_port
from tests.support.waiting import wait_until

__all__ = ["Cluster", "clustered", "slot_of"]

_SLOTS = 16384
_NODE_TIMEOUT_MS = 1000


def slot_of(queue: str) -> int:
    """Return the slot of the keys of a queue, whose namespace is that of the tests."""
    return int(key_slot(b"test:{%s}:jobs" % queue.encode()))


class Cluster:
    """The nodes of a cluster, the masters first.

    Args:
        nodes: The servers.
        masters: How many of them were made masters, each with an equal share of the slots.
    """

    def __init__(self, nodes: list[ServerProcess], masters: int) -> None:
        self.nodes = nodes
        self.masters = masters
        self._links = [Server.from_url(node.url).link() for node in nodes]

    @property
    def url(self) -> str:
        """URL of the cluster, which names all nodes: some may be gone."""
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        return f"redis+cluster://{hosts}"

    def share_of(self, queue: str) -> int:
        """Return the number of the master that had the queue in the beginning."""
        return min(self.masters - 1, slot_of(queue) // (_SLOTS // self.masters))

    def replica_of(self, master: int) -> int:
        """Return the number of the one replica of a master."""
        return self.masters + master

    async def ask(self, node: int, *command: str | int) -> Any:
        """Send a command to one node."""
        return await self._links[node].call(*command)

    async def meet(self) -> None:
        """Make a cluster of the nodes, and wait until all are content with it."""
        share = _SLOTS // self.masters
        for number in range(self.masters):
            last = _SLOTS - 1 if number == self.masters - 1 else share * (number + 1) - 1
            await self.ask(number, "CLUSTER", "ADDSLOTSRANGE", share * number, last)
        for number, node in enumerate(self.nodes):
            await self.ask(number, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            await self.ask(0, "CLUSTER", "MEET", "127.0.0.1", node.port or 0, node.bus or 0)
        await wait_until(self._is_whole, "the nodes to know each other", 30)
        for number in range(self.masters, len(self.nodes)):
            master = await self._name(number % self.masters)
            await self.ask(number, "CLUSTER", "REPLICATE", master)
        await wait_until(self._is_whole, "the cluster to be up", 30)
        for number in range(self.masters, len(self.nodes)):
            await wait_until(partial(self._is_in_step, number), "a replica to follow", 30)

    async def move(self, slot: int, source: int, target: int) -> None:
        """Move a slot with all its keys from one master to another, as `redis-cli` does."""
        names = await self._name(source), await self._name(target)
        await self.ask(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", names[0])
        await self.ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", names[1])
        port = self.nodes[target].port or 0
        while keys := await self.ask(source, "CLUSTER", "GETKEYSINSLOT", slot, 100):
            await self.ask(source, "MIGRATE", "127.0.0.1", port, "", 0, 5000, "KEYS", *keys)
        for node in (target, source):
            await self.ask(node, "CLUSTER", "SETSLOT", slot, "NODE", names[1])

    async def fail_over(self, master: int) -> int:
        """Kill a master, wait until a replica has taken its place, and return its number."""
        name, replica = await self._name(master), self.replica_of(master)
        self.nodes[master].kill9()

        async def took_over() -> bool:
            text = (await self.ask(replica, "CLUSTER", "NODES")).decode()
            [own] = [line for line in text.splitlines() if "myself" in line]
            return "master" in own and name not in own

        await wait_until(took_over, "the replica to take over", 30)
        return replica

    async def written_to_replica(self, master: int) -> None:
        """Wait until the replica of a master has all that was written to it."""
        written = await self._offset(master, "master_repl_offset")

        async def has_it() -> bool:
            return await self._offset(self.replica_of(master), "slave_repl_offset") >= written

        await wait_until(has_it, "the replica to have it all", 20)

    async def errors(self) -> dict[str, int]:
        """Return how often the nodes that are there have refused a command, by error."""
        found: dict[str, int] = {}
        for number, node in enumerate(self.nodes):
            if not node.answers():
                continue
            text = (await self.ask(number, "INFO", "errorstats")).decode()
            for line in text.splitlines():
                if line.startswith("errorstat_"):
                    name, _, count = line.removeprefix("errorstat_").partition(":count=")
                    found[name] = found.get(name, 0) + int(count)
        return found

    async def close(self) -> None:
        """Stop all nodes."""
        for link in self._links:
            await link.close()
        for node in self.nodes:
            await asyncio.to_thread(node.remove)

    async def _offset(self, node: int, field: str) -> int:
        text = (await self.ask(node, "INFO", "replication")).decode()
        return int(text.partition(f"{field}:")[2].split()[0])

    async def _name(self, node: int) -> str:
        return str((await self.ask(node, "CLUSTER", "MYID")).decode())

    async def _is_whole(self) -> bool:
        texts = [await self.ask(number, "CLUSTER", "INFO") for number in range(len(self.nodes))]
        known = b"cluster_known_nodes:%d\r" % len(self.nodes)
        return all(b"cluster_state:ok" in text and known in text for text in texts)

    async def _is_in_step(self, node: int) -> bool:
        return b"master_link_status:up" in await self.ask(node, "INFO", "replication")


@asynccontextmanager
async def clustered(
    folder: Path, masters: int = 3, replicas: int = 0, kind: str = "valkey"
) -> AsyncIterator[Cluster]:
    """Run a cluster of masters, each with so many replicas, of one kind; see `find_servers`."""
    binary, options = find_servers()[kind], ("--cluster-node-timeout", str(_NODE_TIMEOUT_MS))
    nodes = [
        ServerProcess(binary, folder / str(number), *options, port=free_port(), bus=free_port())
        for number in range(masters * (1 + replicas))
    ]
    cluster = Cluster(nodes, masters)
    try:
        for node in nodes:
            await asyncio.to_thread(node.start)
        await cluster.meet()
        yield cluster
    finally:
        await cluster.close()
