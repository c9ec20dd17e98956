"""A server that is away, old, full or forgetful: what a producer gets, and what is kept."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from aiojobs_redis import (
    Queue,
    QueueFull,
    QueueUnavailable,
    RedisIncompatible,
    Worker,
)
from aiojobs_redis._redis.store import PATIENCE
from tests.support.proxy import Proxy
from tests.support.raw import dump, raw
from tests.support.servers import ServerProcess, find_servers

USES: dict[str, Callable[[Queue], Awaitable[Any]]] = {
    "enqueue": lambda queue: queue.enqueue("work"),
    "enqueue_many": lambda queue: queue.enqueue_many([queue.bind("work")]),
    "counts": lambda queue: queue.counts(),
    "state": lambda queue: queue.job("x").state(),
    "info": lambda queue: queue.job("x").info(),
    "result": lambda queue: queue.job("x").result(),
    "cancel": lambda queue: queue.job("x").cancel(),
    "pause": lambda queue: queue.pause(),
    "connect": lambda queue: queue.connect(),
}


async def calls_of_scripts(queue: Queue) -> dict[str, int]:
    stats = (await raw(queue, "INFO", "commandstats")).decode()
    found = re.findall(r"cmdstat_(evalsha|eval|script\|load):calls=(\d+)", stats)
    return {name: int(count) for name, count in found}


# Away


@pytest.mark.requirement("B1")
async def test_a_server_that_is_not_there_is_unavailable_within_the_timeout() -> None:
    queue = Queue("away", url="redis://127.0.0.1:1")
    began = time.monotonic()
    answers = await asyncio.gather(*(use(queue) for use in USES.values()), return_exceptions=True)
    assert time.monotonic() - began < PATIENCE + 2
    for use, answer in zip(USES, answers, strict=True):
        assert isinstance(answer, QueueUnavailable), use
        assert re.search(r"127\.0\.0\.1:1/0 is not available: .*Check that", str(answer)), use
    await queue.close()


@pytest.mark.requirement("B1")
async def test_a_server_that_does_not_answer_is_unavailable_within_the_timeout(
    own_server: ServerProcess,
) -> None:
    async with Queue("frozen", url=own_server.url) as queue:
        await queue.enqueue("work")
        own_server.pause()
        began = time.monotonic()
        with pytest.raises(QueueUnavailable, match="no reply from"):
            await queue.enqueue("work")
        # One wait for a reply, and no second one once the patience is over.
        assert time.monotonic() - began < PATIENCE + 2
        own_server.resume()
        assert (await queue.enqueue("work")).created


@pytest.mark.requirement("B1")
async def test_a_restarted_server_is_no_error_for_a_producer(own_server: ServerProcess) -> None:
    async with Queue("restarted", url=own_server.url) as queue:
        await queue.enqueue("work")
        await asyncio.to_thread(own_server.stop)
        adding = asyncio.create_task(queue.enqueue("work"))
        await asyncio.to_thread(own_server.start)
        assert (await adding).created


# Scripts


@pytest.mark.requirement("U5")
@pytest.mark.requirement("P18")
async def test_a_hundred_enqueues_are_a_hundred_calls_by_sha(real_queue: Queue) -> None:
    for _ in range(2):
        await real_queue.enqueue("work")
    await raw(real_queue, "CONFIG", "RESETSTAT")
    for number in range(100):
        await real_queue.enqueue("work", number)
    assert await calls_of_scripts(real_queue) == {"evalsha": 100}


@pytest.mark.requirement("U5")
@pytest.mark.requirement("P18")
async def test_flushed_scripts_are_loaded_again_without_a_word_to_callers(queue: Queue) -> None:
    runs: list[int] = []

    @queue.task
    async def work(number: int) -> int:
        runs.append(number)
        return number

    async with Worker(queue):
        for number in range(60):
            if number % 10 == 5:
                await raw(queue, "SCRIPT", "FLUSH")
            jobs = await asyncio.gather(*(work.enqueue(number) for _ in range(3)))
            assert await asyncio.gather(*(job.result(10) for job in jobs)) == [number] * 3
    assert sorted(runs) == sorted([*range(60)] * 3)


async def test_a_script_that_the_server_has_lost_is_loaded_once(real_queue: Queue) -> None:
    await real_queue.enqueue("work")
    await raw(real_queue, "SCRIPT", "FLUSH")
    await raw(real_queue, "CONFIG", "RESETSTAT")
    await real_queue.enqueue("work")
    await real_queue.enqueue("work")
    assert await calls_of_scripts(real_queue) == {"evalsha": 3, "script|load": 1}


# Old


@pytest.mark.parametrize("version", [b"6.2.14", b"5.0.99", b"2.8.24"])
async def test_a_server_that_is_too_old_is_incompatible_and_untouched(
    real_url: str, queue_name: str, version: bytes
) -> None:
    def older(reply: bytes) -> bytes:
        reply = re.sub(rb"valkey_version", b"valkey_____ion", reply)
        return re.sub(
            rb"(redis_version:)(\S+)", lambda match: match[1] + version[: len(match[2])], reply
        )

    near = Queue(queue_name, url=real_url, namespace="test")
    async with Proxy(real_url.removeprefix("unix://")) as proxy:
        proxy.rewrite = older
        for use in ("connect", "enqueue", "counts"):
            queue = Queue(queue_name, url=proxy.url, namespace="test")
            with pytest.raises(RedisIncompatible, match=rf"too old: got {version[:5].decode()}"):
                await USES[use](queue)
            with pytest.raises(RedisIncompatible):
                await Worker(queue).run()
            await queue.close()
    assert await dump(near) == {}
    await near.close()


@pytest.mark.parametrize("command", ["EVALSHA", "SCRIPT"])
async def test_a_server_without_a_command_that_is_needed_is_incompatible(
    tmp_path: Path, command: str
) -> None:
    server = ServerProcess(
        find_servers()["valkey"], tmp_path, "--rename-command", command, "REFUSED-HERE"
    )
    server.start()
    queue = Queue("lacking", url=server.url)
    with pytest.raises(RedisIncompatible, match=r"lacks a command.*Redis 7"):
        await queue.enqueue("work")
    await queue.close()
    server.remove()


# Eviction and memory


@pytest.mark.requirement("B36")
async def test_an_evicting_policy_is_warned_of_once_with_the_fix(
    own_server: ServerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    queue = Queue("evicting", url=own_server.url)
    await raw(queue, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    with caplog.at_level(logging.WARNING, "aiojobs_redis"):
        for _ in range(3):
            await queue.enqueue("work")
    [record] = caplog.records
    assert "allkeys-lru" in record.getMessage()
    assert "CONFIG SET maxmemory-policy noeviction" in record.getMessage()
    await queue.close()


async def test_a_full_server_refuses_a_job_whole_and_can_be_drained(
    own_server: ServerProcess,
) -> None:
    queue = Queue("full", url=own_server.url)

    @queue.task
    async def work(number: int) -> int:
        return number

    jobs = [await work.enqueue(n) for n in range(5)]
    later = await work.options(delay=0.2).enqueue(5)
    before = await dump(queue)
    await raw(queue, "CONFIG", "SET", "maxmemory", "1")
    for use in ("enqueue", "enqueue_many"):
        with pytest.raises(QueueFull, match="out of memory, nothing was written"):
            await USES[use](queue)
    with pytest.raises(QueueFull):
        await work.options(delay=60, id="x").enqueue(6)
    assert await dump(queue) == before
    async with Worker(queue):
        assert await asyncio.gather(*(job.result(10) for job in jobs)) == list(range(5))
        assert await later.result(10) == 5
        with pytest.raises(QueueFull):
            await work.enqueue(6)
        await raw(queue, "CONFIG", "SET", "maxmemory", "0")
        assert await (await work.enqueue(7)).result(10) == 7
    await queue.close()


@pytest.mark.requirement("S18")
async def test_a_queue_at_its_length_refuses_a_job_and_says_both_numbers(
    server_url: str, queue_name: str
) -> None:
    queue = Queue(queue_name, url=server_url, namespace="test", max_length=3)
    await queue.enqueue("work")
    await queue.enqueue("work", delay=60)
    before = await dump(queue)
    # That it was refused is remembered, so that a late copy of the call is refused too.
    producers = before.pop(queue.store.keys["producers"])
    with pytest.raises(QueueFull, match=r"holds 2 waiting jobs and takes 3; 2 more"):
        await queue.enqueue_many([queue.bind("work")] * 2)
    after = await dump(queue)
    assert after.pop(queue.store.keys["producers"]).keys() == producers.keys()
    assert after == before
    assert (await queue.enqueue("work")).created
    await queue.close()
