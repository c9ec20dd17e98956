"""What an operator asks of a worker from afar: it is quiet, goes on, stops, and says so."""

from __future__ import annotations

import asyncio
import threading

import pytest

from aiojobs_redis import (
    ConfigInvalid,
    JobState,
    Queue,
    QueueUnavailable,
    Worker,
    WorkerInfo,
    WorkerNotFound,
    WorkerState,
)
from aiojobs_redis.worker import duties
from tests.support.gauge import Gauge
from tests.support.proxy import Proxy, runs_script
from tests.support.raw import raw
from tests.support.waiting import wait_until


@pytest.fixture
def no_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody beat by the clock, so that a beat comes of a message, or not at all."""
    monkeypatch.setattr(duties, "_INTERVAL", 600.0)


async def seen(queue: Queue, worker: Worker) -> WorkerInfo | None:
    """Return what the registry says of a worker."""
    return next((info for info in await queue.workers() if info.id == worker.id), None)


async def wait_for_state(queue: Queue, worker: Worker, state: WorkerState) -> WorkerInfo:
    """Wait until a worker says that it is in a state, and has obeyed all that it was asked."""
    found: list[WorkerInfo] = []

    async def is_so() -> bool:
        found[:] = [info for info in [await seen(queue, worker)] if info is not None]
        return bool(found) and found[0].state is state and found[0].asked is None

    await wait_until(is_so, f"{worker.id} to be {state}")
    return found[0]


async def words(queue: Queue) -> list[bytes]:
    """Return the fields of meta in which words for workers are kept."""
    fields = await raw(queue, "HKEYS", queue.store.keys["meta"])
    return [field for field in fields if field.startswith(b"word ")]


async def test_a_quiet_worker_finishes_what_it_has_and_claims_none_until_it_is_to_go_on(
    queue: Queue,
) -> None:
    gauge = Gauge()

    @queue.task
    async def held(number: int) -> int:
        await gauge.pass_through()
        return number

    async with Worker(queue, concurrency=2) as worker:
        first = await held.enqueue(1)
        await wait_until(lambda: gauge.now == 1, "the first to run")
        await queue.quiet_worker(worker.id)
        info = await wait_for_state(queue, worker, WorkerState.QUIET)
        second = await held.enqueue(2)
        gauge.open()
        assert await first.result(10) == 1
        async with Worker(queue) as other:
            # Another one that is not quiet takes it.
            assert await second.result(10) == 2
            await other.wait_until_ready()
        third = await held.enqueue(3)
        assert await third.state() is JobState.QUEUED
        assert await words(queue) == []
        await queue.resume_worker(worker.id)
        assert await third.result(10) == 3
        await wait_for_state(queue, worker, WorkerState.RUNNING)

    assert info.concurrency == 2
    assert gauge.entered == 3


async def test_a_worker_that_is_stopped_drains_and_is_seen_until_its_end(queue: Queue) -> None:
    gauge = Gauge()

    @queue.task
    async def held() -> str:
        await gauge.pass_through()
        return "done"

    worker = Worker(queue)
    run = asyncio.create_task(worker.run())
    job = await held.enqueue()
    await wait_until(lambda: gauge.now == 1, "the job to run")
    await queue.stop_worker(worker.id)
    info = await wait_for_state(queue, worker, WorkerState.STOPPING)
    counts = await queue.counts()
    again = await held.enqueue()
    # Once more changes nothing: it is no second signal, which would hand the job back.
    await queue.stop_worker(worker.id)
    await wait_for_state(queue, worker, WorkerState.STOPPING)
    assert not run.done()
    gauge.open()
    await asyncio.wait_for(run, 10)

    assert (info.running, counts.workers) == (1, 0)
    assert await job.result(10) == "done"
    assert await again.state() is JobState.QUEUED
    assert await queue.workers() == []
    assert await words(queue) == []
    await asyncio.wait_for(worker.told_to_stop(), 1)


@pytest.mark.usefixtures("no_beats")
async def test_a_worker_is_told_at_once(queue: Queue) -> None:
    async with Worker(queue) as worker:
        await wait_for_state(queue, worker, WorkerState.RUNNING)

        async def listens() -> bool:
            channel = queue.store.cancel_channel(worker.id)
            return bool((await raw(queue, "PUBSUB", "NUMSUB", channel))[1])

        await wait_until(listens, "the worker to listen")
        await queue.quiet_worker(worker.id)
        await wait_for_state(queue, worker, WorkerState.QUIET)
        await queue.resume_worker(worker.id)
        await wait_for_state(queue, worker, WorkerState.RUNNING)


async def test_a_message_that_is_lost_is_made_up_for_by_the_next_beat(queue: Queue) -> None:
    async with Worker(queue) as worker:
        await wait_for_state(queue, worker, WorkerState.RUNNING)
        await raw(queue, "HSET", queue.store.keys["meta"], f"word {worker.id}", "qlost")
        await wait_for_state(queue, worker, WorkerState.QUIET)
        assert await words(queue) == []


async def test_the_last_word_counts_and_each_is_obeyed_once(queue: Queue) -> None:
    async with Worker(queue) as worker:
        await wait_for_state(queue, worker, WorkerState.RUNNING)
        for _ in range(5):
            await queue.quiet_worker(worker.id)
            await queue.resume_worker(worker.id)
        await queue.quiet_worker(worker.id)
        await wait_for_state(queue, worker, WorkerState.QUIET)
        # What was obeyed does not come back against what is said here.
        worker.resume()
        await wait_for_state(queue, worker, WorkerState.RUNNING)
        beat = await seen(queue, worker)
        assert beat is not None

        async def beats_again() -> bool:
            info = await seen(queue, worker)
            return info is not None and info.heartbeat_at > beat.heartbeat_at

        await wait_until(beats_again, "another beat")
        assert worker.state is WorkerState.RUNNING


@pytest.mark.usefixtures("no_beats")
async def test_what_the_application_does_with_its_worker_is_seen_too(queue: Queue) -> None:
    async with Worker(queue) as worker:
        await wait_for_state(queue, worker, WorkerState.RUNNING)
        thread = threading.Thread(target=worker.pause)
        thread.start()
        await wait_for_state(queue, worker, WorkerState.QUIET)
        thread.join()
        worker.resume()
        await wait_for_state(queue, worker, WorkerState.RUNNING)


async def test_a_word_is_for_all_queues_of_a_worker(queue: Queue) -> None:
    other = Queue(f"{queue.name}-2", url=queue.store.server._url, namespace="test")
    async with Worker([queue, other]) as worker:
        await wait_for_state(queue, worker, WorkerState.RUNNING)
        await wait_for_state(other, worker, WorkerState.RUNNING)
        await other.quiet_worker(worker.id)
        await wait_for_state(queue, worker, WorkerState.QUIET)
        await queue.resume_worker(worker.id)
        await wait_for_state(other, worker, WorkerState.RUNNING)
    await other.destroy()


async def test_a_worker_that_is_not_there_is_an_error(queue: Queue) -> None:
    for ask in (queue.quiet_worker, queue.resume_worker, queue.stop_worker):
        with pytest.raises(WorkerNotFound, match=r"no worker 'w-1': .*Queue.workers"):
            await ask("w-1")
        with pytest.raises(ConfigInvalid, match="id must be"):
            await ask("")
    assert await raw(queue, "EXISTS", *queue.store.keys.values()) == 0


async def test_a_stop_whose_answer_is_lost_is_sent_again_and_has_stopped_the_worker(
    far_queue: Queue, proxy: Proxy
) -> None:
    near = Worker(far_queue)
    async with Worker(far_queue) as other:
        run = asyncio.create_task(near.run())
        await wait_for_state(far_queue, near, WorkerState.RUNNING)
        await wait_for_state(far_queue, other, WorkerState.RUNNING)
        proxy.drop_reply_of(runs_script("ask_worker"))
        # The worker is gone before the word is sent again: that is no worker that is not there.
        await far_queue.stop_worker(near.id)
        assert proxy.dropped()
        await asyncio.wait_for(run, 10)
        assert [info.id for info in await far_queue.workers()] == [other.id]
        assert await words(far_queue) == []
        assert other.state is WorkerState.RUNNING


async def test_a_queue_that_never_had_a_job_shows_its_workers(queue: Queue) -> None:
    async with Worker(queue) as worker:
        await wait_for_state(queue, worker, WorkerState.RUNNING)
        assert (await queue.counts()).workers == 1
        # Nor are jobs without a worker, for the moment until its next beat.
        worker.pause()
        await queue.enqueue("first")
        assert (await queue.health()).ok
    assert await queue.workers() == []


@pytest.mark.usefixtures("no_beats")
async def test_a_destroyed_queue_shows_its_workers_with_its_next_job(queue: Queue) -> None:
    @queue.task
    async def quick() -> int:
        return 1

    async with Worker(queue) as worker:
        await wait_for_state(queue, worker, WorkerState.RUNNING)
        await queue.destroy()
        worker.pause()
        await wait_until(lambda: worker._lanes[0].quiet, "the worker to be quiet")
        await wait_until(lambda: _beats_in_vain(worker), "a beat that finds nothing")
        assert await raw(queue, "EXISTS", *queue.store.keys.values()) == 0
        worker.resume()
        assert await (await quick.enqueue()).result(10) == 1
        await wait_for_state(queue, worker, WorkerState.RUNNING)


def _beats_in_vain(worker: Worker) -> bool:
    return not worker._lanes[0].leads


async def test_the_words_of_an_operator_need_redis(far_queue: Queue, proxy: Proxy) -> None:
    await far_queue.connect()
    proxy.refusing = True
    proxy.cut()
    with pytest.raises(QueueUnavailable):
        await far_queue.quiet_worker("w")
