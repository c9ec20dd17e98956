"""Redis goes away and comes back: a worker waits for it, and loses nothing."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Literal

import pytest

from aiojobs_redis import Fixed, JobState, Queue, Worker, current_job
from aiojobs_redis.worker import worker as worker_module
from tests.support.gauge import Gauge
from tests.support.servers import ServerProcess, find_servers, free_port
from tests.support.waiting import wait_until

SERVERS = [name for name in ("valkey", "redis") if name in find_servers()]


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ServerProcess]:
    """A server with an append-only file, which the test starts and stops."""
    binary = find_servers()[request.param]
    options = ("--appendonly", "yes", "--appendfsync", "always")
    server = ServerProcess(binary, tmp_path / "server", *options, port=free_port())
    server.start()
    yield server
    server.remove()


@pytest.fixture
async def queue(server: ServerProcess) -> AsyncIterator[Queue]:
    """A queue on that server."""
    queue = Queue("outage", url=server.url, namespace="test")
    yield queue
    await queue.close()


@pytest.mark.requirement("U17")
@pytest.mark.behaviour("T44")
async def test_a_worker_resumes_by_itself_after_a_restart(
    queue: Queue, server: ServerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    gauge = Gauge()

    @queue.task(attempts=1)
    async def held(number: int) -> int:
        if number < 3:
            await gauge.pass_through()
        return number

    async with Worker(queue, concurrency=3) as worker:
        running = [await held.enqueue(number) for number in range(3)]
        waiting = [await held.enqueue(number) for number in range(3, 6)]
        delayed = await held.options(delay=1).enqueue(6)
        await wait_until(lambda: gauge.now == 3, "three to run")
        server.stop()
        gauge.open()
        await wait_until(lambda: not worker.runs(), "the jobs to end while Redis is away")
        away = asyncio.get_running_loop().time() + 2
        await wait_until(lambda: asyncio.get_running_loop().time() > away, "the outage to last")
        server.start()
        later = [await held.enqueue(number) for number in range(7, 10)]
        jobs = [*running, *waiting, delayed, *later]
        assert [await job.result(15) for job in jobs] == list(range(10))

    infos = await queue.infos([job.id for job in jobs])
    assert {(info.attempt, info.lost_deliveries) for info in infos} == {(1, 0)}
    assert gauge.entered == 3, "no job ran twice"
    lines = [r.message for r in caplog.records if r.message.startswith("Redis at")]
    changes = ["away" if " is away " in line else "back" for line in lines]
    assert changes == ["away", "back"], "one line at each change"
    assert re.search(r"is back after \d\.\d s$", lines[1])


@pytest.mark.behaviour("T44")
@pytest.mark.parametrize("delivery", ["at_least_once", "at_most_once"])
async def test_a_stop_gives_up_what_a_job_reported_and_not_its_result(
    queue: Queue,
    server: ServerProcess,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    delivery: Literal["at_least_once", "at_most_once"],
) -> None:
    monkeypatch.setattr(worker_module, "_UNWIND", 0.3)
    gauge = Gauge()

    @queue.task(attempts=1, lease=60, delivery=delivery)
    async def report() -> int:
        await gauge.pass_through()
        await current_job().progress(1, 1)
        return 7

    def given_up() -> bool:
        return any("what it reported last cannot be written" in text for text in caplog.messages)

    async with Worker(queue) as worker:
        job = await report.enqueue()
        await wait_until(lambda: gauge.now == 1, "it to run")
        server.stop()
        gauge.open()
        await wait_until(lambda: any(run.closing for run in worker.runs()), "it to end")
        worker.stop(0)
        await wait_until(given_up, "the worker to wait no longer")
        server.start()

    info = await job.info()
    assert info is not None
    assert (info.state, info.errors) == (JobState.COMPLETED, [])
    assert await job.result(1) == 7


@pytest.mark.requirement("U17")
@pytest.mark.behaviour("T44")
async def test_a_worker_waits_for_a_redis_that_is_not_there_yet(
    queue: Queue, server: ServerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    @queue.task
    async def quick() -> str:
        return "ran"

    server.stop()
    async with Worker(queue):
        await wait_until(
            lambda: [r for r in caplog.records if "cannot connect" in r.message], "the first try"
        )
        server.start()
        assert await (await quick.enqueue()).result(15) == "ran"

    tries = [record for record in caplog.records if "cannot connect" in record.message]
    assert len(tries) == 1


@pytest.mark.behaviour("T44")
async def test_a_blocking_read_that_never_returns_is_given_up(
    queue: Queue, server: ServerProcess
) -> None:
    @queue.task
    async def quick() -> str:
        return "ran"

    async with Worker(queue):
        await (await quick.enqueue()).result(10)
        server.pause()
        frozen = asyncio.get_running_loop().time() + 1
        await wait_until(lambda: asyncio.get_running_loop().time() > frozen, "a freeze")
        server.resume()
        assert await (await quick.enqueue()).result(15) == "ran"


@pytest.mark.requirement("U17")
async def test_a_freeze_longer_than_the_lease_costs_a_live_worker_nothing(
    queue: Queue, server: ServerProcess
) -> None:
    gauge = Gauge()

    @queue.task(lease=0.6, attempts=1)
    async def held() -> str:
        await gauge.pass_through()
        return "done"

    async with Worker(queue), Worker(queue):
        jobs = [await held.enqueue() for _ in range(4)]
        await wait_until(lambda: gauge.now == 4, "all to run")
        server.pause()
        frozen = asyncio.get_running_loop().time() + 5
        await wait_until(
            lambda: asyncio.get_running_loop().time() > frozen, "a long freeze", timeout=10
        )
        server.resume()
        gauge.open()
        assert [await job.result(20) for job in jobs] == ["done"] * 4

    infos = await queue.infos([job.id for job in jobs])
    assert {info.lost_deliveries for info in infos} == {0}


async def _stop_without_redis(queue: Queue, server: ServerProcess) -> tuple[list[int], float]:
    """Return how many exchanges had begun before Redis went and after, and how long a stop took."""
    loop = asyncio.get_running_loop()
    async with Worker(queue) as worker:
        await (await queue.enqueue("quick")).result(10)
        lanes = worker._lanes
        # What Redis answers to this comes after the ring that told of the job, which may reach the
        # worker when the job has ended.
        await queue.counts()
        await wait_until(
            lambda: all(lane.idle.is_set() and not lane.held for lane in lanes),
            "the worker to be idle",
        )
        counters = [lanes[0].exchanges]
        server.stop()
        began = loop.time()
    return [*counters, lanes[0].exchanges], loop.time() - began


@pytest.mark.requirement("B27")
@pytest.mark.behaviour("T42")
async def test_an_idle_worker_stops_at_once_while_redis_is_away(
    queue: Queue, server: ServerProcess
) -> None:
    @queue.task
    async def quick() -> None:
        pass

    # An exchange that begins as Redis goes, in which jobs may have been claimed, is sent again for
    # some seconds. A worker that begins one each time is not idle.
    for _ in range(4):
        counters, spent = await _stop_without_redis(queue, server)
        if len(set(counters)) == 1:
            break
        server.start()

    assert len(set(counters)) == 1
    assert spent < 4


@pytest.mark.requirement("B27")
@pytest.mark.behaviour("T42")
async def test_a_busy_worker_stops_while_redis_is_away_and_the_job_runs_again(
    queue: Queue, server: ServerProcess
) -> None:
    gauge, loop = Gauge(), asyncio.get_running_loop()

    @queue.task(lease=1, attempts=1)
    async def held() -> str:
        await gauge.pass_through()
        return "done"

    worker = Worker(queue)
    running = asyncio.create_task(worker.run())
    job = await held.enqueue()
    await wait_until(lambda: gauge.now == 1, "the job to run")
    server.stop()
    began = loop.time()
    worker.stop(grace=0.2)
    await asyncio.wait_for(running, 20)
    assert loop.time() - began < 10

    server.start()
    gauge.open()
    async with Worker(queue):
        assert await job.result(20) == "done"


@pytest.mark.requirement("U17")
async def test_retries_go_on_after_a_restart(queue: Queue, server: ServerProcess) -> None:
    attempts: list[int] = []

    @queue.task(attempts=3, backoff=Fixed(0.3))
    async def failing() -> int:
        attempts.append(1)
        if len(attempts) < 3:
            raise ValueError("not yet")
        return len(attempts)

    async with Worker(queue):
        job = await failing.enqueue()
        await wait_until(lambda: attempts, "the first attempt")
        server.restart()
        assert await job.result(20) == 3

    assert await job.state() is JobState.COMPLETED


@pytest.mark.requirement("B1")
async def test_the_log_of_an_outage_names_the_server_and_the_duration(
    queue: Queue, server: ServerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    @queue.task
    async def quick() -> str:
        return "ran"

    async with Worker(queue):
        await (await quick.enqueue()).result(10)
        caplog.clear()
        server.stop()
        await wait_until(lambda: caplog.records, "the outage to be noticed")
        server.start()
        assert await (await quick.enqueue()).result(15) == "ran"

    lines = [record for record in caplog.records if record.message.startswith("Redis at")]
    assert {record.levelno for record in lines} == {logging.WARNING}
    assert all(str(server.port) in record.message for record in lines)
