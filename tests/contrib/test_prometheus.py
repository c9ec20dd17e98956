"""What a scrape shows is what has happened, whatever has become of the jobs since."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import os
import signal
import socket
import sys
import urllib.request
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from aiojobs_redis import (
    Cancel,
    ConfigInvalid,
    Fixed,
    Queue,
    QueueFull,
    RateExceeded,
    Worker,
    current_job,
)
from aiojobs_redis.contrib import _gauges
from aiojobs_redis.contrib.prometheus import (
    CONTENT_TYPE,
    PrometheusMetrics,
    exposition,
    serve_metrics,
)
from tests.support.lines import whole_lines
from tests.support.scripts import Scripts
from tests.support.servers import ServerProcess, free_port
from tests.support.waiting import wait_until


def read(url: str) -> bytes:
    """Return what a URL answers."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        found: bytes = answer.read()
    return found


TWO = ("first", "second")
Labels = frozenset[tuple[str, str]]


def scraped(text: bytes) -> dict[str, dict[Labels, float]]:
    """Return the values of each sample name, by labels."""
    found: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[frozenset(sample.labels.items())] = sample.value
    return found


def labels(**names: str) -> Labels:
    return frozenset(names.items())


def by(values: Mapping[Labels, float], *names: str) -> dict[tuple[str, ...], float]:
    """Return values by some of their labels."""
    return {tuple(dict(key)[name] for name in names): value for key, value in values.items()}


@pytest.mark.requirement("D22")
@pytest.mark.requirement("B38")
@pytest.mark.requirement("D32")
async def test_a_scrape_equals_what_happened(
    queue: Queue, server_url: str, redis_client: redis.asyncio.Redis
) -> None:
    registry = CollectorRegistry()
    metrics = PrometheusMetrics(registry)
    other = Scripts(server_url, queue.name, redis_client)
    held = asyncio.Event()

    @queue.task(attempts=3, backoff=Fixed(0), lease=0.5)
    async def work(how: str) -> str:
        if how == "fail" or (how == "retry" and current_job().attempt < 3):
            raise ValueError(how)
        if how == "cancel":
            raise Cancel("no need")
        if how == "hold":
            await held.wait()
        return how

    @queue.task(keep_result=0)
    async def brief() -> None:
        pass

    metrics.watch(queue)
    taken = await work.enqueue("lost")
    await other.exchange(limit=1)
    await other.close()
    worker = Worker(queue, concurrency=50)
    metrics.watch(worker)
    ways = Counter(ok=7, retry=3, fail=2, cancel=4, hold=1)
    await queue.enqueue_many([work.bind(way) for way in ways.elements()])
    await queue.enqueue_many([brief.bind() for _ in range(5)])
    twin = await work.options(id="twin").enqueue("ok")
    assert not (await work.options(id="twin").enqueue("ok")).created
    await work.options(delay=3600).enqueue("ok")

    def count(name: str, **names: str) -> float:
        return registry.get_sample_value(f"aiojobs_redis_{name}", names) or 0

    async with worker:
        await taken.result(20)
        await twin.result(20)
        q = queue.name
        done = {"queue": q, "task": "work", "outcome": "completed"}
        await wait_until(lambda: count("jobs_finished_total", **done) == 12, "all to end", 20)
        now = scraped(await exposition(queue, registry))
        counts = await queue.counts()
        held.set()

    assert by(now["aiojobs_redis_jobs_enqueued_total"], "task") == {("work",): 20, ("brief",): 5}
    assert by(now["aiojobs_redis_jobs_finished_total"], "task", "outcome") == {
        ("work", "completed"): 7 + 3 + 1 + 1,
        ("work", "dead"): 2,
        ("work", "cancelled"): 4,
        ("brief", "completed"): 5,
    }
    assert by(now["aiojobs_redis_jobs_retried_total"], "task") == {("work",): 3 * 2 + 2 * 2}
    assert by(now["aiojobs_redis_jobs_recovered_total"], "queue") == {(q,): 1}
    attempts = {("work",): 12 + 2 + 4 + 10, ("brief",): 5}
    assert by(now["aiojobs_redis_job_duration_seconds_count"], "task") == attempts
    # First starts: that of the job whose lease was lost was elsewhere.
    assert by(now["aiojobs_redis_job_queue_wait_seconds_count"], "queue") == {(q,): 23}
    assert by(now["aiojobs_redis_jobs_running"], "queue") == {(q,): 1}
    assert now["aiojobs_redis_worker_concurrency"] == {labels(): 50}
    assert now["aiojobs_redis_worker_up"] == {labels(): 1}
    states = by(now["aiojobs_redis_queue_jobs"], "state")
    assert {name: int(value) for (name,), value in states.items()} == {
        "scheduled": counts.scheduled,
        "queued": counts.queued,
        "blocked": counts.blocked,
        "running": counts.running,
        "retrying": counts.retrying,
        "completed": counts.completed,
        "dead": counts.dead,
        "cancelled": counts.cancelled,
    }
    assert (counts.scheduled, counts.running, counts.dead) == (1, 1, 2)
    assert by(now["aiojobs_redis_queue_workers"], "queue") == {(q,): 1}

    await queue.clean("dead")
    await queue.clean("completed")
    after = scraped(await exposition(queue, registry))
    finished = by(after["aiojobs_redis_jobs_finished_total"], "task", "outcome")
    assert finished[("work", "completed")] == 13, "counters outlive what they counted"
    assert finished[("work", "dead")] == 2
    assert after["aiojobs_redis_worker_up"] == {labels(): 0}


async def test_what_a_failing_call_for_many_has_added_is_counted(
    queue: Queue, server_url: str
) -> None:
    registry = CollectorRegistry()
    small = Queue(queue.name, url=server_url, namespace="test", max_length=250)
    PrometheusMetrics(registry).watch(small)

    with pytest.raises(QueueFull):
        await small.enqueue_many([small.bind("work") for _ in range(300)])

    names = {"queue": queue.name, "task": "work"}
    assert registry.get_sample_value("aiojobs_redis_jobs_enqueued_total", names) == 250


async def test_what_a_key_has_kept_out_is_not_counted_for_another_task(
    queue: Queue, server_url: str
) -> None:
    registry = CollectorRegistry()
    slow = Queue(queue.name, url=server_url, namespace="test", enqueue_rate=(1, 3600))
    PrometheusMetrics(registry).watch(slow)
    calls = [slow.bind("first", key="a") for _ in range(3)]
    calls += [slow.bind("second", key=key) for key in ("b", "b", "c")]

    with pytest.raises(RateExceeded) as refused:
        await slow.enqueue_many(calls)

    assert [call.task for call in refused.value.calls] == ["first", "second", "second"]
    assert len(refused.value.jobs) == 3
    name = "aiojobs_redis_jobs_enqueued_total"
    counted = [registry.get_sample_value(name, {"queue": queue.name, "task": task}) for task in TWO]
    assert counted == [1, 2]
    await slow.close()


@pytest.mark.requirement("B38")
async def test_ticks_of_schedules_are_counted_with_their_lateness(queue: Queue) -> None:
    registry = CollectorRegistry()
    metrics = PrometheusMetrics(registry)

    @queue.cron("* * * * * *")
    async def tick() -> None:
        pass

    def count(name: str, **names: str) -> float:
        names = {"queue": queue.name, **names}
        return registry.get_sample_value(f"aiojobs_redis_{name}", names) or 0

    worker = Worker(queue)
    metrics.watch(worker, queue)
    async with worker:
        done = {"task": "tick", "outcome": "completed"}
        await wait_until(lambda: count("jobs_finished_total", **done), "a tick", 20)

    assert count("jobs_enqueued_total", task="tick") >= 1
    assert count("cron_lateness_seconds_count") == count("jobs_enqueued_total", task="tick")
    assert 0 <= count("cron_lateness_seconds_sum") < 20


@pytest.mark.behaviour("T67")
async def test_labels_are_escaped(queue: Queue) -> None:
    registry = CollectorRegistry()
    metrics = PrometheusMetrics(registry)
    hostile = 'a"b\\c\nd'
    metrics._enqueued.labels(hostile, "task").inc()

    text = await exposition(queue, registry)

    assert b'queue="a\\"b\\\\c\\nd"' in text
    assert by(scraped(text)["aiojobs_redis_jobs_enqueued_total"], "queue") == {(hostile,): 1}


async def test_a_server_that_is_away_leaves_the_rest_of_a_scrape(
    own_server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_gauges, "_PATIENCE", 0.2)
    queue = Queue("away", url=own_server.url, namespace="test")
    registry = CollectorRegistry()
    PrometheusMetrics(registry).watch(queue)
    await queue.enqueue("work")
    own_server.stop()

    found = scraped(await exposition(queue, registry))

    assert found["aiojobs_redis_queue_up"] == {labels(queue="away"): 0}
    assert by(found["aiojobs_redis_jobs_enqueued_total"], "task") == {("work",): 1}
    assert "aiojobs_redis_queue_jobs" not in found
    await queue.close()


async def test_a_blocked_loop_still_answers_a_scrape(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_gauges, "_PATIENCE", 0.2)
    queue = Queue("blocked", "memory://blocked")
    registry = CollectorRegistry()
    metrics = PrometheusMetrics(registry)
    found: list[bytes] = []

    async with serve_metrics(queue, port=0, registry=registry) as port:
        metrics.watch(queue)
        await queue.enqueue("work")
        url = f"http://127.0.0.1:{port}/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            assert answer.headers["Content-Type"] == CONTENT_TYPE
            found.append(answer.read())

    assert by(scraped(found[0])["aiojobs_redis_jobs_enqueued_total"], "task") == {("work",): 1}
    assert by(scraped(found[0])["aiojobs_redis_queue_up"], "queue") == {(queue.name,): 0}


async def test_what_is_wrong_is_named(queue: Queue) -> None:
    registry = CollectorRegistry()
    PrometheusMetrics(registry)
    with pytest.raises(ConfigInvalid, match="make one PrometheusMetrics a process"):
        PrometheusMetrics(registry)
    async with serve_metrics(queue, port=0, registry=registry) as port:
        with pytest.raises(ConfigInvalid, match=f"127.0.0.1:{port}.*Choose another port"):
            async with serve_metrics(queue, port=port, registry=registry):
                pass


async def test_without_the_extra_the_error_names_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "aiojobs_redis.contrib.prometheus")
    monkeypatch.setitem(sys.modules, "prometheus_client", None)

    with pytest.raises(ImportError, match=r"pip install 'aiojobs-redis\[prometheus\]'"):
        importlib.import_module("aiojobs_redis.contrib.prometheus")


@pytest.fixture
async def valkey_queue(valkey_server: ServerProcess) -> AsyncIterator[Queue]:
    """A queue for processes of their own."""
    queue = Queue(f"q{uuid.uuid4().hex[:12]}", url=valkey_server.url, namespace="test")
    yield queue
    await queue.destroy(force=True)
    await queue.close()


APP = """
import os
from aiojobs_redis import Queue

queue = Queue(os.environ["QUEUE"], namespace="test")

@queue.task
async def work(more: int) -> int:
    if more:
        await work.enqueue(more - 1)
    return more
"""


@pytest.mark.requirement("B38")
async def test_a_worker_of_the_command_line_serves_its_metrics(
    valkey_queue: Queue, valkey_server: ServerProcess, tmp_path: Path
) -> None:
    real_queue, real_url = valkey_queue, valkey_server.url
    (tmp_path / "app.py").write_text(APP)
    log = tmp_path / "log"
    with log.open("wb") as err:
        worker = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "aiojobs_redis", "worker", "app:queue"),
            *("--metrics-port", "0", "--log-format", "json"),
            cwd=tmp_path,
            env={**os.environ, "AIOJOBS_REDIS_URL": real_url, "QUEUE": real_queue.name},
            stderr=err,
        )

    def lines() -> list[dict[str, Any]]:
        return [json.loads(line) for line in whole_lines(log)]

    def url() -> str | None:
        told = [line["message"] for line in lines() if "metrics at" in line["message"]]
        return told[0].removeprefix("metrics at ") if told else None

    def scrape() -> dict[str, dict[Labels, float]]:
        return scraped(read(url() or ""))

    try:
        await wait_until(url, "the address", 30)
        assert "//127.0.0.1:" in (url() or "")
        await real_queue.enqueue("work", 2)

        async def finished() -> bool:
            found = await asyncio.to_thread(scrape)
            values = by(found.get("aiojobs_redis_jobs_finished_total", {}), "task", "outcome")
            return values.get(("work", "completed")) == 3

        await wait_until(finished, "all to be counted", 30)
        found = await asyncio.to_thread(scrape)
        assert by(found["aiojobs_redis_jobs_enqueued_total"], "task") == {("work",): 2}
        assert by(found["aiojobs_redis_queue_jobs"], "state")[("completed",)] == 3
    finally:
        worker.send_signal(signal.SIGTERM)
        await asyncio.wait_for(worker.wait(), 30)
    told = [(line["transition"], line["state"]) for line in lines() if "transition" in line]
    assert sorted(told) == [("completed", "completed")] * 3 + [("started", "running")] * 3


def two_free_ports() -> int:
    """Return a port that is free, as is the one behind it."""
    while True:
        port = free_port()
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port + 1)):
            return port


@pytest.mark.requirement("D22")
async def test_each_process_of_a_worker_has_a_port_and_their_sum_is_what_happened(
    valkey_queue: Queue, valkey_server: ServerProcess, tmp_path: Path
) -> None:
    queue, server_url = valkey_queue, valkey_server.url
    (tmp_path / "app.py").write_text(APP)
    port = two_free_ports()
    with (tmp_path / "log").open("wb") as err:
        worker = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "aiojobs_redis", "worker", "app:queue"),
            *("--processes", "2", "--metrics-port", str(port), "--concurrency", "1"),
            cwd=tmp_path,
            env={**os.environ, "AIOJOBS_REDIS_URL": server_url, "QUEUE": queue.name},
            stderr=err,
        )

    def scrape() -> list[dict[str, dict[Labels, float]]]:
        return [scraped(read(f"http://127.0.0.1:{number}/metrics")) for number in (port, port + 1)]

    async def finished() -> bool:
        counted = []
        for found in await asyncio.to_thread(scrape):
            values = by(found.get("aiojobs_redis_jobs_finished_total", {}), "outcome")
            counted.append(values.get(("completed",), 0))
        return sum(counted) == 60

    def up() -> bool:
        with contextlib.suppress(OSError):
            return [found["aiojobs_redis_worker_up"] for found in scrape()] == [{labels(): 1}] * 2
        return False

    try:
        await wait_until(lambda: asyncio.to_thread(up), "two processes", 30)
        await queue.enqueue_many([queue.bind("work", 2) for _ in range(20)])
        await wait_until(finished, "all to be counted", 30)
        both = await asyncio.to_thread(scrape)
        enqueued = [by(found["aiojobs_redis_jobs_enqueued_total"], "task") for found in both]
        assert sum(each[("work",)] for each in enqueued) == 40
        assert [found["aiojobs_redis_worker_up"] for found in both] == [{labels(): 1}] * 2
    finally:
        worker.send_signal(signal.SIGTERM)
        await asyncio.wait_for(worker.wait(), 30)
