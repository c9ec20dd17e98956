"""Redis and the worker work at the same time, on two halves of the slots in turn."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_redis import Queue, Worker
from aiojobs_redis._redis.link import Link
from aiojobs_redis._redis.store import Exchange
from tests.support.proxy import Proxy, runs_script
from tests.support.waiting import wait_until

SLOTS = 32

is_exchange = runs_script("exchange")


class Sent:
    """What each exchange of a worker carried, in the order of their sending."""

    def __init__(self, queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
        self.completions: list[int] = []
        self.claims: list[int] = []
        self.now = self.most = 0
        self.early: list[int] = []
        self.begun: list[int] = []
        self._exchange = queue.store.exchange

        @queue.task
        async def quick(number: int) -> None:
            self.begun.append(number)

        self.quick = quick
        monkeypatch.setattr(queue.store, "exchange", self._noting)

    async def _noting(self, link: Link, args: Any, **kind: Any) -> Exchange:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self.before(args)
            reply = await self._exchange(link, args, **kind)
        finally:
            self.now -= 1
        if reply.early:
            self.early.append(args[1])
        else:
            self.completions.append(args[7])
            self.claims.append(len(reply.claims))
        return reply

    async def before(self, args: Any) -> None:
        """Replaced by a test that holds an exchange back."""


@pytest.fixture
def sent(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> Sent:
    return Sent(queue, monkeypatch)


@pytest.fixture
def real_sent(real_queue: Queue, monkeypatch: pytest.MonkeyPatch) -> Sent:
    """The same on a real server: the one in memory answers before anything else can happen."""
    return Sent(real_queue, monkeypatch)


async def drain(queue: Queue, sent: Sent, jobs: int, concurrency: int = SLOTS) -> None:
    await queue.enqueue_many([sent.quick.bind(number) for number in range(jobs)])
    await Worker(queue, concurrency=concurrency).run(burst=True)
    assert (await queue.counts()).completed == jobs


async def test_two_halves_of_the_slots_take_turns(real_queue: Queue, real_sent: Sent) -> None:
    await drain(real_queue, real_sent, 12 * SLOTS)

    assert real_sent.most == 2
    # The start has a rhythm of its own, and so has the end.
    assert real_sent.claims.count(SLOTS // 2) >= 12
    assert sum(real_sent.claims) == sum(real_sent.completions) == 12 * SLOTS


async def test_few_slots_go_in_one_batch(queue: Queue, sent: Sent) -> None:
    await drain(queue, sent, 40, concurrency=4)

    assert [claims for claims in sent.claims if claims] == [4] * 10


async def test_the_order_of_a_queue_holds_over_both_halves(queue: Queue, sent: Sent) -> None:
    await drain(queue, sent, 6 * SLOTS)

    assert sent.begun == list(range(6 * SLOTS))


async def test_an_exchange_that_overtakes_the_one_before_it_waits_for_it(
    real_queue: Queue, real_sent: Sent
) -> None:
    held: list[int] = []
    followed: list[int] = []

    async def before(args: Any) -> None:
        number, after = args[1], args[6]
        if held and number == held[0] + 1:
            followed.append(after)
        if args[7] and number > 4 and not held:
            held.append(number)
            await wait_until(
                lambda: number + 1 in real_sent.early, "the next one to come too early"
            )

    real_sent.before = before  # type: ignore[method-assign]
    await drain(real_queue, real_sent, 6 * SLOTS)

    # It named the one that it follows, and was sent once more when that was answered.
    assert followed == [held[0], 0]
    assert real_sent.begun == list(range(6 * SLOTS))


async def test_replies_of_both_exchanges_are_lost_and_nothing_is_doubled(
    proxy: Proxy, far_queue: Queue
) -> None:
    begun: list[int] = []
    exchanges = 0

    def third_or_fourth(words: list[bytes]) -> bool:
        nonlocal exchanges
        exchanges += is_exchange(words)
        return is_exchange(words) and exchanges in {3, 4}

    @far_queue.task
    async def noted(number: int) -> None:
        begun.append(number)

    await far_queue.enqueue_many([noted.bind(number) for number in range(6 * SLOTS)])
    proxy.drop_reply_of(third_or_fourth)
    proxy.drop_reply_of(third_or_fourth)
    await Worker(far_queue, concurrency=SLOTS).run(burst=True)

    assert proxy.dropped()
    assert sorted(begun) == list(range(6 * SLOTS))
    assert await _completed(far_queue, 6 * SLOTS)


@pytest.mark.parametrize("cut", ["before the exchange", "after the exchange"])
async def test_what_was_claimed_starts_though_the_next_exchange_fails(
    proxy: Proxy, far_queue: Queue, cut: str
) -> None:
    begun: list[int] = []

    @far_queue.task
    async def noted(number: int) -> None:
        begun.append(number)
        if number == 0:
            # The first half is running, and its completions are about to leave.
            proxy.refusing = True
            if cut == "before the exchange":
                proxy.cut()
            else:
                proxy.drop_reply_of(is_exchange)

    await far_queue.enqueue_many([noted.bind(number) for number in range(SLOTS)])
    async with Worker(far_queue, concurrency=SLOTS):
        await wait_until(lambda: len(begun) == SLOTS, "all of the claim to begin")
        assert proxy.refusing
        proxy.refusing = False
        await wait_until(lambda: _completed(far_queue, SLOTS), "all to be accepted", 15)

    assert sorted(begun) == list(range(SLOTS))


async def _completed(queue: Queue, jobs: int) -> bool:
    return (await queue.counts()).completed == jobs


async def test_an_answer_that_is_not_worked_off_takes_its_slots(queue: Queue) -> None:
    held: set[int] = set()
    most = 0

    @queue.task
    async def quick(number: int) -> None:
        nonlocal most
        worker_runs = {run.id for run in worker.runs()}
        most = max(most, len(worker_runs))
        held.add(number)

    await queue.enqueue_many([quick.bind(number) for number in range(6 * SLOTS)])
    worker = Worker(queue, concurrency=SLOTS)
    await worker.run(burst=True)

    assert len(held) == 6 * SLOTS
    assert SLOTS // 2 <= most <= SLOTS
