"""The steps of a job as they are stored: sealed where the queue has a codec, each with its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiojobs_redis.errors import PayloadTooLarge
from aiojobs_redis.extras import LARGEST, netstrings
from aiojobs_redis.payload_codec import netstring

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiojobs_redis.sealing import Kind
    from aiojobs_redis.worker.run import Run

    Convert = Callable[[Kind, bytes, bytes], bytes]

__all__ = ["Ledger"]


class Ledger:
    """What the steps of a run returned.

    Args:
        run: The run.
        seal: Seals what they return.
    """

    def __init__(self, run: Run, seal: Convert) -> None:
        self._run = run
        self._seal = seal
        self._new: list[bytes] = []
        self._size = 0

    def load(self, stored: bytes, open_sealed: Convert) -> dict[str, bytes]:
        """Return what attempts before have recorded, by the name of the step.

        Raises:
            PayloadRejected: The queue's codec did not seal it for this step.
        """
        self._size = len(stored)
        texts = list(netstrings(stored))
        return {
            name.decode(errors="replace"): open_sealed("step", self._place(name), body)
            for name, body in zip(texts[::2], texts[1::2], strict=False)
        }

    def add(self, name: str, body: bytes) -> None:
        """Keep what a step returned to be recorded.

        Raises:
            PayloadTooLarge: The steps of the job take more than 1 MiB.
        """
        key = name.encode(errors="replace")
        record = netstring(key, self._seal("step", self._place(key), body))
        if self._size + len(record) > LARGEST:
            raise PayloadTooLarge(
                f"step {name!r} of job {self._run.id} has run, but its record of {len(record)} "
                f"bytes is not kept: with {self._size} bytes of other steps it is over the limit "
                f"of {LARGEST}. Store results elsewhere and return references."
            )
        self._size += len(record)
        self._new.append(record)

    def take(self) -> bytes:
        """Return what is to be recorded, empty for nothing."""
        new, self._new = b"".join(self._new), []
        return new

    def _place(self, name: bytes) -> bytes:
        return netstring(self._run.key, name)
