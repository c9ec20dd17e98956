"""The pool of shared links: never more than its limit, and nobody is overtaken."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aiojobs_redis._redis.pool import LinkPool


@pytest.fixture
def pool() -> LinkPool:
    make: Any = object
    return LinkPool(make, 2)


async def test_a_link_is_lent_again(pool: LinkPool) -> None:
    first = await pool.take()
    pool.put(first)
    assert await pool.take() is first
    assert await pool.take() is not first


async def test_who_waits_longest_is_next(pool: LinkPool) -> None:
    links = [await pool.take(), await pool.take()]
    waiting = [asyncio.create_task(pool.take()) for _ in range(3)]
    await asyncio.sleep(0)
    pool.put(links[0])
    # One that comes now has to stand in line, although a link was given back.
    late = asyncio.create_task(pool.take())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [task.done() for task in (*waiting, late)] == [True, False, False, False]
    pool.put(links[1])
    pool.put(links[0])
    assert await asyncio.gather(*waiting) == [links[0], links[1], links[0]]
    pool.put(links[1])
    assert await late is links[1]


async def test_one_that_is_cancelled_while_it_waits_is_passed_over(pool: LinkPool) -> None:
    links = [await pool.take(), await pool.take()]
    waiting = [asyncio.create_task(pool.take()) for _ in range(2)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    pool.put(links[0])
    assert await waiting[1] is links[0]


async def test_a_link_handed_to_one_that_is_cancelled_is_not_lost(pool: LinkPool) -> None:
    links = [await pool.take(), await pool.take()]
    waiting = [asyncio.create_task(pool.take()) for _ in range(2)]
    await asyncio.sleep(0)
    pool.put(links[0])
    waiting[0].cancel()
    assert await waiting[1] is links[0]
    with pytest.raises(asyncio.CancelledError):
        await waiting[0]
