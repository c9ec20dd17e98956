"""What operators ask of a worker from afar, obeyed, and what they are told of its end.

How a word comes here stands in `Commanding`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiojobs_redis.guarded_log import GuardedLog
from aiojobs_redis.printing import log_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiojobs_redis.job import WorkerState
    from aiojobs_redis.worker.worker import Worker

__all__ = ["Control", "report_end"]

_log = GuardedLog("aiojobs_redis.worker")


class Control:
    """Obeys operators.

    Args:
        worker: The worker.

    Attributes:
        told_to_stop: Set when an operator asked for its end: whoever started it is not to start
            another one in its place.
        on_change: Told that its state is another one, from whatever side.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self.told_to_stop: asyncio.Event = asyncio.Event()
        self.on_change: Callable[[], object] = lambda: None

    def state(self) -> WorkerState:
        """Return whether the worker claims jobs."""
        return self._worker.state

    def obey(self, word: str) -> None:
        """Do what an operator asked for.

        Args:
            word: A letter of ask_worker.lua; another one is of a later version, and passed over.
        """
        worker = self._worker
        if word == "q":
            _log.warning("worker %s: quiet, as an operator asked", worker.id)
            worker.pause()
        elif word == "r":
            _log.warning("worker %s: claims jobs again, as an operator asked", worker.id)
            worker.resume()
        elif word == "s":
            self.told_to_stop.set()
            # Behind those who waited for it: a process that is killed once this is read in its log
            # has told its parent, and is not started again.
            asyncio.get_running_loop().call_soon(
                _log.warning, "worker %s: stopping, as an operator asked", worker.id
            )
            worker.stop()


def report_end(task: asyncio.Task[None]) -> None:
    """Log the error with which a worker ended, where nobody awaits it."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log_error(_log, error, "the worker ended with an error")
