"""Queues beside each other, processes beside each other, and what a producer holds open."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import Any

import pytest
import redis.asyncio

from aiojobs_redis import JobOptions, JobState, Queue, Worker
from tests.support.other_process import run_python
from tests.support.raw import dump, raw
from tests.support.servers import ServerProcess, find_servers
from tests.support.waiting import wait_until


async def clients_of(queue: Queue) -> list[dict[str, str]]:
    """Return what the server tells of each of its connections."""
    lines = (await raw(queue, "CLIENT", "LIST")).decode().splitlines()
    return [dict(re.findall(r"([\w-]+)=(\S*)", line)) for line in lines]


@pytest.mark.requirement("U4")
@pytest.mark.requirement("P2")
async def test_two_namespaces_with_a_queue_of_one_name_never_meet(
    server_url: str, queue_name: str
) -> None:
    queues = [Queue(queue_name, url=server_url, namespace=space) for space in ("one", "two")]
    runs: list[str] = []
    for queue in queues:

        @queue.task
        async def work(namespace: str = queue.namespace) -> str:
            runs.append(namespace)
            return namespace

    one, two = queues
    first, second = await one.enqueue("work", id="same"), await two.enqueue("work", id="same")
    assert (first.created, second.created) == (True, True)
    await one.enqueue("work", delay=60)
    assert {key.split(b":")[0] for key in await dump(one)} == {b"one", b"two"}
    async with Worker(one):
        assert await first.result(10) == "one"
    assert runs == ["one"]
    assert await second.state() is JobState.QUEUED
    counts = [await queue.counts() for queue in queues]
    assert [(count.queued, count.scheduled, count.completed) for count in counts] == [
        (0, 1, 1),
        (1, 0, 0),
    ]
    await one.destroy(force=True)
    assert {key.split(b":")[0] for key in await dump(one)} == {b"two"}
    async with Worker(two):
        assert await second.result(10) == "two"
    for queue in queues:
        await queue.close()


@pytest.mark.requirement("U4")
async def test_a_queue_whose_name_begins_another_has_nothing_of_it(
    server_url: str, queue_name: str
) -> None:
    names = [queue_name, f"{queue_name}:x", f"{queue_name}x"]
    queues = [Queue(name, url=server_url, namespace="test") for name in names]
    for number, queue in enumerate(queues):
        await queue.enqueue_many([queue.bind("work", n, id=f"{n}") for n in range(number + 1)])
    assert [(await queue.counts()).queued for queue in queues] == [1, 2, 3]
    await queues[0].destroy(force=True)
    assert [(await queue.counts()).queued for queue in queues] == [0, 2, 3]
    for queue in queues:
        await queue.destroy(force=True)
        await queue.close()


async def test_every_key_is_one_of_the_fixed_set_whatever_the_jobs_are_called(
    queue: Queue,
) -> None:
    @queue.task
    async def work(text: str) -> str:
        if text == "fail":
            raise ValueError(text)
        return text

    texts = ["a", "}{", "fail", "b:c"]
    jobs = [await work.options(id=text, attempts=1).enqueue(text) for text in texts]
    jobs += [await work.options(delay=60).enqueue("later")]
    async with Worker(queue):
        await asyncio.gather(*(job.result(10) for job in jobs[:4]), return_exceptions=True)
    assert set(await dump(queue)) <= set(queue.store.keys.values())


@pytest.mark.requirement("P2")
@pytest.mark.requirement("P20")
async def test_a_hundred_queues_of_one_url_share_a_bounded_number_of_connections(
    real_url: str, queue_name: str
) -> None:
    queues = [Queue(f"{queue_name}.{n}", url=real_url, namespace="test") for n in range(100)]
    before = len(await clients_of(queues[0]))
    await asyncio.gather(*(queue.enqueue("work") for queue in queues for _ in range(10)))
    await asyncio.gather(*(queue.counts() for queue in queues))
    assert len(await clients_of(queues[0])) <= before + 8
    for queue in queues[1:]:
        await queue.destroy(force=True)
        await queue.close()
    assert (await queues[0].enqueue("work")).created
    await queues[0].destroy(force=True)
    await queues[0].close()


@pytest.mark.requirement("P5")
@pytest.mark.requirement("P20")
async def test_a_producer_holds_one_connection_that_neither_blocks_nor_listens(
    real_url: str, queue_name: str
) -> None:
    code = """
        import asyncio, sys
        from aiojobs_redis import Queue
        async def main(name, url):
            queue = Queue(name, url=url, namespace="test")
            for n in range(20):
                await queue.enqueue("work", n)
            others = asyncio.all_tasks() - {asyncio.current_task()}
            print(len(others), flush=True)
            async with queue.store.server.borrow() as link:
                print((await link.call("CLIENT", "LIST")).decode())
        asyncio.run(main(*sys.argv[1:]))
    """
    queue = Queue(queue_name, url=real_url, namespace="test")
    before = {client["id"] for client in await clients_of(queue)}
    tasks, _, listed = (await run_python(code, queue_name, real_url)).partition("\n")
    clients = [dict(re.findall(r"([\w-]+)=(\S*)", line)) for line in listed.splitlines() if line]
    own = [client for client in clients if client["id"] not in before]
    assert tasks == "0"
    assert [(client["sub"], client["cmd"]) for client in own] == [("0", "client|list")]
    assert "b" not in own[0]["flags"]
    await queue.close()


@pytest.mark.requirement("P20")
async def test_a_worker_adds_a_fixed_number_of_connections(real_queue: Queue) -> None:
    @real_queue.task
    async def work(number: int) -> int:
        return number

    before = len(await clients_of(real_queue))
    async with Worker(real_queue, concurrency=200):
        jobs = await real_queue.enqueue_many([work.bind(n) for n in range(500)])
        await asyncio.gather(*(job.result(20) for job in jobs))
        # As docs/redis.md has it: two exchanges, beats, schedules and the heartbeat thread; two
        # that block and one that listens; results; the shared ones, of which `before` has one.
        counts = Counter(client["cmd"] for client in await clients_of(real_queue))
        assert sum(counts.values()) - before <= 5 + 3 + 1 + 8 - 1, counts

    async def closed() -> bool:
        return len(await clients_of(real_queue)) <= before + 8

    await wait_until(closed, "the worker's connections to be closed")


@pytest.mark.requirement("U6")
async def test_a_brought_client_is_neither_used_up_nor_closed(
    real_url: str, queue_name: str
) -> None:
    client: redis.asyncio.Redis = redis.asyncio.Redis.from_url(real_url, decode_responses=True)
    queue = Queue(queue_name, client=client, namespace="test")

    @queue.task
    async def work(data: bytes) -> bytes:
        return data[::-1]

    job = await work.enqueue(b"\x00\xff")
    async with Worker(queue):
        assert await job.result(10) == b"\xff\x00"
    await queue.close()
    assert await client.ping()
    assert await client.exists(f"test:{{{queue_name}}}:meta") == 1
    await client.aclose()


@pytest.mark.requirement("U6")
async def test_a_closed_queue_connects_again_when_it_is_used_again(queue: Queue) -> None:
    assert (await queue.enqueue("work")).created
    await queue.close()
    assert (await queue.enqueue("work")).created
    assert (await queue.counts()).queued == 2


async def test_closing_one_queue_leaves_another_of_the_same_url_connected(
    server_url: str, queue_name: str
) -> None:
    one = Queue(queue_name, url=server_url, namespace="test")
    async with Queue(queue_name, url=server_url, namespace="test") as two:
        waiting = asyncio.gather(*(one.enqueue("work", n) for n in range(100)))
        await two.enqueue("work")
    assert all(job.created for job in await waiting)
    await one.close()


@pytest.mark.requirement("P1")
@pytest.mark.requirement("B1")
@pytest.mark.parametrize("variable", ["AIOJOBS_REDIS_URL", "REDIS_URL"])
async def test_the_url_of_the_environment_is_enough(
    server_url: str, queue_name: str, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.delenv("AIOJOBS_REDIS_URL", raising=False)
    monkeypatch.setenv(variable, server_url)
    async with Queue(queue_name, namespace="test") as queue:
        assert (await queue.enqueue("work")).created
    monkeypatch.setenv("AIOJOBS_REDIS_URL", "redis://127.0.0.1:1")
    async with Queue(queue_name, url=server_url, namespace="test") as queue:
        assert (await queue.counts()).queued == 1


@pytest.mark.requirement("P3")
async def test_nothing_is_printed_where_logging_is_not_configured(
    real_url: str, queue_name: str
) -> None:
    # `run_python` fails on a single byte of standard error; jobs that fail and are unknown log.
    code = """
        import asyncio, sys
        from aiojobs_redis import Queue, Worker
        async def main(name, url):
            queue = Queue(name, url=url, namespace="test")
            @queue.task(attempts=2, backoff=[0])
            async def work(): raise ValueError("no")
            jobs = [await work.enqueue(), await queue.enqueue("unknown")]
            await Worker(queue).run(burst=True)
            print(*[await job.state() for job in jobs])
            await queue.close()
        asyncio.run(main(*sys.argv[1:]))
    """
    assert await run_python(code, queue_name, real_url) == "dead blocked\n"


@pytest.mark.requirement("P4")
@pytest.mark.requirement("P22")
@pytest.mark.parametrize("kind", sorted(find_servers()))
async def test_a_job_goes_its_whole_way_on_every_server_of_this_machine(
    kind: str, tmp_path: Any
) -> None:
    server = ServerProcess(find_servers()[kind], tmp_path)
    server.start()
    try:
        async with Queue("way", url=server.url, defaults=JobOptions(backoff=[0.01])) as queue:

            @queue.task(attempts=2)
            async def work(number: int) -> int:
                if number == 3:
                    raise ValueError(number)
                return number * 2

            jobs = [await work.options(delay=0.05 * n, priority=n).enqueue(n) for n in range(4)]
            async with Worker(queue):
                done = await asyncio.gather(*(job.result(20) for job in jobs[:3]))
                with pytest.raises(Exception, match="ValueError: 3"):
                    await jobs[3].result(20)
            assert done == [0, 2, 4]
            counts = await queue.counts()
            assert (counts.completed, counts.dead, counts.unfinished) == (3, 1, 0)
    finally:
        server.remove()
