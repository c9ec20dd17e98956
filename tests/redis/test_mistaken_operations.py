"""Numbers, ids and flags of the wrong kind are refused before anything is read or removed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aiojobs_redis import ConfigInvalid, Queue, Worker

Make = Callable[[Queue], Any]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda q: q.jobs("queued", offset=-2), "offset must be a whole number from 0, got -2"),
        (lambda q: q.jobs("queued", limit=-1), "limit must be a whole number from 0, got -1"),
        (lambda q: q.jobs("queued", limit="5"), "limit must be a whole number from 0, got '5'"),
        (lambda q: q.jobs("queued", "t", offset=True), "offset must be a whole number"),
        (lambda q: q.jobs("queued", "t", limit=1.5), "limit must be a whole number"),
        (lambda q: q.dead_letters(offset=-3), "offset must be a whole number from 0, got -3"),
        (lambda q: q.dead_letters(limit=-2), "limit must be a whole number from 0, got -2"),
        (lambda q: q.find_jobs("queued", offset=-1), "offset must be a whole number from 0"),
        (lambda q: q.states([None]), r"states takes a list of the ids of jobs, got \[None\]"),
        (lambda q: q.states("abc"), "states takes a list of the ids of jobs, got 'abc'"),
        (lambda q: q.states(None), "states takes a list of the ids of jobs, got None"),
        (lambda q: q.infos([5]), r"infos takes a list of the ids of jobs, got \[5\]"),
    ],
)
async def test_a_page_of_no_such_place_and_ids_that_are_none_are_refused(
    queue: Queue, make: Make, says: str
) -> None:
    await queue.enqueue("work")

    with pytest.raises(ConfigInvalid, match=says):
        await make(queue)


@pytest.mark.parametrize("flag", ["no", 0, 1, None])
async def test_what_removes_asks_for_true_or_false(queue: Queue, flag: Any) -> None:
    await queue.enqueue("work", delay=3600)
    await queue.enqueue("work")

    with pytest.raises(ConfigInvalid, match="scheduled must be True or False, got"):
        await queue.drain(scheduled=flag)
    with pytest.raises(ConfigInvalid, match="force must be True or False, got"):
        await queue.destroy(force=flag)
    counts = await queue.counts()
    assert (counts.scheduled, counts.queued) == (1, 1)


@pytest.mark.parametrize("flag", ["no", 0, None])
async def test_a_worker_asks_for_true_or_false(queue: Queue, flag: Any) -> None:
    with pytest.raises(ConfigInvalid, match="signals must be True or False, got"):
        Worker(queue, signals=flag)
    with pytest.raises(ConfigInvalid, match="burst must be True or False, got"):
        await Worker(queue).run(burst=flag)


async def test_an_empty_page_may_be_asked_for(queue: Queue) -> None:
    await queue.enqueue("work")

    assert await queue.jobs("queued", limit=0) == []
    assert await queue.dead_letters(limit=0) == []
    assert await queue.states([]) == {}
