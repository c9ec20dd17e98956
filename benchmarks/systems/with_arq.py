"""Drives arq for the benchmarks."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

from arq import create_pool
from arq.connections import ArqRedis, RedisSettings
from arq.worker import Worker
from plumbing import by_callers, idle_pickup, perform, until_input_ends

_POLL = 0.01


async def noop(ctx: dict[str, Any]) -> None:
    return None


async def take(ctx: dict[str, Any], text: str) -> None:
    return None


async def stamp(ctx: dict[str, Any]) -> int:
    return time.time_ns()


async def _pool(url: str) -> ArqRedis:
    return await create_pool(RedisSettings(unix_socket_path=url.removeprefix("unix://")))


def _worker(pool: ArqRedis, concurrency: int, *, burst: bool) -> Worker:
    return Worker(
        functions=[noop, take, stamp],
        redis_pool=pool,
        burst=burst,
        max_jobs=concurrency,
        poll_delay=_POLL,
        log_results=False,
        handle_signals=False,
    )


async def fill(url: str, jobs: int, payload: int = 0) -> dict[str, Any]:
    pool = await _pool(url)
    call = ("take", "x" * payload) if payload else ("noop",)
    await by_callers(50, jobs, lambda: pool.enqueue_job(*call))
    await pool.aclose()
    return {}


async def drain(url: str, jobs: int, concurrency: int) -> dict[str, Any]:
    worker = _worker(await _pool(url), concurrency, burst=True)
    start = time.perf_counter()
    await worker.async_run()
    seconds = time.perf_counter() - start
    assert worker.jobs_complete == jobs, worker.jobs_complete
    await worker.close()
    return {"jobs_per_second": jobs / seconds, "jobs": jobs}


async def enqueue(url: str, jobs: int, callers: int) -> dict[str, Any]:
    pool = await _pool(url)
    await pool.enqueue_job("noop")
    seconds = await by_callers(callers, jobs, lambda: pool.enqueue_job("noop"))
    await pool.aclose()
    return {"jobs_per_second": jobs / seconds, "jobs": jobs}


async def work(url: str, concurrency: int) -> dict[str, Any]:
    worker = _worker(await _pool(url), concurrency, burst=False)
    running = asyncio.create_task(worker.async_run())
    await until_input_ends()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await worker.close()
    return {}


async def pickup(url: str, jobs: int) -> dict[str, Any]:
    pool = await _pool(url)

    async def once() -> int:
        job = await pool.enqueue_job("stamp")
        assert job is not None
        started: int = await job.result(timeout=10, poll_delay=0.005)
        return started

    await once()
    taken = await idle_pickup(jobs, once)
    await pool.aclose()
    return {"ms": taken}


async def lateness(url: str, jobs: int) -> dict[str, Any]:
    pool = await _pool(url)
    start = time.time_ns() // 1_000_000 + 1500
    due = [start + 1000 * number // jobs for number in range(jobs)]
    handles = await asyncio.gather(
        *(
            pool.enqueue_job("stamp", _defer_until=datetime.fromtimestamp(ms / 1000, UTC))
            for ms in due
        )
    )
    assert time.time() * 1000 < start, "enqueued too late to be due together"
    await asyncio.sleep(3)
    started = [await handle.result(timeout=10) for handle in handles if handle is not None]
    await pool.aclose()
    return {"ms": [at / 1e6 - ms for at, ms in zip(started, due, strict=True)]}


if __name__ == "__main__":
    perform(
        {
            "fill": fill,
            "drain": drain,
            "enqueue": enqueue,
            "work": work,
            "pickup": pickup,
            "lateness": lateness,
        }
    )
