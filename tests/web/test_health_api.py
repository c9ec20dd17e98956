"""Probes flip by their thresholds, and tell strangers nothing but that."""

from __future__ import annotations

import asyncio
import logging
import time

import httpx2
import pytest

from aiojobs_redis import Queue, Worker
from aiojobs_redis.web import Dashboard
from tests.support.servers import ServerProcess
from tests.web.conftest import TOKEN, Reach, memory_queue


@pytest.mark.requirement("B28")
async def test_readiness_follows_each_threshold(
    client: httpx2.AsyncClient, web_queue: Queue
) -> None:
    async def status(**limits: float) -> int:
        return (await client.get("/health/ready", params=limits)).status_code

    assert await status() == 200
    await web_queue.enqueue("fail", "x")
    assert await status() == 503, "a job is queued, and no worker is there"
    await Worker(web_queue).run(burst=True)
    assert await status(max_dead=1) == 200
    assert await status(max_dead=0) == 503
    await web_queue.pause()
    await web_queue.enqueue_many(web_queue.bind("add", n, n) for n in range(3))
    assert await status(max_depth=3) == 200
    assert await status(max_depth=2) == 503
    assert await status(max_oldest=3600) == 200
    assert await status(max_oldest=0) == 503


@pytest.mark.requirement("B28")
@pytest.mark.requirement("S10")
async def test_a_redis_that_is_down_is_not_ready(
    own_server: ServerProcess, reach: Reach, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = reach(Dashboard(Queue("down", own_server.url)))
    assert (await client.get("/health/ready")).status_code == 200

    own_server.stop()

    secret = Queue("secret", "redis://someone:S3CR3T@127.0.0.1:1/0")
    paths = ("/health/ready", "/health/live", "/api/queues")
    begin = time.monotonic()
    ready = await client.get(paths[0])
    took = time.monotonic() - begin
    live, down, *told = await asyncio.gather(
        *map(client.get, paths[1:]), *map(reach(Dashboard(secret)).get, paths)
    )
    # A probe waits for a second, by default of Kubernetes.
    assert took < 3
    assert ready.status_code == 503
    assert ready.json()["ok"] is False
    assert live.status_code == 200
    assert down.status_code == 503
    assert down.headers["content-type"] == "application/problem+json"
    assert "S3CR3T" not in "".join(answer.text for answer in told) + caplog.text


@pytest.mark.requirement("S20")
async def test_a_probe_tells_a_stranger_nothing(reach: Reach) -> None:
    queue = memory_queue("private")
    await queue.enqueue("pay", "S3CR3T", key="acme")
    for dashboard in (Dashboard(queue), Dashboard(queue, token=TOKEN)):
        stranger = reach(dashboard, address="203.0.113.9", base_url="http://10.1.2.3:8080")
        ready = await stranger.get("/health/ready")
        live = await stranger.get("/health/live")

        assert (ready.status_code, ready.json()) == (503, {"ok": False})
        assert (live.status_code, live.json()) == (200, {"ok": True})
        # By trying thresholds one could count the jobs.
        assert (await stranger.get("/health/ready?max_depth=1")).status_code == 403
        for path in ("/health/live", "/health/ready"):
            assert (await stranger.post(path)).status_code == 405
    owner = await reach(dashboard, token=TOKEN).get("/health/ready")
    assert "no worker" in owner.json()["problems"]["private"][0]
