"""Jobs that go before the others of their key, in every way in which a turn of the key may come."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest

from aiojobs_redis import ConfigInvalid, Fixed, Job, JobState, Queue, Unique, Worker, chain
from tests.support.raw import raw
from tests.support.waiting import wait_until


async def add(queue: Queue, names: Iterable[str], **options: Any) -> None:
    """Add jobs with these ids, in this order, of the key that is the first letter of each."""
    await queue.enqueue_many(
        [queue.bind("work", id=name, key=name[0], **options) for name in names]
    )


async def order_of_claims(queue: Queue, at_once: int = 1) -> list[str]:
    """Claim and end all that there is; return the ids in the order in which they started."""
    names: list[str] = []
    while leases := await queue.claim(at_once):
        names += [lease.job.id for lease in leases]
        for lease in leases:
            await lease.complete(None)
    return names


@pytest.mark.parametrize("at_once", [1, 2, 100])
async def test_it_goes_before_its_own_key_and_takes_no_turn_of_another(
    queue: Queue, at_once: int
) -> None:
    await add(queue, [f"a{n}" for n in range(5)])
    await add(queue, [f"b{n}" for n in range(6)])
    await add(queue, ["a-high", "a-high-too"], key_priority=9)
    await add(queue, ["a-low"], key_priority=1)
    turns = [job.id[0] for job in await queue.jobs("queued")]

    started = await order_of_claims(queue, at_once)

    own = ["a-high", "a-high-too", "a-low", "a0", "a1", "a2", "a3", "a4"]
    assert [name for name in started if name[0] == "a"] == own
    assert [name for name in started if name[0] == "b"] == [f"b{n}" for n in range(6)]
    assert [name[0] for name in started] == turns, "the turns are those of the keys"


async def test_the_others_keep_their_order_whoever_comes_meanwhile(queue: Queue) -> None:
    await add(queue, [f"a{n}" for n in range(4)])
    started = []
    for n in range(3):
        await add(queue, [f"a-high{n}"], key_priority=n + 1)
        started += [lease.job.id for lease in await queue.claim(1)]
        started += [lease.job.id for lease in await queue.claim(1)]

    rest = await order_of_claims(queue)

    assert started == ["a-high0", "a0", "a-high1", "a1", "a-high2", "a2"]
    assert rest == ["a3"]


async def test_a_priority_among_all_jobs_goes_first(queue: Queue) -> None:
    await add(queue, ["a0", "a1"], priority=1)
    await add(queue, ["a-high"], key_priority=9)
    await add(queue, ["a2"])

    assert await order_of_claims(queue) == ["a0", "a1", "a-high", "a2"]


async def test_one_that_was_due_later_and_one_of_a_flow_go_before_their_key(queue: Queue) -> None:
    @queue.task
    async def work() -> None: ...

    first, second = await queue.enqueue_flow(
        chain(
            work.options(id="x", priority=9).bind(),
            work.options(id="a-second", key="a", key_priority=2).bind(),
        )
    )
    await add(queue, ["a0", "a1"])
    await add(queue, ["a-later"], key_priority=9, delay=3600)
    await add(queue, ["a-moved"], key_priority=5, priority=-1)
    (lease,) = await queue.claim(1)
    assert lease.job.id == first.id
    await lease.complete(None)
    await wait_until(lambda: _is_queued(second), "the second one to be released", 30)
    await queue.job("a-later").promote()
    await queue.job("a-moved").reprioritise(0)

    assert await order_of_claims(queue) == ["a-later", "a-moved", "a-second", "a0", "a1"]


async def _is_queued(job: Job[Any]) -> bool:
    return await job.state() is JobState.QUEUED


async def test_one_that_the_end_of_another_releases_is_the_next_to_start(queue: Queue) -> None:
    """The worker that tells of the end asks for the next job in the same call."""
    order: list[str] = []

    @queue.task
    async def work(name: str) -> None:
        order.append(name)

    first = work.options(priority=9).bind("first")
    await queue.enqueue_flow(chain(first, work.options(key="a", key_priority=2).bind("second")))
    for name in ("a0", "a1"):
        await work.options(key="a").enqueue(name)
    await Worker(queue, concurrency=1).run(burst=True)

    assert order == ["first", "second", "a0", "a1"]


@pytest.mark.parametrize("size", [100, 20_000, 900_000])
async def test_large_payloads_go_before_their_key_too(queue: Queue, size: int) -> None:
    for name in [f"a{n}" for n in range(8)]:
        await queue.enqueue("work", "x" * size, id=name, key="a")
    await queue.enqueue("work", "x" * size, id="a-high", key="a", key_priority=9)

    leases = await queue.claim(8)

    assert leases[0].job.id == "a-high"
    assert sum(len(lease.args[0]) for lease in leases) <= 4 * 1024 * 1024


async def test_a_retry_goes_before_its_key_again_and_a_replay_too(queue: Queue) -> None:
    order: list[str] = []

    @queue.task(attempts=2, backoff=Fixed(0))
    async def work(name: str) -> None:
        order.append(name)
        if name == "high":
            raise RuntimeError

    high = await work.options(key="a", key_priority=1).enqueue("high")
    for name in ("a0", "a1"):
        await work.options(key="a").enqueue(name)
    await Worker(queue, concurrency=1).run(burst=True)
    assert order == ["high", "high", "a0", "a1"]

    await work.options(key="a").enqueue("a2")
    await queue.replay(high.id)
    await Worker(queue, concurrency=1).run(burst=True)
    assert order[4:] == ["high", "high", "a2"]


async def test_one_that_is_handed_back_or_gave_its_turn_up_starts_next(queue: Queue) -> None:
    await add(queue, ["a0", "a1", "a2"])
    await add(queue, ["a-high"], key_priority=1)
    (lease,) = await queue.claim(1)
    assert lease.job.id == "a-high"
    await lease.release()

    assert await order_of_claims(queue) == ["a-high", "a0", "a1", "a2"]


async def test_what_is_cancelled_removed_or_replaced_goes_before_nobody(queue: Queue) -> None:
    await add(queue, ["a0", "a1", "a2"])
    await add(queue, ["a-gone", "a-off", "a-other"], key_priority=1)
    await queue.job("a-gone").remove()
    await queue.job("a-off").cancel()
    await queue.job("a-other").reprioritise(-1)
    # One of them gives its turn up, and is gone before the next one comes.
    await add(queue, ["a-high"], key_priority=1)
    (lease,) = await queue.claim(1)
    assert lease.job.id == "a-high"
    await queue.job("a0").remove()

    assert await order_of_claims(queue) == ["a1", "a2", "a-other"]
    assert not await raw(queue, "EXISTS", queue.store.keys["slots"])


async def test_it_may_be_replaced_by_one_of_another_rank(queue: Queue) -> None:
    def unique(number: int, rank: int) -> Any:
        one = Unique("only", until="started", on_conflict="replace")
        return queue.bind("work", number, id=f"u{number}", key="a", key_priority=rank, unique=one)

    await add(queue, ["a0"])
    await queue.enqueue_many([unique(1, 0)])
    await add(queue, ["a1"], key_priority=3)
    await queue.enqueue_many([unique(2, 5)])
    assert await order_of_claims(queue) == ["u1", "a1", "a0"]


async def test_one_that_gave_its_turn_up_and_is_replaced_still_has_the_next(queue: Queue) -> None:
    one = Unique("only", until="started", on_conflict="replace")
    await queue.enqueue("work", 1, id="a0", key="a", unique=one)
    await add(queue, ["a1", "a2"])
    await add(queue, ["a-high"], key_priority=1)
    (lease,) = await queue.claim(1)
    assert lease.job.id == "a-high"
    await queue.enqueue("work", 2, key="a", unique=one)

    assert await order_of_claims(queue) == ["a0", "a1", "a2"]


@pytest.mark.parametrize("scope", [{"key": "a"}, {"key": "*"}, {"task": "work"}, {}])
async def test_a_limit_holds_it_back_no_longer_than_the_next_slot(
    queue: Queue, scope: dict[str, Any]
) -> None:
    order: list[str] = []

    @queue.task
    async def work(name: str) -> None:
        order.append(name)
        if name == "a0":
            # All others have been held back, then.
            await queue.enqueue("work", "a-high", key="a", key_priority=1)
            await wait_until(_all_wait, "the others to be held back", 30)

    async def _all_wait() -> bool:
        counts = await queue.counts()
        return (counts.blocked if scope else counts.queued) == 4

    await queue.limit(concurrency=1, **scope)
    for n in range(4):
        await work.options(key="a").enqueue(f"a{n}")
    await Worker(queue, concurrency=10).run(burst=True)

    assert order == ["a0", "a-high", "a1", "a2", "a3"]


async def test_who_keeps_its_slot_for_the_next_attempt_is_not_passed(queue: Queue) -> None:
    order: list[str] = []

    @queue.task(attempts=2, backoff=Fixed(0.01))
    async def work(name: str) -> None:
        order.append(name)
        if order == ["a0"]:
            await queue.enqueue("work", "a-high", key="a", key_priority=1)
            raise RuntimeError

    await queue.limit(concurrency=1, key="*")
    for n in range(2):
        await work.options(key="a").enqueue(f"a{n}")
    await Worker(queue, concurrency=5).run(burst=True)

    assert order == ["a0", "a0", "a-high", "a1"]


async def test_of_two_tasks_with_limits_of_their_own_each_has_its_own_order(queue: Queue) -> None:
    for name in ("one", "other"):
        await queue.limit(concurrency=1, task=name)
    await queue.enqueue("one", id="a0", key="a")
    await queue.enqueue("one", id="a1", key="a")
    await queue.enqueue("other", id="b0", key="a", key_priority=1)
    await queue.enqueue("one", id="a-high", key="a", key_priority=1)

    assert await order_of_claims(queue) == ["a-high", "a0", "b0", "a1"]


async def test_one_that_has_expired_leaves_the_turn_to_the_next(queue: Queue) -> None:
    await add(queue, ["a0"])
    await add(queue, ["a-old"], key_priority=9, expires=datetime(2026, 1, 1, tzinfo=UTC))
    await add(queue, ["a-high"], key_priority=1)

    assert await order_of_claims(queue, 10) == ["a-high", "a0"]
    assert await queue.job("a-old").state() is JobState.DEAD


async def test_a_rank_without_a_key_is_refused_but_one_of_a_task_waits_for_a_key(
    queue: Queue,
) -> None:
    @queue.task(key_priority=5)
    async def ranked() -> None: ...

    with pytest.raises(ConfigInvalid, match="key_priority orders the jobs of one key, got 3"):
        await queue.enqueue("work", key_priority=3)
    assert not await queue.jobs("queued")

    await ranked.enqueue()
    await queue.enqueue("work", id="a0", key="a")
    await ranked.options(id="a1", key="a").enqueue()
    assert (await order_of_claims(queue))[1:] == ["a1", "a0"]


@pytest.mark.parametrize("rank", [-1, 1024, 1.5, True, "1"])
async def test_a_wrong_rank_is_refused(queue: Queue, rank: Any) -> None:
    with pytest.raises(ConfigInvalid, match="key_priority must be a whole number from 0 to 1023"):
        await queue.enqueue("work", key="a", key_priority=rank)


async def test_where_nobody_has_a_rank_any_more_nothing_is_left_of_it(queue: Queue) -> None:
    await add(queue, ["a0", "a1"])
    await add(queue, ["a-high"], key_priority=1)
    await order_of_claims(queue)
    await add(queue, ["a2"])
    await order_of_claims(queue)

    assert not await raw(queue, "HEXISTS", queue.store.keys["meta"], "ranked")
    assert not await raw(queue, "EXISTS", queue.store.keys["slots"])
