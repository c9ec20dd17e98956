"""Reads what a job has left beside its record: progress, log, state and steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiojobs_redis.errors import JobNotFound
from aiojobs_redis.extras import (
    MOST_LINES,
    decode_log_line,
    decode_progress,
    decode_state,
    netstrings,
)
from aiojobs_redis.payload_codec import netstring
from aiojobs_redis.signature import decoder

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiojobs_redis._redis.store import Store
    from aiojobs_redis.extras import LogLine, Progress
    from aiojobs_redis.sealing import Kind, Sealing
    from aiojobs_redis.signature import Encoded

__all__ = ["Remains", "open_progress"]

_decode: Callable[[Encoded], Any] = decoder(Any)


class Remains:
    """What one job has left so far; it may be running.

    Every method raises `QueueUnavailable` when Redis does not answer, `JobNotFound` when there is
    no record of the job, and `PayloadRejected` for what the queue's codec did not seal.

    Args:
        store: The queue.
        id: The job's id.
    """

    def __init__(self, store: Store, id: str) -> None:
        self._store = store
        self._id = id
        self._key = id.encode()

    async def progress(self) -> Progress | None:
        """Return what the job said last of how far it is."""
        data = await self._read("p")
        return decode_progress(self._open("progress", self._key, data)) if data else None

    async def log(self) -> list[LogLine]:
        """Return the last entries of its log, oldest first, without what is damaged."""
        lines = list(netstrings(await self._read("l")))[-MOST_LINES:]
        opened = [self._open("log", self._key, line) for line in lines]
        return [line for data in opened if (line := decode_log_line(data)) is not None]

    async def clear_log(self, keep: int) -> None:
        """Forget its log, but for so many of the last entries."""
        if not await self._store.ask("clear_log", self._id, keep):
            raise self._missing()

    async def state(self) -> dict[str, Any]:
        """Return its state as it was saved last."""
        data = await self._read("s")
        return decode_state(self._open("state", self._key, data)) if data else {}

    async def steps(self) -> dict[str, Any]:
        """Return what its steps returned, as plain data by name, in the order of their end."""
        texts = list(netstrings(await self._read("c")))
        return {
            name.decode(errors="replace"): _decode(
                self._open("step", netstring(self._key, name), body)
            )
            for name, body in zip(texts[::2], texts[1::2], strict=False)
        }

    async def _read(self, kind: str) -> bytes:
        exists, data = await self._store.ask("recall", self._id, kind)
        if not exists:
            raise self._missing()
        found: bytes = data
        return found

    def _missing(self) -> JobNotFound:
        return JobNotFound(
            f"there is no record of job {self._id} in queue {self._store.queue}: it never was "
            "enqueued here, was removed, or its retention ended"
        )

    def _open(self, kind: Kind, id: bytes, data: bytes) -> bytes:
        sealing = self._store.sealing
        return data if sealing is None else sealing.open(kind, id, data)


def open_progress(stored: bytes, sealing: Sealing | None, job: bytes) -> Progress | None:
    """Decode the progress of a job among others, None where it cannot be read.

    Args:
        stored: It, as extras.lua stores it.
        sealing: Opens it where the queue seals it.
        job: Id of the job, in UTF-8.
    """
    if not stored:
        return None
    data = stored.split(b",", 2)[-1]
    if sealing is not None:
        try:
            data = sealing.open("progress", job, data)
        except Exception:
            # As with a damaged one: it must not hide the others of a list.
            return None
    return decode_progress(data)
