"""Many at once: thousands of jobs that fail together, hundreds of workers that come back."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

import pytest
import redis.asyncio

from aiojobs_redis import Exponential, Queue, Worker
from tests.support import figures
from tests.support.byte_proxy import ByteProxy
from tests.support.scripts import Scripts
from tests.support.servers import ServerProcess
from tests.support.tiers import sizes
from tests.support.waiting import wait_until

BIN_MS = 100
SPREADING = Exponential(base=4, jitter=1)
IDLE = 1.5
SENT = ("evalsha", "eval", "script|load", "bzpopmin", "ping", "info", "subscribe")


@pytest.mark.behaviour("F40")
@pytest.mark.parametrize(("spread", "backoff"), [(0.0, Exponential()), (1.0, SPREADING)])
@sizes(ci={"jobs": 500}, whole={"jobs": 10_000})
async def test_jobs_that_fail_together_come_back_apart(
    start_server: Callable[..., ServerProcess],
    size: Mapping[str, Any],
    caplog: pytest.LogCaptureFixture,
    spread: float,
    backoff: Exponential,
) -> None:
    """Jobs that fail in one moment, with the default; and over a second, with a back-off for it."""
    caplog.set_level(logging.CRITICAL)
    url = start_server().url
    queue = Queue("storm", url=url, namespace="test")
    raw: Any = redis.asyncio.Redis.from_url(url)
    may_fail, begun = asyncio.Event(), 0
    failed: Counter[int] = Counter()

    @queue.task(backoff=backoff)
    async def fails(number: int) -> None:
        nonlocal begun
        begun += 1
        await may_fail.wait()
        await asyncio.sleep(spread * number / size["jobs"])
        failed[int(time.time() * 1000) // BIN_MS] += 1
        raise ValueError("the service behind it is away")

    await queue.enqueue_many([fails.bind(number) for number in range(size["jobs"])])
    seen: dict[Any, Any] = {}
    async with Worker(queue, concurrency=size["jobs"]):
        await wait_until(lambda: begun == size["jobs"], "all to run", 60)
        may_fail.set()

        async def all_seen() -> bool:
            for id, due in await raw.zrange(queue.store.keys["retrying"], 0, -1, withscores=True):
                seen.setdefault(id, due)
            return len(seen) == int(size["jobs"])

        await wait_until(all_seen, "all to have failed", 60)
        # What runs again meanwhile would keep the worker for its grace.
        await queue.pause()
    await queue.destroy(force=True)
    await queue.close()
    await raw.aclose()

    first = max(failed.values()) if spread else size["jobs"]
    peak = max(Counter(int(due) // BIN_MS for due in seen.values()).values())
    assert peak <= first / 2
    note = (
        f"failed within {spread:g} s: second peak {peak / first:.2f} of the first, in {BIN_MS} ms"
    )
    figures.record("F40", n=size["jobs"], tier=size["tier"], note=note)


@pytest.mark.behaviour("F41")
@sizes(ci={"workers": 40, "seconds": 5}, whole={"workers": 200, "seconds": 30})
async def test_idle_workers_send_little_and_come_back_apart(
    start_server: Callable[..., ServerProcess],
    size: Mapping[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL)
    server = start_server()
    raw: Any = redis.asyncio.Redis.from_url(server.url)

    async def sent() -> int:
        stats: dict[str, Any] = await raw.info("commandstats")
        return sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in SENT)

    async def rate(seconds: float) -> float:
        began, before = time.monotonic(), await sent()
        await wait_until(lambda: time.monotonic() > began + seconds, "time to pass", seconds + 5)
        return (await sent() - before) / (time.monotonic() - began) / float(size["workers"])

    async with ByteProxy(server.socket) as line, AsyncExitStack() as stack:
        queue = Queue("herd", url=line.url, namespace="test")
        stack.push_async_callback(queue.close)

        @queue.task
        async def note() -> int:
            return 1

        await note.enqueue()
        await asyncio.gather(
            *(stack.enter_async_context(Worker(queue)) for _ in range(size["workers"]))
        )

        async def all_there() -> bool:
            return len(await queue.workers()) == int(size["workers"])

        await wait_until(all_there, "all workers to be listed", 60)
        idle = await rate(size["seconds"])
        line.hang_up()
        back = await rate(5)
        assert await (await note.enqueue()).result(10) == 1
    await raw.aclose()

    assert idle <= IDLE
    # A connect takes some calls beside those of every second, and is spread over the back-off.
    assert back <= 3 * IDLE
    note_ = f"{idle:.2f} commands a second idle, {back:.2f} in the 5 s after all were cut off"
    figures.record("F41", n=size["workers"], tier=size["tier"], note=note_)


@pytest.mark.behaviour("F41")
@sizes(ci={"times": 2}, whole={"times": 50})
async def test_leases_are_taken_back_while_the_leader_is_dead(
    start_server: Callable[..., ServerProcess], size: Mapping[str, Any]
) -> None:
    url = start_server().url
    queue, raw = Queue("headless", url=url, namespace="test"), redis.asyncio.Redis.from_url(url)
    scripts = Scripts(url, "headless", raw)
    begun: dict[str, float] = {}

    @queue.task
    async def note(name: str) -> None:
        begun[name] = time.monotonic()

    spans = []
    for number in range(size["times"]):
        job = await queue.enqueue("note", str(number), lease=1)
        # Somebody takes the job and the lead, renews both once, and is killed.
        link = queue.store.server.link()
        dead = f"{number:032x}"
        ends = time.monotonic() + 1
        await queue.store.exchange(link, (dead, 1, "b" * 32, "dead", 1, 1, 0, 0, 0))
        assert (await scripts.beat(incarnation=dead)).leads
        link.abort()
        async with Worker(queue):
            await job.result(10)
        spans.append(begun[str(number)] - ends)
        # Its lead is over as well, or the next one could not have it.
        await raw.hdel(scripts.key("meta"), "leader", "leader_until")
    await scripts.close()
    await queue.close()
    await raw.aclose()

    assert min(spans) > 0
    # Whoever waited for the lead would find it over two seconds after the lease.
    assert min(spans) < 2
    assert max(spans) <= 1.5 + size["slack"]
    note_ = "recovery = end of the lease to the next start, while the lead is still the dead one's"
    figures.record("F41", n=len(spans), recovery=spans, tier=size["tier"], note=note_)
