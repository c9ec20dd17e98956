"""The sign of life of a worker process: a file that its event loop touches, and who looks for it.

A file needs neither Redis nor the application, so a probe that reads it costs nothing, and does not
end workers because Redis is away. Where there is none, the registry in Redis is asked.
"""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from aiojobs_redis.cli.exits import Failure, Misuse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiojobs_redis import Queue

__all__ = ["FRESH", "beat", "check_file", "check_registry", "check_writable", "file_of"]

_log = logging.getLogger("aiojobs_redis.cli")

FRESH = 10.0
"""Seconds after which a sign of life is too old."""
_INTERVAL = 1.0


def file_of(path: str, number: int, processes: int) -> str:
    """Return the file of one process: each of several has its own, with its number at the end."""
    return path if processes == 1 else f"{path}.{number}"


def check_writable(path: str) -> None:
    """See that a file can be touched, and leave it as it was: it is no sign of life yet.

    Raises:
        Misuse: It cannot.
    """
    try:
        try:
            # Not held up by a pipe, and an older file stays old.
            os.close(os.open(path, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0)))
        except FileNotFoundError:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
            os.unlink(path)  # noqa: PTH108 of what was opened just now
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise Misuse(
            f"--heartbeat-file {path}: {why}. Name a file in a folder that is there and in which "
            "this user may write."
        ) from None


async def beat(path: str) -> None:
    """Touch a file every second; it is gone when this ends.

    Where it cannot be touched that is logged, once, and tried again: a disk that was full, or a
    folder that was away, costs no sign of life but those of that time.
    """
    failing = False
    try:
        while True:
            try:
                _touch(path)
            except OSError as error:
                if not failing:
                    _log.error(
                        "the heartbeat file %s cannot be touched: %s. It is tried every second; "
                        "after %.0f s --check fails",
                        *(path, error.strerror, FRESH),
                    )
                failing = True
            else:
                if failing:
                    _log.warning("the heartbeat file %s is touched again", path)
                failing = False
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
