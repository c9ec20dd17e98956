"""How fast the jobs of one key may come: a token bucket a key, by the server's clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from aiojobs_redis import ConfigInvalid, Queue, QueueFull, RateExceeded, Worker
from tests.support.other_clock import shift, shifted_queue
from tests.support.waiting import wait_until


@pytest.fixture
async def limited(server_url: str, queue_name: str) -> AsyncIterator[Queue]:
    """A queue in which each key may add 4 jobs in a minute, by a clock that tests move."""
    async with shifted_queue(server_url, queue_name, enqueue_rate=(4, 60)) as queue:
        yield queue


async def added(queue: Queue, count: int, **options: Any) -> int:
    """Return how many of some jobs are added, each by a call of its own."""
    calls = (queue.enqueue("work", **options) for _ in range(count))
    found = await asyncio.gather(*calls, return_exceptions=True)
    strange = [one for one in found if isinstance(one, Exception)]
    assert all(isinstance(one, RateExceeded) for one in strange), strange
    return count - len(strange)


@pytest.mark.requirement("S18")
async def test_a_key_over_its_rate_is_refused_and_the_others_are_not(limited: Queue) -> None:
    assert await added(limited, 10, key="greedy") == 4
    assert await added(limited, 3, key="modest") == 3
    assert await added(limited, 10) == 4
    with pytest.raises(RateExceeded) as caught:
        await limited.enqueue("work", key="greedy")

    assert (caught.value.key, caught.value.retry_after) == ("greedy", 15)
    assert isinstance(caught.value, QueueFull)
    for words in ("'greedy'", "4 in 60 s", "not written", "15 s", "raise enqueue_rate"):
        assert words in str(caught.value)
    assert (await limited.counts()).queued == 11


@pytest.mark.requirement("S18")
async def test_never_more_than_twice_the_number_in_any_window(limited: Queue) -> None:
    counted = []
    for second in range(0, 240, 5):
        await shift(limited, second)
        counted.append(await added(limited, 6, key="k"))

    windows = [sum(counted[at : at + 12]) for at in range(len(counted) - 12)]
    assert counted[0] == 4
    assert max(windows) <= 8
    # At 15 s a job, and 4 at once: nothing that was allowed is withheld.
    assert sum(counted) == 4 + 235 // 15


async def test_a_clock_that_is_set_back_withholds_a_step_at_most(limited: Queue) -> None:
    await shift(limited, 3600)
    assert await added(limited, 5, key="k") == 4
    await shift(limited, 0)
    assert await added(limited, 5, key="k") == 4


async def test_a_bulk_adds_what_is_within_the_rate_and_says_which(limited: Queue) -> None:
    keys = ["a", "b"] * 6
    calls = [limited.bind("work", id=f"{at}", key=key) for at, key in enumerate(keys)]
    with pytest.raises(RateExceeded, match="4 over it were refused") as caught:
        await limited.enqueue_many(calls)

    assert [job.id for job in caught.value.jobs] == [str(at) for at in range(8)]
    assert all(job.created for job in caught.value.jobs)
    await shift(limited, 60)
    again = await limited.enqueue_many(calls)
    assert [job.created for job in again] == [False] * 8 + [True] * 4


async def test_callers_that_share_a_batch_are_judged_one_by_one(limited: Queue) -> None:
    greedy = asyncio.gather(*(added(limited, 1, key="greedy") for _ in range(60)))
    modest = asyncio.gather(*(added(limited, 1, key=f"tenant-{at}") for at in range(60)))

    assert sum(await greedy) == 4
    assert sum(await modest) == 60


@pytest.mark.parametrize("key", ["a,b", "%2C", "100%", "two\nlines", ",y5", "é" * 128, "\x00", " "])
async def test_any_text_is_a_key_and_comes_back_as_it_was(limited: Queue, key: str) -> None:
    job = await limited.enqueue("work", key=key, priority=3)
    info = await job.info()

    assert info is not None
    assert (info.key, info.priority, info.state) == (key, 3, "queued")
    assert await added(limited, 9, key=key) == 3


async def test_schedules_are_not_held_back_and_triggers_are(limited: Queue) -> None:
    @limited.task
    async def work() -> None: ...

    async def five_ended() -> bool:
        return (await limited.counts()).completed == 5

    await limited.schedule("often", limited.bind("work"), every=3600)
    assert [bool(await limited.trigger("often")) for _ in range(4)] == [True] * 4
    with pytest.raises(RateExceeded, match="the jobs without a key"):
        await limited.trigger("often")
    await shift(limited, 3700)
    async with Worker(limited):
        await wait_until(five_ended, "the end of the tick's job and the four triggered ones", 20)


async def test_full_buckets_go_with_the_janitors_round(limited: Queue) -> None:
    store = limited.store
    assert await added(limited, 1, key="k") == 1

    async def sweep() -> int:
        await store.ask("sweep", 100, 0, 0, 0, 0, 0)
        async with store.server.borrow() as link:
            return int(await link.call("ZCARD", store.keys["rates"]))

    assert await sweep() == 1
    await shift(limited, 16)
    assert await sweep() == 0


@pytest.mark.requirement("S18")
@pytest.mark.parametrize(
    ("rate", "words"),
    [
        (100, "a number and seconds"),
        ((100,), "a number and seconds"),
        ((0, 60), "from 1 to 600000 in 60 s, got 0"),
        ((1.5, 60), "got 1.5"),
        ((11, 0.001), "from 1 to 10 in 0.001 s, got 11"),
        ((True, 60), "got True"),
        ((10, 0), "enqueue_rate"),
        ((10, 86_401), "a day at most"),
        ((10, "1"), "enqueue_rate"),
    ],
)
def test_a_rate_that_cannot_be_is_refused(server_url: str, rate: Any, words: str) -> None:
    with pytest.raises(ConfigInvalid, match="enqueue_rate") as caught:
        Queue("q", server_url, enqueue_rate=rate)

    assert words in str(caught.value)
