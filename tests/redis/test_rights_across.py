"""Flows over several queues for users of Redis that have no rights on some of these."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from aiojobs_redis import FromParents, JobState, Queue, QueueUnavailable, Worker, group, join
from tests.support.acl import grant
from tests.support.invariants import faults
from tests.support.raw import dump, raw
from tests.support.snapshots import snapshot, sync_client
from tests.support.waiting import wait_until


class Town:
    """Three queues, as the administrator and as users with rights on some of them see them."""

    def __init__(self, url: str, name: str) -> None:
        self.names = {letter: f"{name}-{letter}" for letter in "abc"}
        self.url = url
        self._name = name
        self._all: list[Queue] = []
        self.a, self.b, self.c = (self.queue(letter, url) for letter in "abc")

    def queue(self, letter: str, url: str) -> Queue:
        """Return a queue with its tasks for the user of the URL."""
        queue = Queue(self.names[letter], url, namespace="test")
        self._all.append(queue)

        @queue.task
        async def add(number: int, before: FromParents[int] = ()) -> int:
            return number + sum(before)

        return queue

    def allow(self, letters: str, role: str = "worker") -> str:
        """Let the user of a role have rights on these queues only; return the URL for it."""
        spaces = [f"test:{{{self.names[letter]}}}" for letter in letters]
        return grant(self.url, role, spaces, f"{self._name}-{role}")

    def missing(self, letter: str) -> str:
        """Return a pattern of what is said of a queue on which a user has no rights."""
        keys = f"test:{{{self.names[letter]}}}:*"
        return "refused this client.*" + re.escape(f"It needs ~{keys} &{keys} and")

    async def dumps(self) -> list[Any]:
        return [await dump(queue) for queue in (self.a, self.b, self.c)]

    async def close(self) -> None:
        for queue in self._all:
            await queue.close()
        with contextlib.closing(sync_client(self.url)) as client:
            for name in self.names.values():
                copy = snapshot(client, "test", name)
                assert copy is None or faults(copy) == []
                client.delete(*client.keys(f"test:{{{name}}}:*") or ["none"])


@pytest.fixture
async def town(real_url: str, queue_name: str) -> AsyncIterator[Town]:
    """Queues of this test's own."""
    town = Town(real_url, queue_name)
    yield town
    await town.close()


@pytest.mark.requirement("S7")
async def test_a_producer_without_rights_on_a_queue_of_its_flow_is_told_and_leaves_nothing(
    town: Town,
) -> None:
    parent = await town.b.enqueue("add", 1)
    for queue in (town.a, town.c):
        await queue.enqueue("add", 0)
    before = await town.dumps()
    home, near = (town.queue(letter, town.allow("ab", "producer")) for letter in "ab")
    far = town.queue("c", town.allow("ab", "producer"))
    flow = join(group(near.bind("add", 1), far.bind("add", 2)), home.bind("add", 3))

    for refused in (
        lambda: home.enqueue_flow(flow),
        lambda: home.enqueue("add", 1, depends_on=[far.job("x")]),
        lambda: far.enqueue("add", 1, depends_on=[parent]),
    ):
        with pytest.raises(QueueUnavailable, match=town.missing("c")):
            await refused()
    assert list(map(jobs_in, await town.dumps())) == list(map(jobs_in, before))

    town.allow("abc", "producer")
    jobs = await home.enqueue_flow(flow)
    async with Worker(town.a), Worker(town.b), Worker(town.c):
        assert await jobs[-1].result(10) == 6
        assert await parent.result(10) == 1

        async def forgotten() -> bool:
            edges = await raw(town.b, "ZRANGE", town.b.store.keys["edges"], 0, -1)
            return not any(parent.id.encode() in edge for edge in edges)

        # That the third call would wait for it is known there until it ends.
        await wait_until(forgotten, "nobody to wait for the job any more", 10)


@pytest.mark.requirement("S7")
@pytest.mark.parametrize("way", ["told", "asked"])
async def test_a_worker_without_rights_on_the_other_queue_says_so_works_on_and_makes_up_for_it(
    town: Town, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Either of the two workers may be the one that lacks them."""
    letter, other = ("b", "a") if way == "told" else ("a", "b")
    parent = await town.b.enqueue("add", 1)
    child = await town.a.enqueue("add", 2, depends_on=[parent])
    if way == "asked":
        # Nobody tells of it: it ends while its queue knows of none that waits.
        edges = town.b.store.keys["edges"]
        with contextlib.closing(sync_client(town.url)) as client:
            client.delete(edges, town.b.store.keys["flows"])
        await Worker(town.b).run(burst=True)
    limited = town.queue(letter, town.allow(letter))

    def said() -> list[str]:
        found = [record.getMessage() for record in caplog.records]
        return [text for text in found if re.search(town.missing(other), text)]

    async with Worker(limited):
        await until(lambda: bool(said()), "the worker to say what it lacks")
        # Its own jobs are none the worse for it.
        assert await (await limited.enqueue("add", 5)).result(10) == 5
        assert await child.state() is JobState.BLOCKED
    async with asyncio.timeout(20), Worker(limited):
        await until(lambda: len(said()) > 1, "the next worker to say it too")
        town.allow("ab")

        async def told() -> bool:
            return await child.state() is not JobState.BLOCKED

        await wait_until(told, "the child to be told", 15)
        await until(lambda: "again" in caplog.text, "the worker to say that it can")
    assert "is away" not in caplog.text
    await Worker(town.a).run(burst=True)
    assert await child.result(5) == 3


@pytest.mark.requirement("S7")
@pytest.mark.parametrize("way", ["told", "asked"])
async def test_a_queue_on_which_a_worker_has_no_rights_keeps_no_other_waiting(
    town: Town, way: str
) -> None:
    if way == "told":
        limited = town.queue("b", town.allow("bc"))
        parent = await town.b.enqueue("add", 1)
        children = [
            await queue.enqueue("add", 1, depends_on=[parent]) for queue in (town.a, town.c)
        ]
    else:
        limited = town.queue("a", town.allow("ac"))
        parents = [await queue.enqueue("add", 1) for queue in (town.b, town.c)]
        children = [await town.a.enqueue("add", 1, depends_on=[one]) for one in parents]
        with contextlib.closing(sync_client(town.url)) as client:
            client.delete(town.c.store.keys["edges"], town.c.store.keys["flows"])
        await Worker(town.c).run(burst=True)

    async def told() -> bool:
        return await children[1].state() is not JobState.BLOCKED

    async with Worker(limited):
        await wait_until(told, "the child of the queue on which it has rights to be told", 15)
        assert await children[0].state() is JobState.BLOCKED


async def until(holds: Callable[[], bool], what: str) -> None:
    async def check() -> bool:
        return holds()

    await wait_until(check, what, 15)


def jobs_in(keys: dict[bytes, Any]) -> dict[bytes, Any]:
    """Return the keys of a queue that speak of its jobs, and of what waits for them here."""
    kept = b"jobs", b"runs", b"ready", b"scheduled", b"blocked", b"cancelled", b"dead"
    return {name: value for name, value in keys.items() if name.rpartition(b":")[2] in kept}
