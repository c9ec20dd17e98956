"""Unique jobs that are kept out: by their arguments or a key, until done or started."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aiojobs_redis import Fixed, JobFailed, JobState, JobStateError, Queue, Retry, Unique, Worker
from tests.support.raw import raw
from tests.support.waiting import wait_until


class App:
    """A task whose attempts end when they are told to."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.runs: list[int] = []
        self.go_on = asyncio.Event()
        self.fails = 0

        @queue.task(backoff=Fixed(0.01))
        async def work(number: int = 0, *, label: str = "") -> int:
            self.runs.append(number)
            await self.go_on.wait()
            if self.fails:
                self.fails -= 1
                raise Retry(delay=0)
            return number

        @queue.task
        async def other(number: int = 0) -> int:
            return number

        self.work, self.other = work, other

    async def started(self, times: int = 1) -> None:
        await wait_until(lambda: len(self.runs) >= times, f"{times} starts", 10)


@pytest.fixture
def app(queue: Queue) -> App:
    return App(queue)


@pytest.mark.requirement("D21")
@pytest.mark.behaviour("T28")
async def test_a_job_is_kept_out_until_the_one_like_it_has_ended(app: App) -> None:
    unique = app.work.options(unique=True)
    first = await unique.enqueue(1, label="x")
    same = await unique.enqueue(label="x", number=1)
    assert (same.id, same.created, first.created) == (first.id, False, True)
    assert (await unique.enqueue(2, label="x")).created
    assert (await app.other.options(unique=True).enqueue(1)).created
    assert (await app.work.enqueue(1, label="x")).created

    async with Worker(app.queue):
        await app.started(3)
        assert not (await unique.enqueue(1, label="x")).created
        app.go_on.set()
        assert await same.result(10) == 1
        assert (await unique.enqueue(1, label="x")).created


@pytest.mark.parametrize(
    "unique",
    [
        True,
        Unique(until="started"),
        Unique(on_conflict="replace"),
        Unique(on_conflict="follow"),
    ],
)
async def test_what_has_expired_swallows_no_new_job(app: App, unique: bool | Unique) -> None:
    app.go_on.set()
    once = app.work.options(unique=unique)
    late = await once.options(expires=datetime.now(UTC) - timedelta(seconds=1)).enqueue(7)
    job = await once.enqueue(7)
    assert job.created
    async with Worker(app.queue):
        assert await job.result(10) == 7
        with pytest.raises(JobFailed, match="expired"):
            await late.result(10)
    assert app.runs == [7]


async def test_a_key_is_one_for_a_task(app: App) -> None:
    first = await app.work.options(unique="acct-7").enqueue(1)
    assert (await app.work.options(unique="acct-7").enqueue(2)).id == first.id
    assert (await app.work.options(unique="acct-8").enqueue(1)).created
    assert (await app.other.options(unique="acct-7").enqueue(1)).created
    by_name = await app.queue.enqueue("work", 3, unique="acct-7")
    assert (by_name.id, by_name.created) == (first.id, False)


async def test_a_retry_keeps_the_key_and_the_end_frees_it_whatever_it_is(app: App) -> None:
    unique = app.work.options(unique="k", attempts=2)
    app.fails = 1
    async with Worker(app.queue):
        first = await unique.enqueue(1)
        await app.started()
        app.go_on.set()
        await app.started(2)
        assert await first.result(10) == 1
        app.fails = 2
        dead = await unique.enqueue(2)
        assert dead.created
        await wait_until(lambda: _is(dead, JobState.DEAD), "it to be dead", 10)
    waiting = await unique.enqueue(3)
    assert waiting.created
    assert await waiting.cancel()
    assert (await unique.enqueue(4)).created


async def _is(job: Any, state: JobState) -> bool:
    return bool(await job.state() is state)


async def test_until_started_a_second_one_may_wait_while_the_first_runs(app: App) -> None:
    unique = app.work.options(unique=Unique("k", until="started"))
    first = await unique.enqueue(1)
    assert not (await unique.enqueue(2)).created
    async with Worker(app.queue, concurrency=1):
        await app.started()
        second = await unique.enqueue(3)
        assert second.created
        assert (await unique.enqueue(4)).id == second.id
        app.go_on.set()
        assert [await first.result(10), await second.result(10)] == [1, 3]


async def test_a_delayed_job_holds_its_key_while_it_waits(app: App) -> None:
    unique = app.work.options(unique="k", delay=60)
    first = await unique.enqueue(1)
    assert await first.state() is JobState.SCHEDULED
    assert (await unique.enqueue(2)).id == first.id
    await first.promote()
    assert (await unique.enqueue(2)).id == first.id


@pytest.mark.requirement("D21")
async def test_of_a_hundred_racing_producers_one_adds_the_job(
    queue: Queue, server_url: str
) -> None:
    App(queue)
    others = [Queue(queue.name, url=server_url, namespace="test") for _ in range(20)]
    jobs = await asyncio.gather(
        *(one.enqueue("work", 1, unique=True) for one in others for _ in range(5))
    )
    for one in others:
        await one.close()

    assert sum(job.created for job in jobs) == 1
    assert len({job.id for job in jobs}) == 1
    assert (await queue.counts()).queued == 1


async def test_duplicates_within_one_call_are_found(app: App) -> None:
    unique = app.work.options(unique="k")
    plain = app.work
    jobs = await app.queue.enqueue_many(
        [plain.bind(0), unique.bind(1), unique.bind(2), plain.bind(3), unique.bind(4)]
    )
    again = await app.queue.enqueue_many([unique.bind(5), plain.bind(6)])

    assert [job.created for job in jobs] == [True, True, False, True, False]
    assert jobs[1].id == jobs[2].id == jobs[4].id == again[0].id
    assert [job.created for job in again] == [False, True]
    assert (await app.queue.counts()).queued == 4


async def test_merged_callers_are_each_told_of_their_own(app: App) -> None:
    jobs = await asyncio.gather(
        *(app.work.options(unique=f"k{n % 10}").enqueue(n) for n in range(50)),
        *(app.work.enqueue(n) for n in range(50)),
    )
    by_key: dict[int, set[str]] = {}
    for n, job in enumerate(jobs[:50]):
        by_key.setdefault(n % 10, set()).add(job.id)

    assert all(len(ids) == 1 for ids in by_key.values())
    assert sum(job.created for job in jobs[:50]) == 10
    assert all(job.created for job in jobs[50:])
    assert (await app.queue.counts()).queued == 60


async def test_a_taken_id_comes_before_a_taken_key(app: App) -> None:
    await app.work.options(id="a").enqueue(1)
    await app.work.options(id="b", unique="k").enqueue(1)
    again = await app.work.options(id="a", unique="k").enqueue(1)
    assert (again.id, again.created) == ("a", False)
    assert (await app.work.options(id="c", unique="k").enqueue(1)).id == "b"


async def test_an_id_that_comes_again_without_the_key_holds_it_no_more(app: App) -> None:
    await app.work.options(id="a", unique="k", keep_result=0).enqueue(1)
    app.go_on.set()
    async with Worker(app.queue):
        await wait_until(lambda: _gone(app.queue.job("a")), "the record to go", 10)
    await app.work.options(id="a").enqueue(1)
    assert (await app.work.options(unique="k").enqueue(2)).created


async def _gone(job: Any) -> bool:
    return await job.state() is None


async def test_a_task_may_be_unique_and_a_job_of_it_not(queue: Queue) -> None:
    @queue.task(unique=True)
    async def sync(account: int) -> None: ...

    first = await sync.enqueue(7)
    assert (await sync.enqueue(7)).id == first.id
    assert (await sync.options(priority=3).enqueue(7)).id == first.id
    assert (await sync.options(unique=False).enqueue(7)).created
    assert (await queue.enqueue("sync", 7)).id == first.id


async def test_a_replay_is_refused_while_another_job_holds_the_key(app: App) -> None:
    unique = app.work.options(unique="k")
    first = await unique.enqueue(1)
    await first.cancel()
    second = await unique.enqueue(2)
    with pytest.raises(JobStateError, match=f"job {second.id} holds its unique key"):
        await first.retry()
    assert await first.state() is JobState.CANCELLED

    await second.cancel()
    await first.retry()
    assert await first.state() is JobState.QUEUED
    assert (await unique.enqueue(3)).id == first.id


async def test_replaying_all_leaves_those_whose_key_is_taken(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    unique = app.work.options(unique="k", attempts=1)
    app.go_on.set()
    dead = []
    async with Worker(app.queue):
        for number in range(3):
            app.fails = 1
            dead.append(await unique.enqueue(number))
            await wait_until(lambda: _is(dead[-1], JobState.DEAD), "it to be dead", 10)
    assert await app.queue.replay_all() == 1
    assert [await job.state() for job in dead].count(JobState.DEAD) == 2
    assert "2 dead jobs" in caplog.text


@pytest.mark.behaviour("T30")
async def test_only_the_job_that_holds_a_key_frees_it(app: App) -> None:
    unique = app.work.options(unique="k")
    first = await unique.enqueue(1)
    await first.cancel()
    second = await unique.enqueue(2)
    plain = await app.work.enqueue(3)
    assert not await first.free_unique()
    assert not await plain.free_unique()
    assert not await app.queue.job("nobody").free_unique()
    assert (await unique.enqueue(4)).id == second.id

    assert await second.free_unique()
    assert not await second.free_unique()
    third = await unique.enqueue(5)
    assert third.created
    assert await second.state() is JobState.QUEUED


async def test_a_job_without_a_key_pays_nothing(queue: Queue) -> None:
    await queue.enqueue("work", 1, priority=3)
    await queue.enqueue("work", 1)
    assert await raw(queue, "EXISTS", queue.store.keys["unique"]) == 0
    assert await raw(queue, "HLEN", queue.store.keys["runs"]) == 0
