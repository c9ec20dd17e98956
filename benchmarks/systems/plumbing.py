"""What the scripts of all systems share, in nothing but the standard library."""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

__all__ = ["Action", "by_callers", "idle_pickup", "perform", "until_input_ends"]

Action = Callable[..., Awaitable[dict[str, Any]]]


def perform(actions: Mapping[str, Action]) -> None:
    """Do the action that the command line asks for and print its figures."""
    parameters = json.loads(sys.argv[1])
    action = actions[parameters.pop("action")]
    found = asyncio.run(action(**parameters))
    print(json.dumps(found), flush=True)


async def until_input_ends() -> None:
    """Say that the worker is ready, and return when it is to stop."""
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)


async def by_callers(callers: int, jobs: int, enqueue: Callable[[], Awaitable[Any]]) -> float:
    """Let that many callers enqueue one job after another; the seconds until all are accepted."""

    async def call(count: int) -> None:
        for _ in range(count):
            await enqueue()

    counts = [jobs // callers + (caller < jobs % callers) for caller in range(callers)]
    start = time.perf_counter()
    await asyncio.gather(*map(call, counts))
    return time.perf_counter() - start


async def idle_pickup(jobs: int, once: Callable[[], Awaitable[int]]) -> list[float]:
    """Enqueue single jobs, each once the last is done and the worker idle again.

    Args:
        jobs: Their number.
        once: Enqueues one and returns the wall-clock ns at which its task started.

    Returns:
        Milliseconds from the call of enqueue to the first line of the task.
    """
    taken = []
    for _ in range(jobs):
        # At random, so that a worker that polls is not always met in the same phase.
        await asyncio.sleep(random.uniform(0.002, 0.012))
        called = time.time_ns()
        taken.append((await once() - called) / 1e6)
    return taken
