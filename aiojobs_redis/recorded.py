"""A queue of which a process writes down what it does with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiojobs_redis._redis.recording import recorded_scripts
from aiojobs_redis.errors import ConfigInvalid
from aiojobs_redis.history.recorder import HistoryRecorder
from aiojobs_redis.paging import Paging

if TYPE_CHECKING:
    from os import PathLike

    from aiojobs_redis._redis.store import Store

__all__ = ["Recorded"]


class Recorded(Paging):
    """The part of a `Queue` that is about its history.

    Args:
        store: The queue in Redis.

    Attributes:
        history: What writes it; None while nothing does.
    """

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.history: HistoryRecorder | None = None

    def record_history(self, folder: str | PathLike[str]) -> HistoryRecorder:
        """Write down what this process does with the queue, for ``check-history``.

        Call it before jobs are enqueued and workers start. Each process has a file of its own in
        the folder; a history is judged as a whole only if every process records.

        Args:
            folder: Where to; made where it does not exist.

        Returns:
            The recorder, a context manager that ends the recording.

        Raises:
            ConfigInvalid: This queue records already.
            OSError: The file cannot be made.
        """
        name = self.store.queue
        if self.history is not None:
            raise ConfigInvalid(
                f"queue {name} records its history in {self.history.path} already: close that "
                "recorder first"
            )
        plain, recorder = self.store.scripts, HistoryRecorder(folder, name)

        def stop() -> None:
            if self.history is recorder:
                self.store.scripts, self.history = plain, None

        recorder.on_close = stop
        self.store.scripts, self.history = recorded_scripts(recorder.journal), recorder
        return recorder
