"""A worker within an ``async with``, and what becomes of the block when the worker fails.

    entered ── the worker ends with an error ──▶ the block is cancelled ──▶ left, with that error
       └── the block ends ──▶ the worker stops ── it ends ──▶ left, with its error, if any

A block that waits for results would otherwise wait for ever for a worker that has never begun.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiojobs_redis.worker.control import report_end

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["Hosted"]


class Hosted:
    """One run of a worker within a block; made in the task whose block it is.

    Args:
        run: What runs.
    """

    def __init__(self, run: Coroutine[Any, Any, None]) -> None:
        self._host = asyncio.current_task()
        self._leaving = self._interrupted = False
        self._run = asyncio.create_task(run, name="aiojobs-worker-run")
        self._run.add_done_callback(self._ended)

    async def leave(self) -> None:
        """Wait for the end of the worker, which was told to stop.

        Raises:
            Exception: The one with which it ended.
        """
        self._leaving = True
        host = asyncio.current_task()
        # A fixture may be left in another task than the one in which it was entered.
        if self._interrupted and host is not None and host is self._host:
            host.uncancel()
        await self._run

    def _ended(self, run: asyncio.Task[None]) -> None:
        report_end(run)
        failed = not run.cancelled() and run.exception() is not None
        if failed and not self._leaving and self._host is not None:
            self._interrupted = self._host.cancel("the worker of this block ended with an error")
