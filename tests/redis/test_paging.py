"""Jobs are listed by state, page by page."""

from __future__ import annotations

import re

import pytest

from aiojobs_redis import Queue
from tests.support.raw import raw


@pytest.mark.requirement("B19", "R9")
@pytest.mark.parametrize("delay", [0, 60])
async def test_a_thousand_jobs_are_paged_without_a_gap_or_a_repeat(
    queue: Queue, delay: int
) -> None:
    state = "scheduled" if delay else "queued"
    number = 1005
    await queue.enqueue_many(
        [
            queue.bind("even" if at % 2 == 0 else "odd", id=f"{at:04}", delay=delay)
            for at in range(number)
        ]
    )

    found: list[str] = []
    while page := await queue.jobs(state, offset=len(found), limit=100):
        assert len(page) == min(100, number - len(found))
        found += [job.id for job in page]
    odd = [job.id for job in await queue.jobs(state, task="odd", offset=400, limit=1000)]

    assert sorted(found) == [f"{at:04}" for at in range(number)]
    assert len(set(found)) == number
    assert odd == [id for id in found if int(id) % 2][400:]


@pytest.mark.requirement("R9")
@pytest.mark.parametrize("delay", [0, 60])
async def test_a_page_costs_the_same_however_many_jobs_there_are(
    real_queue: Queue, delay: int
) -> None:
    state = "scheduled" if delay else "queued"
    spent: list[dict[str, str]] = []
    for number in (50, 5_000):
        await real_queue.enqueue_many(
            [real_queue.bind("work", at, delay=delay) for at in range(number)]
        )
        await real_queue.jobs(state, limit=20)
        await raw(real_queue, "CONFIG", "RESETSTAT")
        assert len(await real_queue.jobs(state, offset=20, limit=20)) == 20
        stats = (await raw(real_queue, "INFO", "commandstats")).decode()
        calls = dict(re.findall(r"cmdstat_([^:]+):calls=(\d+)", stats))
        spent.append({name: calls[name] for name in calls.keys() - {"config|resetstat", "info"}})

    few, many = spent
    assert many == few
    assert many["evalsha"] == "2"
    assert sum(map(int, many.values())) < 60
