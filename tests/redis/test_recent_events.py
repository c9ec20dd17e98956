"""A page of events: whoever reads on from the last one comes to the end, whatever is in between."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from aiojobs_redis import Queue
from aiojobs_redis.testing import run_until_idle
from tests.support.raw import raw


@pytest.fixture
async def told(queue: Queue) -> Queue:
    """A queue with one dead job behind 300 others, each of which has an entry of its own."""

    @queue.task(attempts=1)
    async def fails() -> None:
        raise ValueError

    for _ in range(150):
        await queue.pause()
        await queue.resume()
    await fails.enqueue()
    await run_until_idle(queue)
    for _ in range(150):
        await queue.pause()
        await queue.resume()
    return queue


async def test_events_of_other_types_are_passed(told: Queue) -> None:
    [first] = await told.recent_events(1, datetime.now(UTC) - timedelta(hours=1))
    [dead] = await told.recent_events(100, first.id, ["dead"])
    assert dead.type == "dead"
    assert await told.recent_events(100, dead.id, ["dead"]) == []
    # The newest ones, too.
    assert [event.id for event in await told.recent_events(3, types=["dead"])] == [dead.id]
    newest = await told.recent_events(2, types=["resumed"])
    assert newest == (await told.recent_events(4))[1::2]


async def test_a_page_of_one_comes_to_the_end(told: Queue) -> None:
    whole = await told.recent_events(1000, datetime.now(UTC) - timedelta(hours=1))
    [first] = await told.recent_events(1, datetime.now(UTC) - timedelta(hours=1))
    await raw(told, "XTRIM", told.store.keys["events"], "MAXLEN", 10)
    since, read = first.id, []
    while page := await told.recent_events(1, since):
        read += page
        since = page[-1].id
    assert read[0].type == "gap"
    assert [event.id for event in read[1:]] == [event.id for event in whole[-10:]]


async def test_the_id_of_a_gap_is_a_place(told: Queue) -> None:
    [first] = await told.recent_events(1, datetime.now(UTC) - timedelta(hours=1))
    await raw(told, "XTRIM", told.store.keys["events"], "MAXLEN", 10)
    page = await told.recent_events(5, first.id)
    assert [event.type for event in page].index("gap") == 0
    assert len(page) == 6
    assert await told.recent_events(5, page[0].id) == page


async def test_the_id_of_a_gap_behind_an_instant_is_a_place(queue: Queue) -> None:
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    for _ in range(1100):
        await queue.pause()
        await queue.resume()
    gap, *_ = await queue.recent_events(1, long_ago)
    assert gap.type == "gap"
    async for event in queue.events(gap.id):
        assert event.type == "gap"
        break
