"""No connection is left to be had: the leases that a worker holds are renewed all the same."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from aiojobs_redis import Queue, Worker, current_job
from tests.support import figures
from tests.support.servers import ServerProcess
from tests.support.tiers import sizes
from tests.support.waiting import wait_until

LEASE = 2.0
CLIENTS = 60
SLOTS = 500


@pytest.mark.behaviour("F31")
@sizes(ci={"leases": 3}, whole={"leases": 20})
async def test_handlers_that_hoard_all_connections_cost_no_lease(
    start_server: Callable[..., ServerProcess],
    size: Mapping[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL)
    server = start_server("--maxclients", str(CLIENTS))
    queue = Queue("hoard", url=server.url, namespace="test")
    starts: Counter[str] = Counter()
    hoarded: list[socket.socket] = []
    may_end = asyncio.Event()

    @queue.task(attempts=1)
    async def hoard() -> None:
        starts[current_job().id] += 1
        # All shared links of the queue, and all that the server has left.
        async with queue.store.server.borrow():
            while not may_end.is_set() and connects(server, hoarded):
                pass
            await may_end.wait()

    @queue.task(attempts=1)
    async def other() -> None:
        starts[current_job().id] += 1
        await may_end.wait()

    # Another text, or it would share the connections of the first one.
    producer = Queue("hoard", url=f"{server.url}?db=0", namespace="test")
    await producer.connect()
    calls = [queue.bind("hoard", lease=LEASE) for _ in range(SLOTS)]
    jobs = await queue.enqueue_many(calls)
    async with Worker(queue, concurrency=SLOTS + 2):
        await wait_until(lambda: len(starts) == SLOTS, "all to run", 20)
        # Leases of another length ask for other timeouts of the same connection.
        jobs += [await producer.enqueue("other", lease=lease) for lease in (LEASE / 2, 15)]
        await wait_until(lambda: len(starts) == SLOTS + 2, "the others to run", 20)
        until = time.monotonic() + size["leases"] * LEASE
        await wait_until(lambda: time.monotonic() > until, "the leases to pass", 120)
        refused = not connects(server, hoarded)
        may_end.set()
        for each in hoarded:
            each.close()
        await asyncio.gather(*(job.result(30) for job in jobs))

    infos = await queue.infos([job.id for job in jobs])
    await queue.close()
    await producer.close()
    assert refused, "there was no connection left"
    assert {info.lost_deliveries for info in infos} == {0}
    assert set(starts.values()) == {1}
    note = f"{len(hoarded)} of {CLIENTS} connections hoarded for {size['leases']} leases"
    figures.record("F31", n=SLOTS, tier=size["tier"], note=note)


@pytest.mark.behaviour("F31")
async def test_an_idle_worker_has_all_the_connections_that_its_jobs_will_need(
    start_server: Callable[..., ServerProcess],
) -> None:
    server = start_server("--maxclients", str(CLIENTS))
    queue = Queue("reserved", url=server.url, namespace="test")
    starts: Counter[str] = Counter()
    hoarded: list[socket.socket] = []

    @queue.task(attempts=1)
    async def nap(seconds: float) -> None:
        starts[current_job().id] += 1
        await asyncio.sleep(seconds)

    async with Worker(queue) as worker:
        first = await queue.enqueue("nap", 0)
        await first.result(10)
        await wait_until(lambda: worker._lanes[0].idle.is_set(), "the worker to be idle")
        while connects(server, hoarded):
            pass
        job = await queue.enqueue("nap", 2.5 * LEASE, lease=LEASE)
        await job.result(20)
        refused = not connects(server, hoarded)
    for each in hoarded:
        each.close()
    (info,) = await queue.infos([job.id])
    await queue.close()

    assert refused
    assert starts[job.id] == 1
    assert info.lost_deliveries == 0


def connects(server: ServerProcess, hoarded: list[socket.socket]) -> bool:
    """Take one connection more; whether there was one."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(2)
    try:
        client.connect(str(server.socket))
        client.sendall(b"PING\r\n")
        if client.recv(64).startswith(b"+PONG"):
            hoarded.append(client)
            return True
    except OSError:
        pass
    client.close()
    return False
