"""Many jobs in one call: checked as a whole, written in atomic batches of 250."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator

import pytest

from aiojobs_redis import (
    ArgumentsInvalid,
    ConfigInvalid,
    PayloadTooLarge,
    Queue,
    QueueFull,
    QueueUnavailable,
    Worker,
)
from tests.support.other_process import start_python
from tests.support.proxy import Proxy, runs_script
from tests.support.raw import dump, raw
from tests.support.waiting import wait_until

is_enqueue = runs_script("enqueue", "enqueue_one")


@pytest.fixture
async def proxy(real_url: str) -> AsyncIterator[Proxy]:
    async with Proxy(real_url.removeprefix("unix://")) as proxy:
        yield proxy


@pytest.mark.requirement("B4")
@pytest.mark.requirement("D25")
@pytest.mark.behaviour("T57")
async def test_many_jobs_go_in_one_call_and_keep_a_worker_busy(queue: Queue) -> None:
    running = most = 0
    everybody = asyncio.Event()

    @queue.task
    async def work(number: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == 10:
            everybody.set()
        await everybody.wait()
        running -= 1
        return number

    jobs = await queue.enqueue_many(work.bind(n) for n in range(300))
    assert all(job.created for job in jobs)
    assert (await queue.counts()).queued == 300
    async with Worker(queue, concurrency=10):
        assert await asyncio.gather(*(job.result(30) for job in jobs)) == list(range(300))
    assert most == 10


@pytest.mark.requirement("B4")
async def test_ten_thousand_jobs_take_forty_round_trips(proxy: Proxy, queue_name: str) -> None:
    async with Queue(queue_name, url=proxy.url, namespace="test") as queue:
        await queue.enqueue("work")
        proxy.seen.clear()
        await queue.enqueue_many([queue.bind("work", n) for n in range(10_000)])
        assert len([words for words in proxy.seen if is_enqueue(words)]) == 40
        assert len(proxy.seen) == 40
        assert (await queue.counts()).queued == 10_001


async def test_no_jobs_are_no_call(queue: Queue) -> None:
    assert await queue.enqueue_many([]) == []
    assert await dump(queue) == {}


@pytest.mark.behaviour("T57")
async def test_calls_of_all_kinds_have_their_own_options_and_ids(queue: Queue) -> None:
    @queue.task
    async def add(one: int, two: int = 0) -> int:
        return one + two

    jobs = await queue.enqueue_many(
        [
            add.bind(1),
            add.options(id="b", priority=3).bind(2, two=2),
            queue.bind(add, 3, delay=3600),
            queue.bind("elsewhere", 4, anything=[1]),
            add.options(id="b").bind(5),
        ]
    )
    assert [job.created for job in jobs] == [True, True, True, True, False]
    assert jobs[1].id == jobs[4].id == "b"
    infos = [await job.info() for job in jobs]
    shown = [(i.task, i.state, i.priority, i.args, i.kwargs) for i in infos if i is not None]
    assert shown == [
        ("add", "queued", 0, [1], {}),
        ("add", "queued", 3, [2], {"two": 2}),
        ("add", "scheduled", 0, [3], {}),
        ("elsewhere", "queued", 0, [4], {"anything": [1]}),
        ("add", "queued", 3, [2], {"two": 2}),
    ]


async def test_repeating_a_call_whose_jobs_have_ids_adds_nothing(queue: Queue) -> None:
    calls = [queue.bind("work", n, id=f"{n}") for n in range(400)]
    first = await queue.enqueue_many(calls[:300])
    again = await queue.enqueue_many(calls)
    assert [job.created for job in first] == [True] * 300
    assert [job.created for job in again] == [False] * 300 + [True] * 100
    assert (await queue.counts()).queued == 400


@pytest.mark.requirement("B4")
@pytest.mark.behaviour("T57")
async def test_one_bad_item_refuses_the_whole_call_before_anything_is_written(
    server_url: str, queue_name: str
) -> None:
    queue = Queue(queue_name, url=server_url, namespace="test", max_payload=1000)

    @queue.task
    async def work(text: str) -> None: ...

    good = [work.bind(f"{n}") for n in range(600)]
    with pytest.raises(PayloadTooLarge, match=r"1\d{3} bytes.* 1000"):
        await queue.enqueue_many([*good, work.bind("x" * 1000)])
    with pytest.raises(ArgumentsInvalid, match="text"):
        await queue.enqueue_many(work.bind("x" if n < 599 else n) for n in range(600))  # type: ignore[arg-type]
    with pytest.raises(ConfigInvalid, match="priority"):
        await queue.enqueue_many(work.options(priority=n).bind("x") for n in range(1000, 1100))
    assert await dump(queue) == {}
    await queue.close()


async def test_a_call_that_fails_half_way_names_the_jobs_that_were_accepted(
    server_url: str, queue_name: str
) -> None:
    queue = Queue(queue_name, url=server_url, namespace="test", max_length=600)
    calls = [queue.bind("work", n, id=f"{n}") for n in range(900)]
    with pytest.raises(QueueFull) as caught:
        await queue.enqueue_many(calls)
    accepted = caught.value.jobs
    assert [job.id for job in accepted] == [f"{n}" for n in range(500)]
    assert (await queue.counts()).queued == 500
    await queue.close()


async def test_a_bulk_call_whose_replies_are_lost_doubles_nothing(
    proxy: Proxy, queue_name: str
) -> None:
    async with Queue(queue_name, url=proxy.url, namespace="test") as queue:
        await queue.enqueue("work")
        for _ in range(3):
            proxy.drop_reply_of(is_enqueue)
        jobs = await queue.enqueue_many([queue.bind("work", n) for n in range(1000)])
        assert proxy.dropped()
        assert all(job.created for job in jobs)
        assert (await queue.counts()).queued == 1001


async def test_an_outage_in_mid_call_leaves_whole_batches_and_a_repetition_completes_them(
    proxy: Proxy, queue_name: str
) -> None:
    async with Queue(queue_name, url=proxy.url, namespace="test") as queue:
        calls = [queue.bind("work", n, id=f"{n}") for n in range(1000)]

        def third(words: list[bytes]) -> bool:
            if is_enqueue(words) and b"500" in words:
                proxy.refusing = True
            return proxy.refusing

        proxy.drop_reply_of(third)
        with pytest.raises(QueueUnavailable) as caught:
            await queue.enqueue_many(calls)
        assert len(caught.value.jobs) == 500
        proxy.refusing = False
        # The batch whose reply was lost has been applied.
        assert (await queue.counts()).queued == 750
        again = await queue.enqueue_many(calls)
        assert sum(job.created for job in again) == 250
        assert (await queue.counts()).queued == 1000


@pytest.mark.requirement("R15")
async def test_a_producer_killed_in_mid_call_leaves_only_whole_batches(
    real_queue: Queue, real_url: str
) -> None:
    code = """
        import asyncio, sys
        from aiojobs_redis import Queue
        async def main(name, url):
            async with Queue(name, url=url, namespace="test") as queue:
                await queue.enqueue_many([queue.bind("work", n) for n in range(200_000)])
        asyncio.run(main(*sys.argv[1:]))
    """
    jobs, ready = real_queue.store.keys["jobs"], real_queue.store.keys["ready"]
    process = await start_python(code, real_queue.name, real_url)

    async def under_way() -> bool:
        return int(await raw(real_queue, "HLEN", jobs)) > 2000

    await wait_until(under_way, "some batches", 60)
    process.send_signal(signal.SIGKILL)
    assert await process.wait() == -signal.SIGKILL

    async def at_rest() -> bool:
        # What the server had received before the kill may still be carried out.
        before = await raw(real_queue, "HLEN", jobs)
        for _ in range(3):
            await raw(real_queue, "PING")
        return bool(before == await raw(real_queue, "HLEN", jobs))

    await wait_until(at_rest, "the last batch")
    count = await raw(real_queue, "HLEN", jobs)
    assert count % 250 == 0
    assert 2000 < count < 200_000
    assert await raw(real_queue, "ZCARD", ready) == count
    stats = await raw(real_queue, "HVALS", real_queue.store.keys["stats"])
    # The others name the tasks of a minute.
    assert sum(int(value) for value in stats if value.isdigit()) == count
