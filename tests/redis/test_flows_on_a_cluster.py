"""Flows over queues that are on different nodes of a Cluster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.crc import key_slot

from aiojobs_redis import FromParents, JobState, Queue, Worker, chain, group, join
from aiojobs_redis._redis.connection import Server
from tests.support.servers import ServerProcess, find_servers, free_port
from tests.support.waiting import wait_until

NODES = 3
SHARE = 16384 // NODES


@pytest.fixture
async def cluster_url(tmp_path: Path) -> AsyncIterator[str]:
    """A Cluster of three nodes, each with a third of the slots."""
    nodes: list[ServerProcess] = []
    for number in range(NODES):
        folder = tmp_path / str(number)
        folder.mkdir()
        node = ServerProcess(
            find_servers()["valkey"], folder, "--cluster-enabled", "yes", port=free_port()
        )
        node.start()
        nodes.append(node)
    links = [Server.from_url(node.url).link() for node in nodes]
    for number, link in enumerate(links):
        last = 16383 if number == NODES - 1 else SHARE * (number + 1) - 1
        await link.call("CLUSTER", "ADDSLOTSRANGE", SHARE * number, last)
        await link.call("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        await links[0].call("CLUSTER", "MEET", "127.0.0.1", nodes[number].port or 0)

    async def ready() -> bool:
        found = [await link.call("CLUSTER", "INFO") for link in links]
        return all(
            b"cluster_state:ok" in text and b"cluster_known_nodes:3" in text for text in found
        )

    await wait_until(ready, "the cluster to be up", 30)
    for link in links:
        await link.close()
    yield f"redis+cluster://127.0.0.1:{nodes[0].port}"
    for node in nodes:
        node.remove()


def names() -> list[str]:
    """Return the name of a queue for each of the nodes."""
    found: dict[int, str] = {}
    for number in range(1000):
        name = f"q{number}"
        found.setdefault(min(NODES - 1, key_slot(b"test:{%s}:jobs" % name.encode()) // SHARE), name)
    return [found[node] for node in range(NODES)]


@pytest.mark.requirement("B13", "B14")
@pytest.mark.behaviour("T69")
async def test_a_flow_over_queues_on_three_nodes(cluster_url: str) -> None:
    queues = [Queue(name, cluster_url, namespace="test") for name in names()]
    for queue in queues:

        @queue.task
        async def add(number: int, before: FromParents[int] = ()) -> int:
            return number + sum(before)

    first, second, third = queues
    flow = join(
        group(*(chain(queue.bind("add", 1), second.bind("add", 10)) for queue in queues)),
        third.bind("add", 100),
    )
    async with first, second, third, asyncio.timeout(60):
        async with Worker(first), Worker(second), Worker(third):
            jobs = await first.enqueue_flow(flow)
            assert await jobs[-1].result(20) == 133
            later = await first.enqueue("add", 1000, depends_on=[jobs[-1], jobs[0]])
            assert await later.result(20) == 1134
        tree = await later.tree()
        assert [node.queue for node in tree.parents] == [third.name, first.name]
        # Seven, the last one, and one that is shown twice.
        assert str(tree).count("completed") == 9
        waiting = await first.enqueue_flow(chain(*(queue.bind("add", 1) for queue in queues)))
        assert await waiting[0].cancel_flow() == NODES
        assert [await job.state() for job in waiting] == [JobState.CANCELLED] * NODES
