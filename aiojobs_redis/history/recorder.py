"""Writes the history of one queue in one process; see docs/history.md."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from aiojobs_redis.errors import ConfigInvalid
from aiojobs_redis.history.events import Event
from aiojobs_redis.history.journal import Journal

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Generator
    from pathlib import Path

__all__ = ["HistoryRecorder"]

_MARKS = ("drained", "restart", "rewind", "failover", "destroyed", "clock")


class HistoryRecorder:
    """What `Queue.record_history` returns; a context manager that ends the recording.

    Args:
        folder: Where this process's file is made.
        queue: Name of the queue.

    Raises:
        OSError: The file cannot be made.
    """

    def __init__(self, folder: str | os.PathLike[str], queue: str) -> None:
        self.journal: Journal = Journal(folder, queue)
        self.on_close: Callable[[], None] = lambda: None

    @property
    def path(self) -> Path:
        """The file of this process."""
        return self.journal.path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Record no more."""
        self.on_close()
        self.journal.close()

    def mark(self, cause: str) -> None:
        """Write down something that the queue itself cannot know.

        Args:
            cause: ``drained`` when all work is done, so that a job without an end is a lost one;
                else a fault of Redis that is over, as for `fault`.

        Raises:
            ConfigInvalid: It is not one of these.
        """
        self.journal.write([Event(0, "mark", cause=_check(cause))])

    @contextmanager
    def fault(self, cause: str) -> Generator[None]:
        """Write down a fault of Redis that happens inside the ``with`` block.

        Args:
            cause: ``restart`` when Redis comes back with all that it had acknowledged, ``rewind``
                when it comes back with an older state, ``failover`` when a replica takes over,
                ``destroyed`` when the keys of the queue are removed, ``clock`` when the clock of
                its machine is set.

        Raises:
            ConfigInvalid: It is not one of these.
        """
        call = secrets.token_hex(4)
        self.journal.write([Event(0, "mark", "invoke", call=call, cause=_check(cause))])
        try:
            yield
        finally:
            self.journal.write([Event(0, "mark", call=call, cause=cause)])

    def started(self, job: str, token: str, attempt: int, attempts: int) -> None:
        """Write down that an attempt begins."""
        event = Event(0, "start", job=job, token=token, attempt=attempt, attempts=attempts)
        self.journal.write([event])

    def ended(self, job: str, token: str, cause: str) -> None:
        """Write down that an attempt has ended, and how."""
        self.journal.write([Event(0, "end", job=job, token=token, cause=cause)])


def _check(cause: str) -> str:
    if cause not in _MARKS:
        raise ConfigInvalid(f"there is no mark {cause!r:.80}; the marks are {', '.join(_MARKS)}")
    return cause
