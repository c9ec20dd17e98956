"""Jobs are listed by state, page by page."""

from __future__ import annotations

import pytest

from aiojobs_redis import Queue


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
