"""One worker for queues on two servers: what one server lacks, the other one's queue has."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Literal

import pytest

from aiojobs_redis import Queue, Worker
from tests.support.gauge import Gauge
from tests.support.servers import ServerProcess, find_servers, free_port
from tests.support.waiting import wait_until

_SHORT_LEASE = 1.5


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[ServerProcess]]:
    """Two servers with an append-only file, which the test starts and stops."""
    binary = find_servers()["valkey"]
    options = ("--appendonly", "yes", "--appendfsync", "always")
    servers = [
        ServerProcess(binary, tmp_path / name, *options, port=free_port()) for name in ("a", "b")
    ]
    for server in servers:
        server.start()
    yield servers
    for server in servers:
        server.remove()


@pytest.fixture
async def queues(servers: list[ServerProcess]) -> AsyncIterator[list[Queue]]:
    """A queue on each of them."""
    queues = [
        Queue(f"queue-{name}", url=server.url, namespace="test")
        for name, server in zip("ab", servers, strict=True)
    ]
    yield queues
    for queue in queues:
        await queue.close()


async def settled(worker: Worker) -> bool:
    """Whether it has looked for jobs, and the first of its beats is over."""
    known = [(await queue.counts()).workers for queue in worker.queues]
    return all(known) and all(lane.idle.is_set() for lane in worker._lanes)


@pytest.mark.parametrize("place", [0, 1])
async def test_a_renewal_that_fails_as_nobody_thought_costs_no_other_queue_its_leases(
    queues: list[Queue], place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ill, well = queues[place], queues[1 - place]
    gauge = Gauge()

    @well.task(lease=_SHORT_LEASE)
    async def held() -> int:
        await gauge.pass_through()
        return gauge.entered

    @ill.task
    async def other() -> None:
        await gauge.pass_through()

    async with Worker(queues) as worker:
        await wait_until(partial(settled, worker), "the worker to be there")

        def fail(*_: object) -> None:
            raise LookupError("what a bug may raise")

        monkeypatch.setattr(ill.store, "renew_sync", fail)
        await other.enqueue()
        job = await held.enqueue()
        await wait_until(lambda: gauge.now == 2, "both to run")
        end = time.monotonic() + 2 * _SHORT_LEASE
        await wait_until(lambda: time.monotonic() > end, "the lease to have run out twice")
        gauge.open()
        assert await job.result(10) == 2, "it ran once, beside the other"
        info = await job.info()

    assert info is not None
    assert info.lost_deliveries == 0


@pytest.mark.requirement("U9")
@pytest.mark.parametrize("place", [0, 1])
async def test_an_idle_worker_hears_of_jobs_on_each_server(queues: list[Queue], place: int) -> None:
    loop = asyncio.get_running_loop()

    async def when() -> float:
        return loop.time()

    tasks = [queue.task(when) for queue in queues]
    for task in tasks:
        await task.options(delay=3600).enqueue()
    waits: list[float] = []
    for _ in range(3):
        async with Worker(queues, concurrency=1) as worker:
            await wait_until(partial(settled, worker), "the worker to be idle")
            began = loop.time()
            waits.append(await (await tasks[place].enqueue()).result(10) - began)

    # What the bell misses is found by the next beat, after half a second on average.
    assert sorted(waits)[1] < 0.1


@pytest.mark.requirement("U17")
@pytest.mark.parametrize("way", ["killed", "frozen"])
async def test_an_outage_of_one_server_leaves_the_slots_to_the_others(
    servers: list[ServerProcess], queues: list[Queue], way: Literal["killed", "frozen"]
) -> None:
    gauge = Gauge()

    async def held() -> None:
        await gauge.pass_through()

    async def quick() -> str:
        return "ran"

    away, there = queues[0].task(held), queues[1].task(quick)
    async with Worker(queues, concurrency=1) as worker:
        job = await away.enqueue()
        await wait_until(lambda: gauge.now == 1, "a job to run")
        if way == "killed":
            servers[0].kill9()
        else:
            servers[0].pause()
        gauge.open()
        await wait_until(lambda: not worker.runs(), "the job to end, and to be reported in vain")
        others = [await there.enqueue() for _ in range(6)]
        # A frozen server is given up after five seconds.
        assert [await other.result(15) for other in others] == ["ran"] * 6
        if way == "killed":
            servers[0].start()
        else:
            servers[0].resume()
        await job.result(15)

    assert gauge.entered == 1


@pytest.mark.requirement("U8")
@pytest.mark.requirement("U17")
async def test_jobs_that_come_late_for_their_slots_are_handed_back(
    servers: list[ServerProcess], queues: list[Queue]
) -> None:
    gauges = [Gauge(), Gauge()]

    async def one() -> None:
        await gauges[0].pass_through()

    async def other() -> None:
        await gauges[1].pass_through()

    late, prompt = queues[0].task(attempts=1)(one), queues[1].task(other)
    async with Worker(queues, concurrency=2) as worker:
        jobs = await late.queue.enqueue_many([late.bind() for _ in range(5)])
        await wait_until(lambda: gauges[0].now == 2, "every slot to be taken")
        servers[0].stop()
        gauges[0].open()
        await wait_until(lambda: not worker.runs(), "the slots to be free")
        gauges[0].close()
        await prompt.queue.enqueue_many([prompt.bind() for _ in range(4)])
        await wait_until(lambda: gauges[1].now == 2, "the other queue to take them")
        servers[0].start()
        await wait_until(
            lambda: completed(queues[0], 2), "what was reserved to be claimed and given back", 15
        )
        most = gauges[0].now + gauges[1].now
        gauges[0].open()
        gauges[1].open()
        for job in jobs:
            await job.result(15)

    assert most == 2
    infos = await queues[0].infos([job.id for job in jobs])
    assert {(info.attempt, info.lost_deliveries) for info in infos} == {(1, 0)}
    assert gauges[0].entered == 5


@pytest.mark.requirement("U17")
@pytest.mark.parametrize("way", ["killed", "frozen"])
async def test_an_outage_of_one_server_costs_no_lease_on_the_other(
    servers: list[ServerProcess], queues: list[Queue], way: Literal["killed", "frozen"]
) -> None:
    gauge = Gauge()

    async def held() -> None:
        await gauge.pass_through()

    away = queues[0].task(lease=_SHORT_LEASE)(held)
    there = queues[1].task(lease=_SHORT_LEASE)(held)
    async with Worker(queues, concurrency=2) as worker:
        jobs = [await away.enqueue(), await there.enqueue()]
        await wait_until(lambda: gauge.now == 2, "both jobs to run")
        if way == "killed":
            servers[0].kill9()
        else:
            servers[0].pause()
        (run,) = (run for run in worker.runs() if run.id == jobs[1].id)
        first = run.deadline
        await wait_until(
            lambda: run.reason is not None or run.deadline > first + 3 * _SHORT_LEASE,
            "the lease there to be renewed for three of its lengths",
            30,
        )
        assert run.reason is None
        gauge.open()
        await jobs[1].result(15)
        if way == "killed":
            servers[0].start()
        else:
            servers[0].resume()
        info = await jobs[1].info()

    assert info is not None
    assert (info.attempt, info.lost_deliveries) == (1, 0)


async def completed(queue: Queue, count: int) -> bool:
    counts = await queue.counts()
    return counts.completed == count and not counts.running
