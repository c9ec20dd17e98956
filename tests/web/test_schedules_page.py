"""The page of the schedules: what it costs does not depend on how many there are."""

from __future__ import annotations

import re
from typing import Any

import httpx2
import pytest

from aiojobs_redis import Queue
from aiojobs_redis.schedule import Schedule
from aiojobs_redis.web import Dashboard
from tests.web.conftest import Reach, memory_queue

PAGE = {"accept": "text/html"}


async def planned(name: str, many: int) -> Queue:
    queue = memory_queue(name)

    @queue.task
    async def ping() -> None: ...

    for n in range(many):
        await queue.schedule(f"{name}-{n:03}", ping.bind(), cron=f"{n % 60} {n % 24} * * *")
    return queue


def shown(page: httpx2.Response) -> list[str]:
    assert page.status_code == 200, page.text
    return re.findall(r'<h2 id="s-\d+" class="wrap">([^<]*)</h2>', page.text)


def links(page: httpx2.Response) -> list[str]:
    found = re.findall(r'class="button" rel="(?:prev|next)" href="([^"]*)"', page.text)
    return [link.replace("&amp;", "&") for link in found]


async def test_fifty_schedules_are_shown_at_a_time(reach: Reach) -> None:
    a, b = await planned("a", 70), await planned("b", 35)
    client = reach(Dashboard([a, b]))
    whole = [*(f"a-{n:03}" for n in range(70)), *(f"b-{n:03}" for n in range(35))]

    first = await client.get("/schedules", headers=PAGE)
    assert shown(first) == whole[:50]
    assert links(first) == ["/schedules?offset=50"]
    assert "50 of 105<" in first.text
    second = await client.get("/schedules?offset=50", headers=PAGE)
    assert shown(second) == whole[50:100]
    assert links(second) == ["/schedules", "/schedules?offset=100"]
    assert shown(await client.get("/schedules?offset=100", headers=PAGE)) == whole[100:]
    of_one = await client.get("/schedules?queue=a", headers=PAGE)
    assert links(of_one) == ["/schedules?offset=50&queue=a"]
    assert shown(await client.get(links(of_one)[0], headers=PAGE)) == whole[50:70]
    beyond = await client.get("/schedules?offset=500", headers=PAGE)
    assert shown(beyond) == []
    assert "There are no more schedules." in beyond.text


async def test_ticks_are_found_of_what_is_shown_alone(
    reach: Reach, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = await planned("a", 120)
    asked: list[Any] = []
    plain = Schedule.next_tick

    def counted(self: Schedule, *args: Any) -> int | None:
        asked.append(self)
        return plain(self, *args)

    monkeypatch.setattr(Schedule, "next_tick", counted)
    page = await reach(Dashboard(queue)).get("/schedules", headers=PAGE)

    assert page.text.count("<h3>Next runs</h3>") == 50
    assert 50 * 4 <= len(asked) <= 50 * 5


async def test_the_page_asks_for_itself_every_ten_seconds(reach: Reach) -> None:
    page = await reach(Dashboard(memory_queue("a"))).get("/schedules", headers=PAGE)
    assert 'data-every="10"' in page.text


async def test_the_next_ticks_of_some_schedules_are_those_of_all() -> None:
    queue = await planned("a", 5)
    every = await queue.next_ticks(2)
    assert await queue.next_ticks(2, ["a-001", "a-003", "gone"]) == {
        id: every[id] for id in ("a-001", "a-003")
    }
    assert await queue.next_ticks(2, []) == {}
