"""Numbers on their way through Lua: each comes back to the last digit, to the year 2200."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import redis.asyncio

from tests.support import figures
from tests.support.scripts import Scripts
from tests.support.servers import ServerProcess
from tests.support.tiers import sizes

BAND = 2**42
SEQUENCE = 2**40
YEAR_2200 = 7_258_118_400_000
PAGE = 200


def extreme(chance: random.Random, low: int, high: int) -> int:
    """Return a number of that range, with a liking for its ends and for round ones."""
    kind = chance.random()
    if kind < 0.2:
        return chance.choice([low, low + 1, high - 1, high])
    if kind < 0.6:
        base, most = (10, 13) if kind < 0.4 else (2, 43)
        near = int(base ** chance.randint(1, most)) + chance.randint(-1, 1)
        return min(high, max(low, near))
    return chance.randint(low, high)


@pytest.mark.behaviour("F34")
@sizes(ci={"numbers": 4000}, whole={"numbers": 100_000})
async def test_extreme_numbers_come_back_to_the_last_digit(
    start_server: Callable[..., ServerProcess], size: Mapping[str, Any]
) -> None:
    chance = random.Random(34)
    url = start_server().url
    raw = redis.asyncio.Redis.from_url(url)
    scripts = Scripts(url, "numbers", raw)
    wrong: list[tuple[str, object, object]] = []
    compared = 0

    def compare(what: str, wanted: object, found: object) -> None:
        nonlocal compared
        compared += 1
        if wanted != found:
            wrong.append((what, wanted, found))

    await scripts.enqueue("first")
    now = await scripts.now()
    while compared < size["numbers"]:
        for number in range(PAGE // 10):
            at, priority = extreme(chance, now + 60_000, YEAR_2200), extreme(chance, -1024, 1023)
            sequence = extreme(chance, 1, BAND - 2)
            later, prompt = f"later-{compared}-{number}", f"prompt-{compared}-{number}"
            await scripts.enqueue(later, options=f",w{at}")
            compare("due", at, int(await raw.zscore(scripts.key("scheduled"), later) or 0))
            (row,) = await scripts.run("inspect", later)
            compare("inspected", at, int(row[4]))
            await scripts.meta(sequence=sequence)
            await scripts.enqueue(prompt, options=f",p{priority}")
            place = (1023 - priority) * BAND + sequence + 1
            compare("place", place, int(await raw.zscore(scripts.key("ready"), prompt) or 0))
            await raw.zrem(scripts.key("ready"), "first")
            (claim,) = await scripts.claim(1)
            compare("claimed", prompt.encode(), claim.id)
            compare("kept", str(place), (await scripts.record(prompt))[3])
            await scripts.exchange(scripts.ended(claim, "r"))
            compare("place again", place, int(await raw.zscore(scripts.key("ready"), prompt) or 0))
            await scripts.run("schedule", "s", "ab", "", at, at, 0, "x")
            _, _, _, _, tick = await scripts.run("read_schedules", "named", "s")
            compare("tick", at, int(float(tick)))
            await scripts.operate("unschedule", "s", "")
            await raw.unlink(*(scripts.key(name) for name in ("ready", "scheduled")))
            await raw.hdel(scripts.key("jobs"), later, prompt)
            await raw.hdel(scripts.key("runs"), later, prompt)
    await scripts.close()
    await raw.aclose()

    assert wrong == []
    figures.record("F34", n=compared, tier=size["tier"], note="0 mismatches")
