"""What a server tells of itself, and the next ticks of schedules."""

from __future__ import annotations

from datetime import timedelta

import pytest
from redis.asyncio import Redis

from aiojobs_redis import ConfigInvalid, Queue
from tests.support.servers import ServerProcess


async def test_a_server_tells_its_version_memory_and_policy(queue: Queue) -> None:
    report = await queue.server()

    assert report.name in {"Redis", "Valkey"}
    assert report.ping_seconds > 0
    if not queue.store.server.in_memory:
        assert report.version
        assert report.policy == "noeviction"
        assert report.used_memory is not None
        assert report.used_memory > 0
        assert report.clients is not None
        assert report.persistence == "none"
        assert any("restart of the server loses all jobs" in each for each in report.problems)


async def test_a_server_that_may_evict_jobs_is_named_with_the_fix(
    own_server: ServerProcess,
) -> None:
    client = Redis.from_url(own_server.url)
    await client.config_set("maxmemory-policy", "allkeys-lru")
    await client.config_set("maxmemory", "100mb")
    await client.aclose()
    async with Queue("reported", own_server.url) as queue:
        report = await queue.server()

    assert report.max_memory == 100 * 1024 * 1024
    assert any("CONFIG SET maxmemory-policy noeviction" in each for each in report.problems)


async def test_the_next_ticks_of_a_schedule_are_those_at_which_it_runs(queue: Queue) -> None:
    @queue.task
    async def tick() -> None: ...

    await queue.schedule("daily", tick.bind(), cron="30 2 * * *", tz="Europe/Berlin")
    await queue.schedule("pulse", tick.bind(), every=60)
    await queue.schedule("twice", tick.bind(), every=60, limit=2)
    await queue.schedule("paused", tick.bind(), every=60)
    await queue.pause_schedule("paused")

    ticks = await queue.next_ticks(5)

    infos = {info.id: info for info in await queue.schedules()}
    assert [len(ticks[name]) for name in ("daily", "pulse", "twice", "paused")] == [5, 5, 2, 0]
    assert ticks["pulse"][0] == infos["pulse"].next_at
    assert ticks["pulse"][4] - ticks["pulse"][0] == timedelta(seconds=240)
    assert {(tick.hour, tick.minute) for tick in ticks["daily"]} == {(2, 30)}


async def test_a_number_of_ticks_that_is_out_of_range_is_refused(queue: Queue) -> None:
    with pytest.raises(ConfigInvalid, match="1 to 100, got 101"):
        await queue.next_ticks(101)
