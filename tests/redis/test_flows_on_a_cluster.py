"""Flows over queues that are on different nodes of a Cluster."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aiojobs_redis import (
    FromParents,
    JobCancelled,
    JobFailed,
    JobState,
    Queue,
    Worker,
    chain,
    group,
    join,
)
from tests.support.clusters import Cluster, clustered
from tests.support.servers import wanted_servers
from tests.support.turns import turns

NODES = 3
on_one_kind = turns("cluster")


@pytest.fixture(params=wanted_servers())
async def cluster(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Cluster]:
    """A Cluster of each kind of real server in turn."""
    async with clustered(tmp_path, NODES, kind=request.param) as cluster:
        yield cluster


def names(cluster: Cluster) -> list[str]:
    """Return the name of a queue for each of the nodes."""
    found: dict[int, str] = {}
    for number in range(1000):
        found.setdefault(cluster.share_of(f"q{number}"), f"q{number}")
    return [found[node] for node in range(NODES)]


@pytest.mark.requirement("B13", "B14")
@pytest.mark.behaviour("T69")
async def test_a_flow_over_queues_on_three_nodes(cluster: Cluster) -> None:
    queues = [Queue(name, cluster.url, namespace="test") for name in names(cluster)]
    for queue in queues:

        @queue.task
        async def add(number: int, before: FromParents[int] = ()) -> int:
            return number + sum(before)

        @queue.task(attempts=1)
        async def fail() -> None:
            raise ValueError("bad")

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
        # The failure of a job on one node, as its dependents on the others have it.
        bad = await first.enqueue("fail")
        followers = [
            await queue.enqueue("add", 1, depends_on=[bad], on_parent_failure=policy)
            for queue in (second, third)
            for policy in ("run", "cancel", "fail")
        ]
        async with Worker(first), Worker(second), Worker(third):
            for follower in followers:
                with contextlib.suppress(JobFailed, JobCancelled):
                    await follower.result(20)
        ends = [await follower.state() for follower in followers]
        assert ends == [JobState.COMPLETED, JobState.CANCELLED, JobState.DEAD] * 2
        waiting = await first.enqueue_flow(chain(*(queue.bind("add", 1) for queue in queues)))
        assert await waiting[0].cancel_flow() == NODES
        assert [await job.state() for job in waiting] == [JobState.CANCELLED] * NODES


@on_one_kind()
async def test_a_circle_over_queues_on_three_nodes_is_ended(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aiojobs_redis._redis.circles._PATIENCE_MS", 0)
    monkeypatch.setattr("aiojobs_redis.worker.handover._ASK", 0.1)
    first, second, third = [Queue(name, cluster.url, namespace="test") for name in names(cluster)]
    for queue in (first, second, third):

        @queue.task
        async def add(number: int, before: FromParents[int] = ()) -> int:
            return number + sum(before)

    async with first, second, third, asyncio.timeout(60):
        y = await second.enqueue("add", 1, id="y", delay=3600)
        x = await first.enqueue("add", 2, depends_on=[y])
        z = await third.enqueue("add", 3, depends_on=[x], on_parent_failure="run")
        await y.remove()
        y = await second.enqueue("add", 4, id="y", depends_on=[z])
        async with Worker(first), Worker(second), Worker(third):
            # What x returned is missing.
            assert await y.result(30) == 7
        assert await x.state() is JobState.DEAD
