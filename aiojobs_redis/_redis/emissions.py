"""Events of an application's own, on their way into the stream of a queue and out of it.

Those that a process emits outside of its jobs go together: while a call is on its way the next ones
wait, and go with one more. A call is sent again with the same number until it is answered, so that
a lost reply doubles nothing.
"""

from __future__ import annotations

import asyncio
import copy
import secrets
from collections import deque
from typing import TYPE_CHECKING, Any

from aiojobs_redis.emitted import decode_emitted
from aiojobs_redis.errors import AiojobsError, PayloadRejected
from aiojobs_redis.extras import netstrings
from aiojobs_redis.signature import reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiojobs_redis._redis.store import Store
    from aiojobs_redis.sealing import Sealing

__all__ = ["Emitter", "open_emitted", "split_emitted"]

_BATCH = 100
_BATCH_BYTES = 256 * 1024


class Emitter:
    """Emits the events of one queue, from one event loop.

    Args:
        store: The queue.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._incarnation = secrets.token_hex(16)
        self._counter = 0
        self._waiting: deque[tuple[bytes, asyncio.Future[None]]] = deque()
        self._sending: asyncio.Task[None] | None = None

    async def emit(self, body: bytes) -> None:
        """Emit one, and return once Redis has it.

        Args:
            body: As `encode_emitted` encodes it.

        Raises:
            QueueFull: Redis is out of memory; nothing was written.
            QueueUnavailable: Redis did not answer; it may have been written.
        """
        sealing = self._store.sealing
        sealed = body if sealing is None else sealing.seal("event", b"", body)
        loop = asyncio.get_running_loop()
        emitted: asyncio.Future[None] = loop.create_future()
        self._waiting.append((sealed, emitted))
        if self._sending is None:
            self._sending = loop.create_task(self._send_all(), name="aiojobs-emit")
        await emitted

    async def _send_all(self) -> None:
        batch: list[tuple[bytes, asyncio.Future[None]]] = []
        try:
            while self._waiting:
                batch = self._take()
                if batch:
                    await self._send(batch)
        finally:
            self._sending = None
            for _, emitted in (*batch, *self._waiting):
                emitted.cancel()
            self._waiting.clear()

    def _take(self) -> list[tuple[bytes, asyncio.Future[None]]]:
        batch: list[tuple[bytes, asyncio.Future[None]]] = []
        size = 0
        while self._waiting and len(batch) < _BATCH and size < _BATCH_BYTES:
            one = self._waiting.popleft()
            # Of a caller that was cancelled before, nothing is sent.
            if not one[1].done():
                batch.append(one)
                size += len(one[0])
        return batch

    async def _send(self, batch: list[tuple[bytes, asyncio.Future[None]]]) -> None:
        self._counter += 1
        bodies = [body for body, _ in batch]
        try:
            await self._store.ask("emit", self._incarnation, self._counter, *bodies)
        except Exception as error:  # whatever it is, it belongs to these callers
            for _, emitted in batch:
                if not emitted.done():
                    emitted.set_exception(_own(error))
            return
        for _, emitted in batch:
            if not emitted.done():
                emitted.set_result(None)


def split_emitted(value: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the events of an entry: id of the job, empty for none, and what is to be opened."""
    texts = list(netstrings(value))
    return zip(texts[::2], texts[1::2], strict=False)


def open_emitted(body: bytes, sealing: Sealing | None, job: bytes) -> tuple[str, Any] | str:
    """Return name and data of an event, or why they cannot be read.

    One that was damaged or forged must not keep a reader from those that follow; nor may it look
    like one that the application has emitted. Where the codec cannot do it now, it raises that.

    Args:
        body: What it says, as it was stored.
        sealing: Opens it where the queue seals it.
        job: Id of its job, in UTF-8; empty for none.
    """
    try:
        opened = body if sealing is None else sealing.open("event", job, body)
    except PayloadRejected as error:
        return str(error)
    try:
        return decode_emitted(opened)
    except Exception as error:
        sealed = ", or sealed by a codec that this queue was not given" if sealing is None else ""
        return f"it does not decode: {reason(error)}. It was damaged{sealed}"


def _own(error: Exception) -> Exception:
    """Return the error as an object of one caller's own, which adds a traceback."""
    if not isinstance(error, AiojobsError):
        return error
    own = copy.copy(error)
    own.__cause__ = error.__cause__
    return own
