"""Unique jobs that replace the one that waits, or follow the one that runs: the last one wins."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from aiojobs_redis import (
    EncryptedCodec,
    Fail,
    Fixed,
    Job,
    JobFailed,
    JobState,
    JobStateError,
    Queue,
    SignedCodec,
    Unique,
    Worker,
    current_job,
)
from tests.support.raw import raw
from tests.support.waiting import wait_until

REPLACE, FOLLOW = Unique("k", on_conflict="replace"), Unique("k", on_conflict="follow")


class App:
    """A task that runs until it is told to go on, and fails where it is to."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.runs: list[int] = []
        self.go_on = asyncio.Event()
        self.fails: list[type[Exception]] = []

        @queue.task(backoff=Fixed(0.05), attempts=2)
        async def work(number: int) -> int:
            self.runs.append(number)
            await self.go_on.wait()
            if self.fails:
                raise self.fails.pop()("as asked")
            return number

        self.work = work
        self.replace, self.follow = work.options(unique=REPLACE), work.options(unique=FOLLOW)

    async def started(self, times: int = 1) -> None:
        await wait_until(lambda: len(self.runs) >= times, f"{times} starts", 10)


@pytest.fixture
def app(queue: Queue) -> App:
    return App(queue)


@pytest.mark.behaviour("T28")
async def test_while_a_job_is_delayed_the_last_arguments_win(app: App) -> None:
    debounced = app.work.options(unique=REPLACE, delay=0.3)
    jobs = [await debounced.enqueue(number) for number in range(5)]
    assert len({job.id for job in jobs}) == 1
    assert [job.created for job in jobs] == [True, *[False] * 4]
    info = await jobs[0].info()
    assert info is not None
    assert info.args == [4]
    app.go_on.set()
    async with Worker(app.queue):
        assert await jobs[0].result(10) == 4
    assert app.runs == [4]


async def test_each_replacement_starts_the_delay_again(app: App) -> None:
    first = await app.work.options(unique=REPLACE, delay=10).enqueue(1)
    before = await first.info()
    await app.work.options(unique=REPLACE, delay=100).enqueue(2)
    after = await first.info()
    assert before is not None
    assert after is not None
    assert (after.run_at - before.run_at).total_seconds() > 85
    await app.replace.enqueue(3)
    assert await first.state() is JobState.QUEUED
    await app.work.options(unique=REPLACE, delay=10).enqueue(4)
    assert await first.state() is JobState.SCHEDULED


async def test_the_options_are_those_of_the_last_one_too(app: App) -> None:
    first = await app.work.options(unique=REPLACE, priority=1).enqueue(1)
    await app.work.enqueue(2)
    await app.work.options(unique=REPLACE, priority=-5, attempts=1, headers={"a": "b"}).enqueue(3)
    info = await first.info()
    assert info is not None
    assert (info.priority, info.attempts, info.headers) == (-5, 1, {"a": "b"})
    app.go_on.set()
    async with Worker(app.queue, concurrency=1):
        await first.result(10)
    assert app.runs == [2, 3]


async def test_a_queued_job_keeps_its_place_when_it_is_replaced(app: App) -> None:
    await app.replace.enqueue(1)
    await app.work.enqueue(2)
    last = await app.replace.enqueue(3)
    app.go_on.set()
    async with Worker(app.queue, concurrency=1):
        await last.result(10)
        await app.started(2)
    assert app.runs == [3, 2]


@pytest.mark.parametrize(("key", "place"), [("tenant", 0), ("tenant-0", 3)])
async def test_a_job_of_a_key_keeps_its_turn_while_it_keeps_the_key(
    app: App, key: str, place: int
) -> None:
    await app.work.options(unique=REPLACE, key="tenant").enqueue(0)
    for number in range(3):
        for other in range(3):
            await app.work.options(key=f"tenant-{other}").enqueue(10 * number + other)
        await app.work.options(unique=REPLACE, key=key).enqueue(100 + number)

    assert [lease.args for lease in await app.queue.claim(20)][place] == (102,)


async def test_once_started_a_job_is_replaced_no_more_and_another_one_is_added(app: App) -> None:
    first = await app.replace.enqueue(1)
    async with Worker(app.queue):
        await app.started()
        second = await app.replace.enqueue(2)
        assert second.created
        app.go_on.set()
        assert [await first.result(10), await second.result(10)] == [1, 2]


@pytest.mark.parametrize("parked", [False, True])
async def test_steps_of_a_replayed_job_do_not_count_for_the_arguments_of_another_one(
    app: App, parked: bool
) -> None:
    queue = app.queue
    shipped: list[tuple[str, str]] = []
    attempts: list[str] = []

    @queue.task(unique=REPLACE, attempts=1, backoff=Fixed(0))
    async def order(item: str) -> None:
        job = current_job()
        attempts.append(item)
        if attempts.count("pear") == 1:
            raise ValueError("before its first step")
        job.state["seen"] = [*job.state.get("seen", []), item]
        await job.step("ship", ship, item, job.idempotency_key("ship"))
        if item == "apple":
            raise ValueError("after its last step")

    async def ship(item: str, key: str) -> None:
        shipped.append((item, key))

    ours = order.options(key="ours")
    async with Worker(queue):
        job = await ours.enqueue("apple")
        with pytest.raises(JobFailed):
            await job.result(10)
        assert await job.saved_state() == {"seen": ["apple"]}
        if parked:
            await queue.limit(concurrency=1, key="ours")
            await app.work.options(key="ours").enqueue(1)
            await app.started()
        else:
            await queue.pause()
        await job.retry()
        waits = JobState.BLOCKED if parked else JobState.QUEUED
        await wait_until(partial(_is, job, waits), f"it to be {waits}")
        again = await ours.options(attempts=2).enqueue("pear")
        assert again.id == job.id
        assert await job.steps() == {} == await job.saved_state()
        app.go_on.set()
        await queue.resume()
        await job.result(10)

    assert [item for item, _ in shipped] == ["apple", "pear"]
    assert len({key for _, key in shipped}) == 2


async def test_who_waits_for_the_first_gets_the_result_of_the_last(app: App) -> None:
    first = await app.work.options(unique=REPLACE, delay=60).enqueue(1)
    waiting = asyncio.create_task(first.result(20))
    await wait_until(lambda: _waits(app.queue), "somebody to wait", 5)
    await app.replace.enqueue(2)
    app.go_on.set()
    async with Worker(app.queue):
        assert await waiting == 2


async def _waits(queue: Queue) -> bool:
    return bool(await raw(queue, "HLEN", queue.store.keys["waiters"]))


async def test_of_one_call_the_last_one_wins(app: App) -> None:
    calls = [app.replace.bind(number) for number in range(3)]
    jobs = await app.queue.enqueue_many([app.work.bind(9), *calls])
    assert len({job.id for job in jobs}) == 2
    assert [job.created for job in jobs] == [True, True, False, False]
    info = await jobs[1].info()
    assert info is not None
    assert info.args == [2]
    assert (await app.queue.counts()).queued == 2


async def test_what_keeps_its_key_until_it_is_done_is_not_replaced_while_it_runs(app: App) -> None:
    first = await app.work.options(unique="k").enqueue(1)
    async with Worker(app.queue):
        await app.started()
        again = await app.replace.enqueue(2)
        assert (again.id, again.created) == (first.id, False)
        app.go_on.set()
        assert await first.result(10) == 1


@pytest.mark.behaviour("T29")
async def test_while_one_runs_n_more_become_one_with_the_last_arguments(app: App) -> None:
    async with Worker(app.queue):
        first = await app.follow.enqueue(0)
        await app.started()
        later = [await app.follow.enqueue(number) for number in range(1, 6)]
        assert len({job.id for job in later}) == 1
        assert [job.created for job in later] == [True, *[False] * 4]
        assert await later[0].state() is JobState.BLOCKED
        app.go_on.set()
        assert await first.result(10) == 0
        assert await later[0].result(10) == 5
    assert app.runs == [0, 5]


async def test_what_waits_is_replaced_and_only_what_runs_is_followed(app: App) -> None:
    first = await app.follow.enqueue(1)
    assert (await app.follow.enqueue(2)).id == first.id
    async with Worker(app.queue):
        await app.started()
        assert app.runs == [2]
        second = await app.follow.enqueue(3)
        app.go_on.set()
        await second.result(10)
    assert app.runs == [2, 3]


@pytest.mark.behaviour("T29")
@pytest.mark.parametrize("end", ["failed", "dead", "cancelled"])
async def test_a_follower_goes_on_after_the_end_and_not_between_retries(app: App, end: str) -> None:
    app.fails = [ValueError] if end == "failed" else [Fail] if end == "dead" else []
    async with Worker(app.queue):
        first = await app.follow.enqueue(0)
        await app.started()
        second = await app.follow.enqueue(1)
        if end == "cancelled":
            await first.cancel()
        app.go_on.set()
        assert await second.result(20) == 1
        if end == "dead":
            with pytest.raises(JobFailed):
                await first.result(10)
        elif end == "cancelled":
            # It may have completed before it heard of it.
            assert await first.state() in (JobState.CANCELLED, JobState.COMPLETED)
    assert app.runs == ([0, 0, 1] if end == "failed" else [0, 1])


async def test_a_follower_with_a_delay_waits_for_both(app: App) -> None:
    async with Worker(app.queue):
        first = await app.follow.enqueue(0)
        await app.started()
        second = await app.work.options(unique=FOLLOW, delay=60).enqueue(1)
        assert await second.state() is JobState.BLOCKED
        app.go_on.set()
        await first.result(10)
        assert await second.state() is JobState.SCHEDULED
        await second.promote()
        assert await second.result(10) == 1


async def test_a_follower_can_be_cancelled_and_another_one_comes(app: App) -> None:
    async with Worker(app.queue):
        first = await app.follow.enqueue(0)
        await app.started()
        second = await app.follow.enqueue(1)
        assert await second.cancel()
        with pytest.raises(JobStateError, match=f"job {first.id} holds its unique key"):
            await second.retry()
        third = await app.follow.enqueue(2)
        assert third.created
        app.go_on.set()
        assert await third.result(10) == 2
        await first.result(10)
    assert await second.state() is JobState.CANCELLED
    assert await raw(app.queue, "HLEN", app.queue.store.keys["followers"]) == 0


async def test_who_waits_has_the_key_when_it_is_given_up(app: App) -> None:
    async with Worker(app.queue):
        first = await app.follow.enqueue(0)
        await app.started()
        second = await app.follow.enqueue(1)
        assert await first.free_unique()
        await app.started(2)
        assert await second.state() is JobState.RUNNING
        kept = await app.work.options(unique="k").enqueue(2)
        assert kept.id == second.id
        app.go_on.set()
        assert [await first.result(10), await second.result(10)] == [0, 1]


async def test_a_whole_chain_of_followers_runs_one_at_a_time(app: App) -> None:
    app.go_on.set()
    async with Worker(app.queue):
        jobs = []
        for number in range(30):
            jobs.append(await app.follow.enqueue(number))
            if number % 3 == 0:
                await asyncio.sleep(0)
        for job in jobs:
            await job.result(20)
    assert app.runs[-1] == 29
    assert app.runs == sorted(app.runs)


KEYS = {"1": b"k" * 32}


@pytest.mark.requirement("S5")
@pytest.mark.parametrize("codec", [SignedCodec, EncryptedCodec])
async def test_a_payload_may_take_the_place_of_another_that_was_sealed(
    queue_name: str, server_url: str, codec: Callable[..., Any]
) -> None:
    async with Queue(queue_name, server_url, namespace="test", codec=codec(KEYS)) as queue:
        app = App(queue)
        first = await app.replace.enqueue(1)
        assert (await app.replace.enqueue(2)).id == first.id
        info = await first.info()
        assert info is not None
        assert info.args == [2]
        async with Worker(queue):
            await app.started()
            kept = await app.work.options(unique=Unique("kept")).enqueue(5)
            follower = [await app.follow.enqueue(number) for number in (3, 4)][-1]
            app.go_on.set()
            assert await first.result(10) == 2
            assert await follower.result(10) == 4
            assert await kept.result(10) == 5


@pytest.mark.requirement("S5")
async def test_a_sealed_job_that_was_replaced_can_be_claimed_by_hand(
    queue_name: str, server_url: str
) -> None:
    async with Queue(queue_name, server_url, namespace="test", codec=SignedCodec(KEYS)) as queue:
        app = App(queue)
        for number in (1, 2):
            await app.replace.enqueue(number)
        (lease,) = await queue.claim(1)
        assert list(lease.args) == [2]
        await lease.complete(5)


@pytest.mark.requirement("S5")
async def test_a_payload_that_is_shared_is_rejected_under_another_key(
    queue_name: str, server_url: str
) -> None:
    async with Queue(queue_name, server_url, namespace="test", codec=SignedCodec(KEYS)) as queue:
        app = App(queue)
        app.go_on.set()
        first = await app.replace.enqueue(1)
        other = await app.work.options(unique=Unique("l", on_conflict="replace")).enqueue(2)
        jobs = queue.store.keys["jobs"]
        _, _, spec = (await raw(queue, "HGET", jobs, first.id)).partition(b"\n")
        header, _, _ = (await raw(queue, "HGET", jobs, other.id)).partition(b"\n")
        await raw(queue, "HSET", jobs, other.id, header + b"\n" + spec)
        async with Worker(queue):
            with pytest.raises(JobFailed, match="PayloadRejected"):
                await other.result(10)
            assert await first.result(10) == 1


async def _is(job: Job[Any], state: JobState) -> bool:
    return await job.state() is state


@pytest.mark.parametrize("way", ["delayed", "queued", "follower"])
async def test_a_job_that_gets_a_key_as_it_is_replaced_has_its_turn_later(
    app: App, way: str
) -> None:
    held = None
    if way == "follower":
        held = await app.follow.enqueue(0)
        (lease,) = await app.queue.claim(1)
    unique = FOLLOW if way == "follower" else REPLACE
    first = app.work.options(unique=unique, delay=0.05 if way == "delayed" else 0)
    job = await first.enqueue(1)
    again = await app.work.options(unique=unique, delay=0.1, key="tenant").enqueue(2)
    assert (again.id, again.created) == (job.id, False)
    # By this mark an exchange knows that there may be turns of keys.
    assert await raw(app.queue, "EXISTS", app.queue.store.keys["tags"]) == 1
    if held is not None:
        await lease.complete(0)
    app.go_on.set()
    async with Worker(app.queue):
        assert await job.result(10) == 2
