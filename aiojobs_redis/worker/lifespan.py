"""Opens what tasks share before the first job, and closes it after the last.

    opening ── yields ──▶ open ── asked to close ──▶ closing ─▶ closed
       │                   │                            └── raises, or takes too long: logged
       │                   └── raises while jobs run: the worker stops, then LifespanFailed
       ├── raises: LifespanFailed, no job is started
       └── the worker is asked to stop: cancelled

It lives in an asyncio task of its own, since what it opens may have to be closed in the task that
opened it, as a task group has. So a failure in its background stops the worker in good order
instead of cancelling its jobs.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, TypeAlias

from aiojobs_redis.errors import ConfigInvalid, LifespanFailed
from aiojobs_redis.guarded_log import GuardedLog
from aiojobs_redis.printing import log_error, message_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from aiojobs_redis.worker.stopping import Stopping
    from aiojobs_redis.worker.worker import Worker

__all__ = ["Lifespan", "LifespanFunction"]

_log = GuardedLog("aiojobs_redis.worker")

_UNWIND = 2.0

LifespanFunction: TypeAlias = (
    "Callable[[Worker], AbstractAsyncContextManager[Any] | AsyncGenerator[Any]]"
)


class Lifespan:
    """The lifespan of one worker.

    Args:
        function: Takes the worker and returns an async context manager, as one that is decorated
            with ``contextlib.asynccontextmanager`` does; an async generator function will do.

    Raises:
        ConfigInvalid: It is not such a function.
    """

    def __init__(self, function: LifespanFunction) -> None:
        wrong = not callable(function) or inspect.iscoroutinefunction(function)
        if wrong or inspect.isgeneratorfunction(function):
            raise ConfigInvalid(
                f"lifespan must be an async function of the worker that yields, got "
                f"{function!r:.80}: decorate it with contextlib.asynccontextmanager"
            )
        self._function: Callable[..., Any] = function
        if inspect.isasyncgenfunction(function):
            self._function = contextlib.asynccontextmanager(function)
        self._value: Any = None
        self._opened = asyncio.Event()
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def open(self, worker: Worker, stopping: Stopping) -> Any:
        """Return what it yields; None where the worker was asked to stop before.

        Raises:
            LifespanFailed: It raised.
        """
        task = self._task = asyncio.create_task(self._live(worker), name="aiojobs-lifespan")
        waits = [asyncio.create_task(event.wait()) for event in (self._opened, stopping.asked)]
        try:
            await asyncio.wait([task, *waits], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if task.done():
            self._task = None
            raise _failed(task, "while it opened; no job was started")
        if not self._opened.is_set():
            _log.info("the lifespan is cancelled while it opens: the worker was asked to stop")
            self._task = None
            await _cut_off(task)
            return None

        def ended(_: object) -> None:
            if not self._closing.is_set():
                worker.stop()

        task.add_done_callback(ended)
        return self._value

    async def close(self, seconds: float) -> None:
        """Close it; what goes wrong then is logged.

        Args:
            seconds: Time that it may take.

        Raises:
            LifespanFailed: It had failed while jobs ran.
        """
        task, self._task = self._task, None
        if task is None:
            return
        if task.done():
            raise _failed(task, "while jobs ran; the worker was stopped")
        self._closing.set()
        await asyncio.wait([task], timeout=seconds)
        if not task.done():
            _log.error("the lifespan does not close within %.1f s; it is cancelled", seconds)
            await _cut_off(task)
        elif not task.cancelled() and (error := task.exception()) is not None:
            log_error(_log, error, "the lifespan failed while it closed")

    async def _live(self, worker: Worker) -> None:
        manager = self._function(worker)
        if not hasattr(manager, "__aenter__"):
            raise TypeError(
                f"it returned {manager!r:.80}, not an async context manager: decorate it with "
                "contextlib.asynccontextmanager"
            )
        async with manager as self._value:
            self._opened.set()
            await self._closing.wait()


def _failed(task: asyncio.Task[None], when: str) -> LifespanFailed:
    error = None if task.cancelled() else task.exception()
    shown = "it was cancelled" if error is None else f"{type(error).__name__}: {message_of(error)}"
    failure = LifespanFailed(f"the lifespan of the worker failed {when}: {shown}")
    failure.__cause__ = error
    return failure


async def _cut_off(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task], timeout=_UNWIND)
    if not task.done():
        _log.error("the lifespan does not end when it is cancelled; it is left behind")
    elif not task.cancelled() and (error := task.exception()) is not None:
        log_error(_log, error, "the lifespan failed when it was cancelled")
