"""Concurrent enqueues of one loop become one script call, and each caller gets what is its own."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aiojobs_redis import AiojobsError, Job, JobState, Queue, QueueFull, QueueUnavailable
from aiojobs_redis._redis.scripts import SCRIPTS
from tests.support.proxy import Proxy, runs_script
from tests.support.raw import raw
from tests.support.waiting import wait_until

is_enqueue = runs_script("enqueue", "enqueue_one")
is_lone = runs_script("enqueue_one")


def jobs_of(proxy: Proxy) -> list[int]:
    """Return how many jobs each enqueue call carried."""
    calls = [words for words in proxy.seen if is_enqueue(words)]
    return [1 if is_lone(words) else (len(words) - 3 - int(words[2]) - 6) // 3 for words in calls]


@pytest.mark.requirement("U5")
async def test_fifty_concurrent_enqueues_of_one_loop_are_one_call(
    proxy: Proxy, far_queue: Queue
) -> None:
    jobs = await asyncio.gather(*(far_queue.enqueue("work", n) for n in range(50)))
    assert all(job.created for job in jobs)
    assert jobs_of(proxy) == [50]


async def test_jobs_without_keys_take_the_script_that_knows_none(
    proxy: Proxy, far_queue: Queue
) -> None:
    def last() -> bytes:
        return next(words[1] for words in reversed(proxy.seen) if is_enqueue(words))

    plain: list[dict[str, Any]] = [{"priority": 3}, {"delay": 5}]
    for options in plain:
        await far_queue.enqueue("work", **options)
        assert last() == SCRIPTS["enqueue_plain"].sha
    keyed: list[dict[str, Any]] = [{"key": "k"}, {"unique": "u"}]
    for options in keyed:
        await far_queue.enqueue_many([far_queue.bind("work"), far_queue.bind("work", **options)])
        assert last() == SCRIPTS["enqueue"].sha
    async with Queue(far_queue.name, proxy.url, namespace="test", max_length_per_key=5) as queue:
        await queue.enqueue_many([queue.bind("work")])
        assert last() == SCRIPTS["enqueue"].sha


async def test_many_callers_that_come_again_go_in_two_halves(
    proxy: Proxy, far_queue: Queue
) -> None:
    async def call() -> None:
        for number in range(3):
            await far_queue.enqueue("work", number)

    await asyncio.gather(*(call() for _ in range(50)))
    assert jobs_of(proxy) == [50, 25, 25, 25, 25]


async def test_those_of_a_large_batch_take_the_few_along_who_came_late(
    proxy: Proxy, far_queue: Queue
) -> None:
    proxy.passing.clear()

    async def call() -> None:
        for number in range(2):
            await far_queue.enqueue("work", number)

    calls = [asyncio.create_task(call()) for _ in range(20)]
    await wait_until(lambda: jobs_of(proxy) == [20], "the first batch")
    late = asyncio.create_task(far_queue.enqueue("work", 9))
    await asyncio.sleep(0)
    proxy.passing.set()
    await asyncio.gather(*calls, late)
    assert jobs_of(proxy) == [20, 21]


async def test_a_lone_enqueue_waits_for_nobody(proxy: Proxy, far_queue: Queue) -> None:
    for number in range(5):
        await far_queue.enqueue("work", number)
    assert jobs_of(proxy) == [1] * 5


async def test_more_than_a_batch_goes_in_batches_of_250(proxy: Proxy, far_queue: Queue) -> None:
    await asyncio.gather(*(far_queue.enqueue("work", n) for n in range(600)))
    assert jobs_of(proxy) == [250, 250, 100]


async def test_a_call_stays_under_four_mebibytes(proxy: Proxy, far_queue: Queue) -> None:
    await asyncio.gather(*(far_queue.enqueue("work", bytes(900_000)) for _ in range(9)))
    assert jobs_of(proxy) == [4, 4, 1]


async def test_who_comes_while_a_batch_is_in_flight_goes_with_the_next(
    proxy: Proxy, far_queue: Queue
) -> None:
    proxy.passing.clear()
    first = asyncio.create_task(far_queue.enqueue("work", 0))
    await wait_until(lambda: jobs_of(proxy) == [1], "the first call")
    rest = [asyncio.create_task(far_queue.enqueue("work", n)) for n in range(1, 8)]
    await asyncio.sleep(0)
    proxy.passing.set()
    await asyncio.gather(first, *rest)
    assert jobs_of(proxy) == [1, 7]


async def test_a_caller_cancelled_before_its_batch_is_sent_adds_nothing(queue: Queue) -> None:
    await queue.connect()
    tasks = [asyncio.create_task(queue.enqueue("work", id=f"{n}")) for n in range(4)]
    # Each of them has joined the batch now; what sends it has not run yet.
    await asyncio.sleep(0)
    tasks[1].cancel()
    tasks[3].cancel()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(one, asyncio.CancelledError) for one in done] == [False, True, False, True]
    states = await queue.states(["0", "1", "2", "3"])
    assert list(states.values()) == [JobState.QUEUED, None, JobState.QUEUED, None]


async def test_a_caller_cancelled_after_its_batch_was_sent_has_added_its_job(
    proxy: Proxy, far_queue: Queue
) -> None:
    proxy.passing.clear()
    tasks = [asyncio.create_task(far_queue.enqueue("work", id=f"{n}")) for n in range(3)]
    await wait_until(lambda: jobs_of(proxy) == [3], "the batch to be carried out, unanswered")
    late = asyncio.create_task(far_queue.enqueue("work", id="late"))
    await asyncio.sleep(0)
    tasks[1].cancel()
    late.cancel()
    proxy.passing.set()
    done = await asyncio.gather(*tasks, late, return_exceptions=True)
    assert [isinstance(one, asyncio.CancelledError) for one in done] == [False, True, False, True]
    states = await far_queue.states(["0", "1", "2", "late"])
    assert list(states.values()) == [JobState.QUEUED] * 3 + [None]
    assert (await far_queue.enqueue("work", id="after")).created


async def test_a_lone_caller_that_is_cancelled_holds_nobody_up(
    proxy: Proxy, far_queue: Queue
) -> None:
    await far_queue.enqueue("work", id="first")
    proxy.passing.clear()
    alone = asyncio.create_task(far_queue.enqueue("work", id="alone"))
    await wait_until(lambda: jobs_of(proxy) == [1, 1], "the call to be carried out, unanswered")
    others = [asyncio.create_task(far_queue.enqueue("work", id=f"{n}")) for n in range(3)]
    await asyncio.sleep(0)
    alone.cancel()
    others[1].cancel()
    proxy.passing.set()
    done = await asyncio.gather(alone, *others, return_exceptions=True)
    assert [isinstance(one, asyncio.CancelledError) for one in done] == [True, False, True, False]
    assert jobs_of(proxy) == [1, 1, 2]
    states = await far_queue.states(["alone", "0", "1", "2"])
    assert list(states.values()) == [JobState.QUEUED, JobState.QUEUED, None, JobState.QUEUED]
    assert (await far_queue.enqueue("work", id="after")).created


async def test_an_error_reaches_every_caller_of_its_batch_and_none_of_the_next(
    server_url: str, queue_name: str
) -> None:
    queue = Queue(queue_name, url=server_url, namespace="test", max_length=5)
    await queue.connect()
    batch = [asyncio.create_task(queue.enqueue("work", n)) for n in range(8)]
    answers = await asyncio.gather(*batch, return_exceptions=True)
    assert [type(answer) for answer in answers] == [QueueFull] * 8
    assert (await queue.counts()).unfinished == 0
    for _ in range(5):
        assert (await queue.enqueue("work")).created
    with pytest.raises(QueueFull, match="takes 5"):
        await queue.enqueue("work")
    await queue.close()


async def test_each_of_two_bulk_calls_that_fail_together_learns_of_its_own_jobs(
    proxy: Proxy, queue_name: str
) -> None:
    queue = Queue(queue_name, url=proxy.url, namespace="test", max_length=750)
    call = queue.bind("work")
    # While the third call's batch is in flight the last ones of the others gather behind it.
    first, second, third = await asyncio.gather(
        *(queue.enqueue_many([call] * size) for size in (260, 270, 250)), return_exceptions=True
    )
    assert jobs_of(proxy) == [250, 250, 250, 30]
    assert isinstance(third, list)
    assert isinstance(first, QueueFull)
    assert isinstance(second, QueueFull)
    assert len(first.jobs) == len(second.jobs) == 250
    assert {job.id for job in first.jobs}.isdisjoint(job.id for job in second.jobs)
    await queue.close()


async def test_an_enqueue_whose_reply_was_lost_is_resent_and_doubles_nothing(
    proxy: Proxy, far_queue: Queue
) -> None:
    proxy.drop_reply_of(is_enqueue)
    proxy.drop_reply_of(is_enqueue)
    jobs = await asyncio.gather(*(far_queue.enqueue("work", n) for n in range(20)))
    assert proxy.dropped()
    assert jobs_of(proxy) == [20, 20, 20]
    assert all(job.created for job in jobs)
    assert (await far_queue.counts()).queued == 20


async def test_a_resent_enqueue_adds_nothing_even_when_its_jobs_are_done_and_forgotten(
    proxy: Proxy, far_queue: Queue, real_url: str
) -> None:
    proxy.drop_reply_of(is_enqueue)
    proxy.refusing = True
    adding = asyncio.create_task(far_queue.enqueue("work", id="once"))
    await wait_until(lambda: proxy.dropped(), "the reply to be lost")
    near = Queue(far_queue.name, url=real_url, namespace="test")
    assert await near.job("once").cancel()
    for name in ("jobs", "runs", "errors"):
        await raw(near, "HDEL", near.store.keys[name], "once")
    await raw(near, "ZREM", near.store.keys["cancelled"], "once")
    proxy.refusing = False
    assert (await adding).created
    assert await near.job("once").state() is None
    assert (await near.counts()).unfinished == 0
    await near.close()


async def test_a_resent_enqueue_says_again_which_ids_were_taken(
    proxy: Proxy, far_queue: Queue
) -> None:
    await far_queue.enqueue("work", id="old")
    proxy.drop_reply_of(is_enqueue)
    ids = ["new", "old", "newer", "new"]
    jobs = await asyncio.gather(*(far_queue.enqueue("work", id=id) for id in ids))
    assert proxy.dropped()
    assert [job.created for job in jobs] == [True, False, True, False]


async def test_a_connection_that_is_cut_is_no_error_for_a_producer(
    proxy: Proxy, far_queue: Queue
) -> None:
    for number in range(20):
        if number % 4 == 3:
            proxy.cut()
        assert (await far_queue.enqueue("work", number)).created
    assert (await far_queue.counts()).queued == 20


async def test_a_lone_enqueue_makes_a_queue_that_was_destroyed_meanwhile(
    proxy: Proxy, far_queue: Queue
) -> None:
    await far_queue.enqueue("work")
    await far_queue.destroy(force=True)
    proxy.drop_reply_of(is_lone)
    assert (await far_queue.enqueue("work", id="again")).created
    assert proxy.dropped()
    assert (await far_queue.counts()).queued == 1


@pytest.mark.requirement("B1")
async def test_an_outage_is_over_for_a_producer_when_the_server_is_back(
    proxy: Proxy, far_queue: Queue
) -> None:
    proxy.refusing = True
    proxy.cut()
    with pytest.raises(QueueUnavailable):
        await far_queue.enqueue("work", id="first")
    proxy.refusing = False
    assert (await far_queue.enqueue("work", id="first")).created


async def test_an_error_of_one_batch_is_an_object_of_its_own_for_each_caller(
    server_url: str, queue_name: str
) -> None:
    queue = Queue(queue_name, url=server_url, namespace="test", max_length=1)
    await queue.enqueue("work")
    answers: list[Job[object] | BaseException] = await asyncio.gather(
        *(queue.enqueue("work") for _ in range(3)), return_exceptions=True
    )
    assert len({id(answer) for answer in answers}) == 3
    for answer in answers:
        assert isinstance(answer, AiojobsError)
    await queue.close()
