"""What a list costs does not depend on how many jobs there are: commands and bytes are counted."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from aiojobs_redis import JobState, Queue
from aiojobs_redis.web import Dashboard
from aiojobs_redis.web.api import OPERATIONS
from tests.support.raw import raw
from tests.support.tiers import sizes
from tests.web.conftest import Reach, memory_queue, with_tasks

pytestmark = pytest.mark.requirement("S17")

# Indexes, with their records, as a script makes them in no time.
FILL = """
local jobs, runs = KEYS[1], KEYS[2]
local blob = ARGV[4]
for n = tonumber(ARGV[1]), tonumber(ARGV[2]) do
    local id = string.format('%s%08d', ARGV[3], n)
    redis.call('HSET', jobs, id, blob)
    if ARGV[3] ~= 'q' then
        redis.call('HSET', runs, id, ARGV[3] .. ',,,0,1,1,0,w,' .. '1,2')
    end
    redis.call('ZADD', KEYS[3], n, id)
end
"""


async def fill(queue: Queue, many: int) -> None:
    """Put so many jobs into each of the two states that are long in practice."""
    keys = queue.store.keys
    await queue.enqueue("fail", "template", id="template")
    blob = await raw(queue, "HGET", keys["jobs"], "template")
    await queue.job("template").remove()
    for letter, index in (("q", "ready"), ("d", "dead")):
        for first in range(0, many, 20_000):
            last = min(first + 20_000, many) - 1
            names = (keys["jobs"], keys["runs"], keys[index])
            await raw(queue, "EVAL", FILL, 3, *names, first, last, letter, blob)


OWN = {"info", "config|resetstat", "auth", "hello", "select", "client|setinfo"}
"""Commands of the connection, and of the measurement."""


class Spent:
    """What the server has done since the last look."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    async def forget(self) -> None:
        """Begin to count anew."""
        await raw(self._queue, "CONFIG", "RESETSTAT")

    async def take(self) -> tuple[int, int]:
        """Return how many calls there were, and how many commands in their scripts as well."""
        info = await self._stats("calls")
        forbidden = {name for name in info if name in {"keys", "scan", "hscan", "zscan", "sscan"}}
        assert forbidden == set()
        return info.get("evalsha", 0), sum(n for name, n in info.items() if name not in OWN)

    async def milliseconds(self) -> float:
        """Return how long the server worked on what was asked, scripts as a whole."""
        info = await self._stats("usec")
        # What a script runs is in its own time already.
        return sum(info.get(name, 0) for name in ("evalsha", "eval", "info", "config|get")) / 1000

    async def _stats(self, field: str) -> dict[str, int]:
        text = (await raw(self._queue, "INFO", "commandstats")).decode()
        found = re.findall(rf"cmdstat_([^:]+):.*?\b{field}=(\d+)", text)
        return {name: int(number) for name, number in found}


READS = [
    *("/api/queues", "/api/queues/{q}", "/api/queues/{q}/priorities", "/api/queues/{q}/load"),
    *("/api/queues/{q}/metrics", "/api/queues/{q}/limits", "/api/workers", "/api/schedules"),
    *("/api/events?limit=1000", "/api/events?since=0-1", "/api/actions?limit=1000"),
    *("/api/jobs?limit=250", "/api/jobs?state=dead&limit=250", "/api/dead?limit=250"),
    *("/api/jobs?task=none&limit=250", "/api/dead?error=None&limit=250", "/api/dead?task=none"),
    *("/api/jobs?offset=5000&limit=250", "/api/jobs/q00000000", "/health/ready"),
]


@pytest.fixture
async def filled(real_url: str, queue_name: str) -> AsyncIterator[Queue]:
    queue = with_tasks(Queue(queue_name, real_url, namespace="test"))
    yield queue
    await queue.close()


@pytest.mark.corrupts
@sizes(ci={"many": 20_000}, whole={"many": 1_000_000})
async def test_a_list_costs_the_same_however_many_jobs_there_are(
    filled: Queue, reach: Reach, size: dict[str, Any]
) -> None:
    many = size["many"]
    client = reach(Dashboard(filled))
    await fill(filled, 6_000)
    before = await costs(client, filled)
    await fill(filled, many)
    after = await costs(client, filled)

    assert (await filled.counts()).dead == many
    for path, (calls, commands) in after.items():
        assert calls <= before[path][0] + 1, path
        assert commands <= before[path][1] * 1.1 + 5, path
        assert calls <= 30, path


async def costs(client: httpx2.AsyncClient, queue: Queue) -> dict[str, tuple[int, int]]:
    spent = Spent(queue)
    found: dict[str, tuple[int, int]] = {}
    for path in READS:
        await spent.forget()
        answer = await client.get(path.replace("{q}", queue.name))
        assert answer.status_code in {200, 503}, answer.text
        found[path] = await spent.take()
    return found


async def test_a_filtered_list_says_where_to_go_on(filled: Queue, reach: Reach) -> None:
    client = reach(Dashboard(filled))
    await filled.enqueue_many(filled.bind("add", n, n) for n in range(2_500))
    wanted = await filled.enqueue("fail", "x")

    first = (await client.get("/api/jobs", params={"task": "fail"})).json()
    offset = first["next_offset"]
    second = (await client.get("/api/jobs", params={"task": "fail", "offset": offset})).json()

    assert (first["jobs"], first["searched"], offset) == ([], 2000, 2000)
    assert [job["id"] for job in second["jobs"]] == [wanted.id]
    assert second["next_offset"] is None


async def test_no_list_gives_more_than_its_bound(reach: Reach) -> None:
    queue = memory_queue("bounded")
    client = reach(Dashboard(queue))
    lists = [one for one in OPERATIONS if "limit" in one.query.__struct_fields__]
    assert len(lists) >= 7

    for one in lists:
        path = one.path.replace("{queue}", "bounded")
        for limit in ("0", "-1", "1001", "1000000", "x", ""):
            answer = await client.get(path, params={"limit": limit})
            assert (answer.status_code, answer.json().get("field")) == (422, "limit"), (path, limit)
        if one.returns.__name__ == "JobList":
            assert (await client.get(path, params={"limit": 251})).status_code == 422, path
            assert (await client.get(path, params={"limit": 250})).status_code == 200, path


def test_every_list_of_the_api_is_measured() -> None:
    measured = {path.partition("?")[0] for path in READS}
    reads = {
        one.path.replace("{queue}", "{q}").replace("{id}", "q00000000")
        for one in OPERATIONS
        if one.method == "GET"
    }

    # One reads the log of one job, the others nothing.
    assert reads - measured == {"/api/jobs/q00000000/log", "/api/openapi.json", "/health/live"}


async def test_bounds_of_a_search_are_checked(filled: Queue) -> None:
    from aiojobs_redis import ConfigInvalid

    wrong: list[dict[str, Any]] = [{"limit": 0}, {"limit": 1001}, {"most": 10_001}, {"offset": -1}]
    for arguments in [*wrong, {"most": True}]:
        with pytest.raises(ConfigInvalid, match=next(iter(arguments))):
            await filled.find_jobs(JobState.DEAD, **arguments)
