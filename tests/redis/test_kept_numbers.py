"""Finished jobs are kept none, for a time, for ever, or up to a number, each state by itself."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from aiojobs_redis import (
    ConfigInvalid,
    JobCancelled,
    JobFailed,
    JobNotFound,
    JobState,
    Queue,
    Worker,
)
from tests.support.waiting import wait_until

FINISHED = ("completed", "cancelled", "dead")
YEARS = 200 * 365 * 24 * 3600 * 1000


class Ends:
    """A task whose jobs end as they are told.

    Args:
        queue: Its queue.
    """

    def __init__(self, queue: Queue) -> None:
        self.queue = queue

        @queue.task(attempts=1)
        async def end(how: str) -> str:
            if how == "dead":
                raise ValueError(how)
            return how

        self.task = end

    async def make(self, how: str, number: int, **options: Any) -> list[str]:
        """Let so many jobs end one after the other; return their ids."""
        jobs = [await self.task.options(**options).enqueue(how) for _ in range(number)]
        if how == "cancelled":
            for job in jobs:
                await job.cancel("enough")
        else:
            await Worker(self.queue, concurrency=1).run(burst=True)
        return [job.id for job in jobs]

    async def left(self, ids: list[str]) -> list[str]:
        """Return those that there is still a record of."""
        states = await self.queue.states(ids)
        return [id for id in ids if states[id] is not None]


@pytest.fixture
def ends(queue: Queue) -> Ends:
    """A queue whose jobs end as they are told."""
    return Ends(queue)


async def waited_for(queue: Queue, number: int) -> bool:
    """Whether so many results are waited for."""
    async with queue.store.server.borrow() as link:
        return bool(await link.call("HLEN", queue.store.keys["waiters"]) == number)


async def sweep(queue: Queue) -> None:
    await queue.store.ask("sweep", 250, 0, 0, 0, 0, 0, 0)


async def age(queue: Queue, ms: int) -> None:
    """Let all finished jobs have finished so much earlier."""
    async with queue.store.server.borrow() as link:
        for name in (*FINISHED, "kept"):
            key = queue.store.keys[name]
            found = await link.call("ZRANGE", key, "0", "-1", "WITHSCORES")
            for id, score in zip(found[::2], found[1::2], strict=True):
                await link.call("ZADD", key, str(int(float(score)) - ms), id)


OPTION = {"completed": "keep_result", "cancelled": "keep_cancelled", "dead": "keep_dead"}


@pytest.mark.requirement("U11")
@pytest.mark.behaviour("T53")
@pytest.mark.parametrize("state", FINISHED)
async def test_none_is_kept_of_what_is_not_to_be_kept(ends: Ends, state: str) -> None:
    ids = await ends.make(state, 3, **{OPTION[state]: 0})
    assert await ends.left(ids) == []
    async with ends.queue.store.server.borrow() as link:
        for name in ("jobs", "runs", "results", "errors"):
            assert await link.call("EXISTS", ends.queue.store.keys[name]) == 0


@pytest.mark.requirement("U11")
@pytest.mark.behaviour("T53")
@pytest.mark.parametrize("state", FINISHED)
async def test_a_job_goes_at_the_age_that_it_was_given(ends: Ends, state: str) -> None:
    short = await ends.make(state, 1, **{OPTION[state]: 60})
    usual = await ends.make(state, 1)
    long = await ends.make(state, 1, **{OPTION[state]: 40 * 24 * 3600})
    for passed, left in (
        (0, [*short, *usual, *long]),
        (61_000, [*usual, *long]),
        (31 * 24 * 3600 * 1000, long),
        (10 * 24 * 3600 * 1000, []),
    ):
        await age(ends.queue, passed)
        await sweep(ends.queue)
        assert await ends.left([*short, *usual, *long]) == left


@pytest.mark.requirement("U11")
@pytest.mark.behaviour("T53")
@pytest.mark.parametrize("state", FINISHED)
async def test_a_job_that_is_kept_for_ever_outlives_age_and_number(ends: Ends, state: str) -> None:
    await ends.queue.keep(**{state: 1})
    kept = await ends.make(state, 3, **{OPTION[state]: None})
    usual = await ends.make(state, 3)
    await sweep(ends.queue)
    assert await ends.left([*kept, *usual]) == [*kept, usual[-1]]
    await age(ends.queue, YEARS)
    await sweep(ends.queue)
    assert await ends.left([*kept, *usual]) == kept
    await ends.queue.job(kept[0]).remove()
    assert await ends.left(kept) == kept[1:]


@pytest.mark.requirement("U11")
@pytest.mark.behaviour("T53")
@pytest.mark.parametrize("state", FINISHED)
async def test_no_more_jobs_are_kept_than_the_number(ends: Ends, state: str) -> None:
    assert await ends.queue.keep(**{state: 5})
    assert not await ends.queue.keep(**{state: 5}), "it was set already"
    ids = await ends.make(state, 30)
    others = [other for other in FINISHED if other != state]
    for other in others:
        await ends.make(other, 6)
    counts = await ends.queue.counts()
    assert await ends.left(ids) == ids[-5:], "the last ones, without a sweep"
    assert [getattr(counts, other) for other in others] == [6, 6]


async def test_the_number_counts_completed_jobs_of_any_retention(ends: Ends) -> None:
    await ends.queue.keep(completed=4)
    own = await ends.make("completed", 3, keep_result=7200)
    usual = await ends.make("completed", 3)
    assert await ends.left([*own, *usual]) == [*own, usual[-1]]
    more = await ends.make("completed", 3, keep_result=7200)
    await sweep(ends.queue)
    assert await ends.left([*own, *usual, *more]) == [*own[-1:], *more]


@pytest.mark.behaviour("T53")
async def test_results_that_are_waited_for_outlive_the_number(queue: Queue) -> None:
    @queue.task
    async def fill(number: int) -> bytes:
        return b"%d" % number + b"x" * 5000

    await queue.keep(completed=2)
    jobs = await queue.enqueue_many([fill.bind(number) for number in range(40)])
    results = [asyncio.create_task(job.result(10)) for job in jobs]

    await wait_until(partial(waited_for, queue, 40), "all of them to be waited for", 10)
    async with Worker(queue, concurrency=40):
        assert [(await result)[:2] for result in results] == [
            b"%dx" % n if n < 10 else b"%d" % n for n in range(40)
        ]
    await age(queue, 61_000)
    await fill.enqueue(1)
    await Worker(queue).run(burst=True)
    await sweep(queue)
    assert (await queue.counts()).completed <= 2


@pytest.mark.behaviour("T53")
@pytest.mark.parametrize(("how", "error"), [("dead", JobFailed), ("cancelled", JobCancelled)])
async def test_who_waits_is_told_why_it_failed_though_others_have_come_since(
    ends: Ends, how: str, error: type[Exception]
) -> None:
    queue = ends.queue
    await queue.keep(dead=1, cancelled=1)
    jobs = await queue.enqueue_many([ends.task.bind(how) for _ in range(20)])
    results = [asyncio.create_task(job.result(10)) for job in jobs]
    await wait_until(partial(waited_for, queue, 20), "all of them to be waited for", 10)
    if how == "dead":
        await Worker(queue, concurrency=20).run(burst=True)
    else:
        await asyncio.gather(*[job.cancel("enough") for job in jobs])
    for result in results:
        with pytest.raises(error, match="dead" if how == "dead" else "enough"):
            await result


@pytest.mark.behaviour("T53")
async def test_age_and_number_hold_together(ends: Ends) -> None:
    await ends.queue.keep(dead=5)
    ids = await ends.make("dead", 4, keep_dead=60)
    await age(ends.queue, 61_000)
    ids += await ends.make("dead", 3, keep_dead=60)
    await sweep(ends.queue)
    await sweep(ends.queue)
    assert await ends.left(ids) == ids[-3:]


async def test_a_number_is_taken_back(ends: Ends) -> None:
    await ends.queue.keep(completed=1, dead=2)
    assert await ends.queue.keep()
    assert not await ends.queue.keep()
    assert len(await ends.left(await ends.make("completed", 5))) == 5
    async with ends.queue.store.server.borrow() as link:
        assert not await link.call("HEXISTS", ends.queue.store.keys["meta"], "caps")


@pytest.mark.parametrize("number", [0, -1, 1.5, True, "5", 10_000_001])
async def test_a_number_that_makes_no_sense_is_refused(queue: Queue, number: Any) -> None:
    with pytest.raises(ConfigInvalid, match=r"cancelled must be a whole number.*keep_cancelled"):
        await queue.keep(cancelled=number)


async def test_who_waits_for_a_cancelled_job_of_which_nothing_is_kept_is_told(
    queue: Queue,
) -> None:
    begun = asyncio.Event()

    @queue.task(keep_cancelled=0)
    async def endless() -> None:
        begun.set()
        await asyncio.Event().wait()

    async with Worker(queue):
        job = await endless.enqueue()
        waiting = asyncio.create_task(job.result(10))
        await asyncio.wait_for(begun.wait(), 10)

        async def registered() -> bool:
            async with queue.store.server.borrow() as link:
                return bool(await link.call("HLEN", queue.store.keys["waiters"]))

        await wait_until(registered, "it to wait")
        await job.cancel("not needed")
        with pytest.raises(JobCancelled, match="not needed"):
            await waiting
    assert await job.state() is None
    with pytest.raises(JobNotFound):
        await job.result(1)


async def test_a_replayed_job_keeps_its_retention(ends: Ends) -> None:
    (id,) = await ends.make("cancelled", 1, keep_cancelled=None)
    await ends.queue.replay(id)
    await ends.queue.job(id).cancel()
    await age(ends.queue, YEARS)
    await sweep(ends.queue)
    assert await ends.queue.job(id).state() is JobState.CANCELLED
