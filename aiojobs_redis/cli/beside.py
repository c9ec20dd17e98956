"""What a process does beside its worker, from its start to its end; what fails there is told."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

from aiojobs_redis.printing import log_error

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping

    from aiojobs_redis import Worker

__all__ = ["beside", "when_ready"]

_log = logging.getLogger("aiojobs_redis.cli")


@contextlib.asynccontextmanager
async def beside(works: Mapping[str, Coroutine[Any, Any, None]]) -> AsyncGenerator[None]:
    """Do some things in the block; one that fails is logged, and ends nothing else.

    Args:
        works: What is done, by what it is called in the log.
    """
    tasks = [asyncio.create_task(work, name=name) for name, work in works.items()]
    for task in tasks:
        task.add_done_callback(_report)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def when_ready(worker: Worker, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Do something once a worker claims jobs; nothing where it ends before that."""
    try:
        await worker.wait_until_ready()
    except Exception:
        # It is what `run` raises, or that it was stopped: told elsewhere.
        return
    await work()


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log_error(_log, error, "the %s has failed: the worker goes on without it", task.get_name())
