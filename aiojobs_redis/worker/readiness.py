"""Whether a worker is ready, for those who wait for it.

    waiting ── claims jobs ──▶ ready
       └────── ended ────────▶ failed

What they wait for may never come: each who waits, or comes later, is told why.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["Readiness"]


class Readiness:
    """Tells that a worker is ready, or that it will not be.

    Args:
        worker: Id of the worker.
    """

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._decided = asyncio.Event()
        self._failure: Exception | None = None

    def reached(self) -> None:
        """Tell that it claims jobs; its end says nothing else afterwards."""
        self._decided.set()

    @contextlib.contextmanager
    def until_the_end(self) -> Generator[None]:
        """Tell at the end of the block that the worker has ended."""
        error: BaseException | None = None
        try:
            yield
        except BaseException as raised:
            error = raised
            raise
        finally:
            if not self._decided.is_set():
                self._failure = self._failure_of(error)
                self._decided.set()

    async def wait(self) -> None:
        """Return when it is ready.

        Raises:
            Exception: It ended before, with this error.
            RuntimeError: It ended before, since it was stopped.
        """
        await self._decided.wait()
        if self._failure is not None:
            raise self._failure

    def _failure_of(self, error: BaseException | None) -> Exception:
        # A cancellation is that of the worker, not of those who wait.
        if isinstance(error, Exception):
            return error
        return RuntimeError(
            f"the worker {self._worker} was stopped before it was ready: it runs no jobs"
        )
