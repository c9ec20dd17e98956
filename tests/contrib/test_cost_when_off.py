"""Observability that nobody asked for is neither loaded nor called; a scrape costs one call."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest
from prometheus_client import CollectorRegistry

from aiojobs_redis import JobState, Queue, Worker, middleware
from aiojobs_redis.contrib import opentelemetry, prometheus
from aiojobs_redis.contrib.prometheus import PrometheusMetrics, exposition
from aiojobs_redis.worker import failures, transitions
from tests.support.raw import raw

HOOKS = tuple(
    module.__file__ or ""
    for module in (transitions, middleware, failures, prometheus, opentelemetry)
)
PROGRAM = """
import asyncio, logging, sys
from aiojobs_redis import Queue, Worker

queue = Queue("off", "memory://off")

@queue.task
async def work() -> int:
    return 1

async def main() -> None:
    job = await work.enqueue()
    worker = Worker(queue)
    await worker.run(burst=True)
    assert await job.result(5) == 1
    await queue.close()

before = set(sys.modules)
asyncio.run(main())
print("\\n".join(set(sys.modules) - before))
print("\\n".join(m for m in sys.modules if m.startswith("aiojobs_redis.")))
"""


def test_a_job_from_its_enqueue_to_its_end_loads_nothing_of_it() -> None:
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True
    )

    loaded = set(result.stdout.split())
    assert "aiojobs_redis.worker.transitions" in loaded
    names = ("opentelemetry", "prometheus_client", "starlette", "aiojobs_redis.contrib")
    # redis-py takes in OpenTelemetry by itself where that is installed, when it is imported.
    assert {name for name in loaded if name.startswith(names)} == set()


async def test_nothing_is_called_around_enqueues_and_attempts(
    queue: Queue,
) -> None:
    logger = logging.getLogger("aiojobs_redis.jobs")
    level = logger.level
    called: list[str] = []

    def note(frame: object, event: str, _: object) -> None:
        code = frame.f_code  # type: ignore[attr-defined]
        if event == "call" and code.co_filename.startswith(HOOKS):
            called.append(code.co_qualname)

    @queue.task
    async def work() -> int:
        return 1

    worker = Worker(queue)
    logger.setLevel(logging.WARNING)
    sys.setprofile(note)
    try:
        jobs = await queue.enqueue_many([work.bind() for _ in range(20)])
        await worker.run(burst=True)
    finally:
        sys.setprofile(None)
        logger.setLevel(level)

    assert await jobs[-1].state() is JobState.COMPLETED
    assert set(called) == {"Transitions.wanted"}
    assert len(called) < len(jobs)


@pytest.mark.requirement("B38")
async def test_a_scrape_costs_the_same_however_many_jobs_there_are(real_queue: Queue) -> None:
    registry = CollectorRegistry()
    PrometheusMetrics(registry).watch(real_queue)
    await real_queue.enqueue("work")
    await exposition(real_queue, registry)

    async def cost() -> dict[str, int]:
        await raw(real_queue, "CONFIG", "RESETSTAT")
        await exposition(real_queue, registry)
        text = (await raw(real_queue, "INFO", "commandstats")).decode()
        calls = dict(line.split(":") for line in text.split() if line.startswith("cmdstat_"))
        return {
            name.removeprefix("cmdstat_"): int(rest.partition(",")[0].removeprefix("calls="))
            for name, rest in calls.items()
            if name not in {"cmdstat_info", "cmdstat_config|resetstat"}
        }

    small = await cost()
    await real_queue.enqueue_many(real_queue.bind("work") for _ in range(5000))
    large = await cost()

    assert small["evalsha"] == 1
    assert large == small
