"""An application and its tests: a task by itself, what it enqueues, all of it, and time.

The tests need no server, and pytest runs them as they are: `pytest docs/examples/tested_shop.py`.

Prints at the end: 4 tests passed
"""

from __future__ import annotations

import asyncio

import pytest

from aiojobs_redis import Fixed, Queue, Retry, current_job
from aiojobs_redis.testing import (
    FrozenClock,
    assert_enqueued,
    failing,
    inline,
    perform,
    refute_enqueued,
    run_until_idle,
)

queue = Queue("shop", "redis://in-production.example")
mails: list[str] = []


@queue.task
async def pay(order: int, *, amount: int) -> str:
    if amount > 1000 and current_job().attempt == 1:
        raise Retry(delay=60, reason="the bank is slow")
    await mail.enqueue(order, "paid")
    await mail.options(delay=7 * 24 * 3600).enqueue(order, "how was it?")
    return f"order {order} is paid"


@queue.task(backoff=Fixed(30))
async def mail(order: int, text: str) -> None:
    mails.append(f"{order}: {text}")


async def unit() -> None:
    async with inline(queue):
        assert await perform(pay, 7, amount=20) == "order 7 is paid"
        with pytest.raises(Retry, match="the bank is slow"):
            await perform(pay, 8, amount=5000)
        assert await perform(pay, 8, amount=5000, attempt=2) == "order 8 is paid"


async def what_is_enqueued() -> None:
    async with inline(queue):
        await perform(pay, 7, amount=20)
        assert_enqueued(mail, 7, "paid")
        assert_enqueued(mail, text="how was it?", delay=7 * 24 * 3600)
        refute_enqueued(mail, 8)


async def all_of_it() -> None:
    async with inline(queue):
        with failing(mail, 2):
            job = await pay.enqueue(7, amount=20)
        assert await job.result() == "order 7 is paid"
        assert mails == ["7: paid"]


async def in_time() -> None:
    async with inline(queue):
        with FrozenClock() as clock:
            await pay.enqueue(7, amount=20)
            clock.advance(days=6)
            await run_until_idle(queue)
            assert mails == ["7: paid"]
            clock.advance(days=1)
            await run_until_idle(queue)
            assert mails == ["7: paid", "7: how was it?"]


def test_one_attempt() -> None:
    asyncio.run(unit())


def test_what_is_enqueued() -> None:
    asyncio.run(what_is_enqueued())


def test_all_of_it() -> None:
    mails.clear()
    asyncio.run(all_of_it())


def test_time() -> None:
    mails.clear()
    asyncio.run(in_time())


if __name__ == "__main__":
    tests = (test_one_attempt, test_what_is_enqueued, test_all_of_it, test_time)
    for test in tests:
        test()
    print(f"{len(tests)} tests passed")
