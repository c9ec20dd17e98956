"""The sign of life of a worker process: a file that its event loop touches, and who looks for it.

A file needs neither Redis nor the application, so a probe that reads it costs nothing, and does not
end workers because Redis is away. Where there is none, the registry in Redis is asked.
"""

from __future__ import annotations

import asyncio
import os
import platform
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from aiojobs_redis.cli.exits import Failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiojobs_redis import Queue, Worker

__all__ = ["FRESH", "beat", "check_file", "check_registry", "file_of"]

FRESH = 10.0
"""Seconds after which a sign of life is too old."""
_INTERVAL = 1.0


def file_of(path: str, number: int, processes: int) -> str:
    """Return the file of one process: each of several has its own, with its number at the end."""
    return path if processes == 1 else f"{path}.{number}"


async def beat(worker: Worker, path: str) -> None:
    """Touch a file every second from when the worker claims jobs; it is gone when this ends."""
    await worker.wait_until_ready()
    try:
        while True:
            _touch(path)
            await asyncio.sleep(_INTERVAL)
    finally:
        with suppress(OSError):
            os.unlink(path)  # noqa: PTH108 a call of pathlib is reported in a coroutine


def _touch(path: str) -> None:
    Path(path).touch()


def check_file(path: str, processes: int) -> str:
    """Look for a fresh sign of life of each process; what was found.

    Raises:
        Failure: One is missing or too old.
    """
    ages = []
    for number in range(1, processes + 1):
        name = file_of(path, number, processes)
        try:
            ages.append(time.time() - Path(name).stat().st_mtime)
        except OSError as error:
            raise Failure(
                f"no sign of life: {name}: {error.strerror}. Start the worker with "
                f"--heartbeat-file {path}, or wait until it is ready."
            ) from None
        if ages[-1] > FRESH:
            raise Failure(
                f"{name} is {ages[-1]:.0f} s old, the limit is {FRESH:.0f} s: the event loop of "
                "the worker hangs, or its process died. Restart it."
            )
    return f"alive, {max(ages):.1f} s ago"


async def check_registry(queues: Sequence[Queue], processes: int) -> str:
    """Look for workers of this host in Redis, in each queue; what was found.

    Raises:
        Failure: There are fewer than there should be processes.
        QueueUnavailable: Redis did not answer.
    """
    from aiojobs_redis._redis.diagnosis import Diagnosis

    host = platform.node()
    for queue in queues:
        async with queue:
            now = time.time() + await Diagnosis(queue.store).skew()
            seen = [info for info in await queue.workers() if info.host == host]
            alive = [info for info in seen if now - info.heartbeat_at.timestamp() <= FRESH]
        if len(alive) < processes:
            raise Failure(
                f"{len(alive)} workers of queue {queue.name} on host {host} were seen in the last "
                f"{FRESH:.0f} s, {processes} should be: see 'aiojobs-redis workers'."
            )
    return f"{processes} alive on {host}" if processes > 1 else f"alive on {host}"
